"""Tests: qtwisted.trust.nameservers."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import Control, ControlError
from qtwisted.trust.nameservers import Nameserver, Search, nameservers, search

HERE = [Nameserver("127.0.0.1", 53)]


class NameserversTests(SynchronousTestCase):
    """Who is asked."""

    def setUp(self) -> None:
        """Begin with an empty home."""
        self.home = Path(self.mktemp())
        (self.home / "control").mkdir(parents=True)
        self.resolvers = self.home / "control" / "resolvers"
        self.resolv_conf = self.home / "resolv.conf"
        self.current = nameservers(Control(str(self.home)), str(self.resolv_conf))

    def test_resolvers(self) -> None:
        """control/resolvers has an address with or without a port in each line."""
        self.resolv_conf.write_text("nameserver 192.0.2.1\n")
        self.resolvers.write_text("# ours\n127.0.0.1\n127.0.0.2:5353\n2001:db8::1\n[2001:db8::2]:5353\n[::1]\n")
        self.assertEqual(self.current(), [
            Nameserver("127.0.0.1", 53), Nameserver("127.0.0.2", 5353), Nameserver("2001:db8::1", 53),
            Nameserver("2001:db8::2", 5353), Nameserver("::1", 53)])

    def test_bad_resolvers(self) -> None:
        """A line that makes no sense is told with its number."""
        for line in ("localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:x", "[::1", "1.2.3",
                     "[::1]x53", "\xe9", ":53"):
            self.resolvers.write_text(f"\n{line}\n", encoding="latin-1")
            error = self.assertRaises(ControlError, self.current)
            self.assertEqual((error.file, error.line), ("control/resolvers", 2), line)

    def test_resolv_conf(self) -> None:
        """Without that file the first three addresses of resolv.conf count, and nothing else in it."""
        self.resolv_conf.write_text(
            "; comment\ndomain x\nsearch a b c\noptions attempts:1000 timeout:9999 ndots:15\nnameserver\n"
            "nameserver localhost\n  nameserver 192.0.2.1 more\nnameserver fe80::1%lo\n"
            + "".join(f"nameserver 192.0.2.{n}\n" for n in range(10, 20)))
        self.assertEqual([server.address for server in self.current()], ["192.0.2.1", "fe80::1%lo", "192.0.2.10"])

    def test_no_resolv_conf(self) -> None:
        """If it is missing, empty, a directory or noise, the server is on this host."""
        self.assertEqual(self.current(), HERE)
        self.resolv_conf.write_bytes(b"")
        self.assertEqual(self.current(), HERE)
        self.resolv_conf.write_bytes(bytes(range(256)))
        self.assertEqual(self.current(), HERE)
        self.resolv_conf.unlink()
        self.resolv_conf.mkdir()
        self.assertEqual(self.current(), HERE)

    def test_changes_are_seen(self) -> None:
        """A file that is written anew counts at once."""
        self.resolvers.write_text("127.0.0.1\n")
        self.assertEqual(self.current(), HERE)
        new = self.home / "new"
        new.write_text("127.0.0.9\n")
        os.rename(new, self.resolvers)
        self.assertEqual(self.current(), [Nameserver("127.0.0.9", 53)])


class SearchTests(SynchronousTestCase):
    """Short names are completed for those who set a host up."""

    def found(self, text: str | None, **environ: str) -> Search:
        """Read a resolv.conf, on a host called mail.home.example."""
        path = Path(self.mktemp())
        if text is not None:
            path.write_text(text)
        return search(environ, str(path), "mail.home.example")

    def test_domains(self) -> None:
        """The last search or domain line counts, $LOCALDOMAIN more, and without all of them the host's own domain."""
        for text, domains in ((None, (b"home.example",)), ("nameserver 192.0.2.1\n", (b"home.example",)),
                              ("search a.example b.example.\n", (b"a.example", b"b.example")),
                              ("search a.example\ndomain b.example c.example\n", (b"b.example",)),
                              ("domain b.example\nsearch a.example\n", (b"a.example",)), ("search .\n", ())):
            self.assertEqual(self.found(text).domains, domains, text)
        self.assertEqual(self.found("search a.example\n", LOCALDOMAIN="x.example y.example").domains,
                         (b"x.example", b"y.example"))
        self.assertEqual(search({}, self.mktemp(), "mail").domains, ())

    def test_dots(self) -> None:
        """How many dots make a name likely to be complete can be told; what is no number is not."""
        self.assertEqual(self.found("options timeout:1 ndots:2\n").dots, 2)
        self.assertEqual(self.found("options ndots:x\noptions ndots\n").dots, 1)

    def test_candidates(self) -> None:
        """A name with enough dots is tried alone first, another one last, one with a dot at its end alone."""
        domains = Search((b"a.example", b"b.example"))
        self.assertEqual(domains.candidates(b"mail"), [b"mail.a.example", b"mail.b.example", b"mail"])
        self.assertEqual(domains.candidates(b"mail.x"), [b"mail.x", b"mail.x.a.example", b"mail.x.b.example"])
        self.assertEqual(domains.candidates(b"mail."), [b"mail."])
