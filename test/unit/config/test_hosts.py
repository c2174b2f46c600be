"""Recipients and senders are matched as qmail-smtpd matches them."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import newmrh
from qtwisted.config.control import Control, ControlError
from qtwisted.config.hosts import BadMailFrom, RcptHosts, names_of, rcpthosts


class NamesTests(SynchronousTestCase):
    """Under which names a domain may be listed."""

    def test_suffixes(self) -> None:
        """The domain itself comes first, then the suffixes from left to right."""
        self.assertEqual(list(names_of(b"a.b.c")), [b"a.b.c", b".b.c", b".c"])
        self.assertEqual(list(names_of(b"")), [b""])
        self.assertEqual(list(names_of(b".x.")), [b".x.", b".x.", b"."])


class RcptHostsTests(SynchronousTestCase):
    """Which recipients strangers may use."""

    def test_names_and_suffixes(self) -> None:
        """A name matches itself in any case, a suffix only what is below it."""
        hosts = RcptHosts([b"b.com", b".C.com"])
        for address, allowed in (
            (b"a@B.com", True),
            (b"a@x.b.com", False),
            (b"a@C.com", False),
            (b"a@x.c.com", True),
            (b"a@x.y.c.com", True),
            (b"nohost", True),
            (b"u%any.host@b.com", True),
            (b"a@any.host@b.com", True),
            (b"a@b.com@any.host", False),
        ):
            self.assertEqual(hosts.allows(address), allowed, address)

    def test_empty_address(self) -> None:
        """The empty address has no @ and is allowed."""
        self.assertTrue(RcptHosts([b"c"]).allows(b""))

    def test_at_in_first_place(self) -> None:
        """An address that begins with its only @ is checked like any other."""
        self.assertFalse(RcptHosts([b"c"]).allows(b"@any.host"))
        self.assertTrue(RcptHosts([b"c"]).allows(b"@c"))

    def test_without_file(self) -> None:
        """Without rcpthosts everything is allowed, and that can be seen."""
        self.assertTrue(RcptHosts(None).allows(b"a@any.host"))
        self.assertTrue(RcptHosts(None).is_open)
        self.assertFalse(RcptHosts([]).is_open)

    def test_empty_file(self) -> None:
        """An empty rcpthosts allows only addresses without @."""
        self.assertFalse(RcptHosts([]).allows(b"a@b"))
        self.assertTrue(RcptHosts([]).allows(b"a"))


class LoadTests(SynchronousTestCase):
    """rcpthosts with its table."""

    def setUp(self) -> None:
        """Make a home with a compiled morercpthosts."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/control")
        self.control = Control(self.home)
        self.put("morercpthosts", b"a.b\n\n# c\n.D.e \n")
        self.patch(os, "environ", {"QMAILHOME": self.home})
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        self.addCleanup(os.umask, os.umask(0o22))
        self.assertEqual(newmrh.main(["qmail-newmrh"]), 0)

    def put(self, name: str, text: bytes) -> None:
        """Write a control file."""
        with open(self.control.path(name), "wb") as file:
            file.write(text)

    def test_table_is_used(self) -> None:
        """What rcpthosts does not list is looked up in the table, by the same names."""
        self.put("rcpthosts", b"x.y\n")
        hosts = rcpthosts(self.control)
        for address, allowed in (
            (b"u@A.b", True),
            (b"u@c.a.b", False),
            (b"u@d.e", False),
            (b"u@Z.D.e", True),
            (b"u@x.y", True),
        ):
            self.assertEqual(hosts.allows(address), allowed, address)

    def test_table_alone_has_no_effect(self) -> None:
        """Without rcpthosts everything is allowed, whatever the table says."""
        self.assertTrue(rcpthosts(self.control).allows(b"u@any.host"))

    def test_no_table(self) -> None:
        """Without a table rcpthosts counts alone."""
        self.put("rcpthosts", b"x.y\n")
        os.unlink(self.control.path("morercpthosts.cdb"))
        self.assertFalse(rcpthosts(self.control).allows(b"u@a.b"))

    def test_damaged_table(self) -> None:
        """A damaged table is an error for recipients it is needed for, and only for those."""
        self.put("rcpthosts", b"x.y\n")
        os.truncate(self.control.path("morercpthosts.cdb"), 3)
        hosts = rcpthosts(self.control)
        self.assertTrue(hosts.allows(b"u@x.y"))
        self.assertTrue(hosts.allows(b"nohost"))
        error = self.assertRaises(ControlError, hosts.allows, b"u@a.b")
        self.assertEqual(error.file, "control/morercpthosts.cdb")

    def test_unreadable_table(self) -> None:
        """A table that cannot be opened is an error at once."""
        self.put("rcpthosts", b"x.y\n")
        path = self.control.path("morercpthosts.cdb")
        os.unlink(path)
        os.symlink(path, path)
        self.assertRaises(ControlError, rcpthosts, self.control)


class BadMailFromTests(SynchronousTestCase):
    """Which senders are refused."""

    def test_hosts(self) -> None:
        """@host matches senders at that host in any case, and not those below it."""
        bad = BadMailFrom([b"@SP.com"])
        self.assertTrue(bad.names(b"x@sp.com"))
        self.assertTrue(bad.names(b"x@y@sp.COM"))
        self.assertFalse(bad.names(b"x@a.sp.com"))

    def test_addresses(self) -> None:
        """An address matches itself; one without @ matches a sender without @."""
        bad = BadMailFrom([b"Spam@x.y", b"root"])
        self.assertTrue(bad.names(b"spam@X.y"))
        self.assertTrue(bad.names(b"ROOT"))
        self.assertFalse(bad.names(b"root@x.y"))

    def test_empty_sender(self) -> None:
        """The empty sender is never refused, nor is anyone without the file."""
        self.assertFalse(BadMailFrom([b"@x"]).names(b""))
        self.assertFalse(BadMailFrom(None).names(b"x@sp.com"))

    def test_carriage_return(self) -> None:
        """An entry with CR at its end matches no usual sender."""
        self.assertFalse(BadMailFrom([b"@sp.com\r"]).names(b"x@sp.com"))
