"""Which entry of a table decides, and in which line of its file it stands."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.explain import places, story
from qtwisted.config import cdb, newu, users
from qtwisted.config.control import Control
from qtwisted.config.hosts import BadMailFrom, RcptHosts
from qtwisted.config.security import Policy, Security
from qtwisted.config.tcprules import tcprules
from qtwisted.deliver.host.routes import route_key
from qtwisted.deliver.user.instructions import numbered
from qtwisted.model.login import Login
from qtwisted.schedule.route import Router


class EntryTests(SynchronousTestCase):
    """The entry that decides is the one the decision is made by."""

    def test_virtual_domains(self) -> None:
        """The whole address comes first, then the domain, its endings and the empty key; an exception counts too."""
        router = Router(b"h", [b"h"], [], {b"u@d.example": b"a", b".example": b"", b"": b"c"})
        for address, key in ((b"U@D.example", b"u@d.example"), (b"x@d.example", b".example"), (b"x@other", b"")):
            self.assertEqual(router.virtual_key(address), key)
        self.assertIsNone(Router(b"h", [b"h"]).virtual_key(b"x@y"))

    def test_hosts(self) -> None:
        """A host is found in rcpthosts, else in the table of more hosts."""
        more = cdb.Reader(cdb.make([(b".more.example", b"")]))
        hosts = RcptHosts([b"a.example", b".b.example"], more)
        self.assertEqual(hosts.entry(b"x@A.example"), ("rcpthosts", b"a.example"))
        self.assertEqual(hosts.entry(b"x@y.b.example"), ("rcpthosts", b".b.example"))
        self.assertEqual(hosts.entry(b"x@y.more.example"), ("morercpthosts.cdb", b".more.example"))
        self.assertIsNone(hosts.entry(b"x@c.example"))

    def test_senders(self) -> None:
        """A sender is found whole, else by his host; the empty one never is."""
        bad = BadMailFrom([b"A@b.example", b"@b.example", b""])
        self.assertEqual(bad.entry(b"a@B.example"), b"a@b.example")
        self.assertEqual(bad.entry(b"x@b.example"), b"@b.example")
        self.assertIsNone(bad.entry(b""))

    def test_assignments(self) -> None:
        """An assignment is found with its key; what a wildcard leaves over is in the record."""
        table = cdb.Reader(cdb.make(newu.compiled(b"=a:u:1:2:/h:-:e:\n+a-:u:1:2:/h:-:p-:\n.\n")))
        self.assertEqual(users.assignment(table, b"A"), (b"!a\0", b"u\x001\x002\0/h\0-\0e"))
        self.assertEqual(users.assignment(table, b"a-X"), (b"!a-", b"u\x001\x002\0/h\0-\0p-X"))
        self.assertIsNone(users.assignment(table, b"b"))

    def test_routes(self) -> None:
        """A route is found by the host, its endings, and the empty key."""
        routes = {b".example": b"x", b"": b"y"}
        self.assertEqual((route_key(routes, b"A.example"), route_key(routes, b"b")), (b".example", b""))
        self.assertIsNone(route_key({}, b"a"))

    def test_security(self) -> None:
        """A policy is found for the host before the relay, a login for a relay only."""
        found = Security({b"a.example": Policy(b"may"), b"r": Policy(b"none")}, {b"r": Login(b"u", b"p")})
        self.assertEqual((found.policy_key(b"A.example", b"r"), found.policy_key(b"b", b"r")), (b"a.example", b"r"))
        self.assertEqual((found.login_key(b"b", b"r"), found.login_key(b"b", None)), (b"r", None))


class LineTests(SynchronousTestCase):
    """The line that counts, where a name stands in several."""

    def setUp(self) -> None:
        """Make a home with control files."""
        self.home = self.mktemp()
        os.makedirs(f"{self.home}/control")
        self.control = Control(self.home)

    def write(self, name: str, text: str) -> None:
        """Write a control file."""
        with open(self.control.path(name), "w", encoding="ascii") as file:
            file.write(text)

    def test_lines(self) -> None:
        """Of a list the first counts, of a mapping the last; comments and lines without a colon are counted."""
        self.write("list", "# a\n\nB \nb\n")
        self.write("map", "a:1\na\n#\nA:2\n")
        self.write("secure", "[::1]:may\na.example:may\n[::1]:none\n")
        self.assertEqual(places.in_list(self.control, "list", b"b"), 3)
        self.assertEqual(places.in_mapping(self.control, "map", b"a"), 4)
        self.assertEqual(places.in_security(self.control, "secure", b"[::1]"), 3)
        self.assertIsNone(places.in_list(self.control, "missing", b"b"))

    def test_rules(self) -> None:
        """A rule of tcprules knows its line, one that comes from no line has 0."""
        self.write("tcprules", "# first\n10.0.0.1-3:deny\n192.0.2.7:allow\n")
        rules = tcprules(self.control)
        assert rules is not None
        self.assertEqual([rules.find(ip).line for ip in (b"10.0.0.2", b"192.0.2.7", b"192.0.2.8")], [2, 3, 0])

    def test_instructions(self) -> None:
        """Instructions have the numbers of their lines, those that say nothing counted."""
        found = [(line, each.text) for line, each in numbered(b"# one\n./a\n\n+x\n|b\n&c")]
        self.assertEqual(found, [(2, b"./a"), (5, b"b"), (6, b"c")])

    def test_assign(self) -> None:
        """A mistake in users/assign has its line; a missing last dot is noticed at the end."""
        for text, line in ((b"=a:u:1:2:/h:-::\n=b\n.\n", 2), (b"=a:u:1:2:/h:-::\n", 2), (b"", 1)):
            wrong = self.assertRaises(newu.AssignError, list, newu.compiled(text))
            self.assertEqual(wrong.line, line, text)


class StoryTests(SynchronousTestCase):
    """How things are said."""

    def test_reports(self) -> None:
        """The letter of a report is the verdict, its text is one harmless line."""
        self.assertEqual(story.of_report(b"DNo\x1b such\nuser\n"), ("bounced", "No\\x1b such user"))
        self.assertEqual(story.of_report(b"Zlater")[0], "later")
        self.assertEqual(story.of_report(b"")[0], "unknown")

    def test_place(self) -> None:
        """A place is the file, and the line if there is one."""
        self.assertEqual(story.Step("a", "b").place, "")
        self.assertEqual(story.Step("a", "b", "c").place, "c")
        self.assertEqual(story.Step("a", "b", "c", 4).place, "c line 4")
