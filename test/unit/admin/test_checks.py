"""Tests for qtwisted.admin.checks: what is said of lines in control files, and what is not."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin import checks
from qtwisted.admin.checks import listening, tables, values
from qtwisted.admin.running import ports
from qtwisted.config import cdb
from qtwisted.config.fields import BY_NAME
from qtwisted.config.newu import compiled
from test.kit.homes import scratch

GOOD = {
    "badmailfrom": ("joe@a.example", "@a.example"),
    "concurrencylocal": ("0", "10"),
    "defaultdomain": ("a.example", "a_b.example"),
    "helohost": ("[192.0.2.1]", "mx.example"),
    "listen": ("smtp tcp:25",),
    "locals": ("a.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "b\xfccher.example"),
    "me": ("mx.a.example", "localhost"),
    "qmqpservers": ("10.0.0.1", "2001:db8::1"),
    "rcpthosts": (".a.example", "a.example"),
    "smtpgreeting": ("mx.example no UCE",),
    "smtproutes": (":relay", "a.example:", "a.example:relay:26", "a.example:[2001:db8::1]:26",
                   "a.example:relay::qmtp", ".a.example:relay:465:tls", "a.example:[192.0.2.1]"),
    "virtualdomains": (":alias", ".a.example:joe", "joe@a.example:sue", "a.example:"),
}
BAD = {
    "badmailfrom": ("a.example",),
    "concurrencylocal": ("", "-5", "ten", "10x"),
    "defaultdomain": ("", "a b", "a.example,b.example"),
    "locals": ("a.example b.example", "a:b", " a.example", "a@b"),
    "me": ("", "mx.example\r", "\tmx", "mx\x01"),
    "qmqpservers": ("relay.example",),
    "smtproutes": ("a.example", "a.example:relay:smtp", "a.example:relay:99999", "a.example:relay:25:smpt"),
    "virtualdomains": ("a.example", "a b:c"),
}


class ValueTests(SynchronousTestCase):
    """Lines of control files."""

    def faults(self, name: str, line: str) -> list[str]:
        """What is said of a line."""
        return list(values.faults(BY_NAME[name], line.encode("latin-1")))

    def test_good(self) -> None:
        """Of what works as it stands nothing is said."""
        for name, lines in GOOD.items():
            for line in lines:
                self.assertEqual(self.faults(name, line), [], f"{name}: {line}")

    def test_bad(self) -> None:
        """Of what does not mean what it seems to, one thing is said."""
        for name, lines in BAD.items():
            for line in lines:
                self.assertEqual(len(self.faults(name, line)), 1, f"{name}: {line}")

    def test_tables_name_files_that_exist(self) -> None:
        """Each file in the tables is declared."""
        self.assertLessEqual(set(values.READERS) | set(values.BY_LOOK), set(BY_NAME))

    def test_own_files_are_covered(self) -> None:
        """Lists and mappings of ours are read as their programs read them; listen has a check of its own."""
        ours = {field.name for field in BY_NAME.values() if field.is_ours and field.kind in ("list", "mapping")}
        self.assertLessEqual(ours - {"listen"}, set(values.READERS))


class FindingTests(SynchronousTestCase):
    """How a finding is said."""

    def test_words(self) -> None:
        """In the words of 1.02, and in ours with file and line."""
        for finding, words in (
            (checks.Finding(checks.MISSING, "/x", None, "does not exist"), "/x does not exist"),
            (checks.Finding(checks.UNREACHED, "/x", None, "access denied"), "unable to stat /x: access denied"),
            (checks.Finding(checks.VALUE, "/x", 3, "is empty"), "/x line 3: is empty"),
            (checks.Finding(checks.STALE, "/x", None, "is damaged"), "/x: is damaged"),
        ):
            self.assertEqual(str(finding), words)


class TableTests(SynchronousTestCase):
    """Compiled tables."""

    def test_damage(self) -> None:
        """A table that qmail-newu made is whole; cut off or changed at any of its bytes that matter, it is not."""
        table = cdb.make(compiled(b"=joe:joe:1:2:/home/joe:::\n+joe-:joe:1:2:/home/joe:-::\n.\n"))
        path = f"{scratch(self)}/cdb"
        for content, is_whole in ((table, True), (table[:-1], False), (table[:2060], False), (b"", False),
                                  (table[:2048] + b"\xff" * 8 + table[2056:], False)):
            with open(path, "wb") as file:
                file.write(content)
            self.assertEqual(list(tables.damage(path)) == [], is_whole)


class ListenTests(SynchronousTestCase):
    """Endpoints."""

    def asked(self, line: bytes) -> list[tuple[int, str]]:
        """Which ports a line asks for."""
        return [tuple(place) for place in listening.asked_for(ports.checked(ports.wish(1, line)))]  # type: ignore

    def test_places(self) -> None:
        """A line asks for a port of an address; what is no port, or any free one, cannot be taken."""
        for line, wanted in (
            (b"smtp tcp:25", [(25, "")]),
            (b"smtp haproxy:tcp:2525:interface=127.0.0.1", [(2525, "127.0.0.1")]),
            (b"smtp tcp6:25", [(25, "::")]),
            (b"smtp tcp:0", []),
            (b"qmtp unix:/run/qmtp", []),
            (b"smtp systemd:domain=INET:index=0", []),
        ):
            self.assertEqual(self.asked(line), wanted)


class HomeTests(SynchronousTestCase):
    """A whole home."""

    def test_nothing_there(self) -> None:
        """Of a directory with nothing in it, everything is missing, and nothing else is wrong."""
        home = scratch(self)
        os.mkdir(f"{home}/conf")
        name = str(os.geteuid())
        for file, count in (("conf-users", 8), ("conf-groups", 2)):
            with open(f"{home}/conf/{file}", "w", encoding="ascii") as opened:
                opened.write(f"{name}\n" * count)
        found = [finding for finding in checks.findings(home) if finding.kind != checks.PACKAGES]
        self.assertIn(f"{home}/queue/lock/trigger does not exist", [str(finding) for finding in found])
        self.assertEqual({finding.kind for finding in found if finding.path != home} - {checks.OWNER, checks.GROUP},
                         {checks.MISSING})
