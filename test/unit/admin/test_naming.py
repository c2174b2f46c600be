"""config and config-fast write the control files that name a host."""

from __future__ import annotations

import io
import os
import stat
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.naming import config, config_fast, controls, hostname, own
from qtwisted.system.ending import Ending
from qtwisted.trust.dns import LookupFailed, NoSuchName

FAST = """\
Your fully qualified host name is mail.a.b.example.
Putting mail.a.b.example into control/me...
Putting a.b.example into control/defaultdomain...
Putting b.example into control/plusdomain...
Putting mail.a.b.example into control/locals...
Putting mail.a.b.example into control/rcpthosts...
Now qmail will refuse to accept SMTP messages except to mail.a.b.example.
Make sure to change rcpthosts if you add hosts to locals or virtualdomains!
"""

SLOW = """\
Your hostname is mail.
Your host's fully qualified name in DNS is mail.a.b.example.
Putting mail.a.b.example into control/me...
Putting a.b.example into control/defaultdomain...
Putting b.example into control/plusdomain...
\x20
Checking local IP addresses:
127.0.0.1: Adding localhost to control/locals...
192.0.2.7: Adding Mail.A.B.Example to control/locals...
192.0.2.8: PTR lookup failed. I assume this address has no DNS name.
2001:db8::7: PTR lookup failed. I assume this address has no DNS name.
\x20
If there are any other domain names that point to you,
you will have to add them to {home}/control/locals.
You don't have to worry about aliases, i.e., domains with CNAME records.
\x20
Copying {home}/control/locals to {home}/control/rcpthosts...
Now qmail will refuse to accept SMTP messages except to those hosts.
Make sure to change rcpthosts if you add hosts to locals or virtualdomains!
"""


class DomainTests(SynchronousTestCase):
    """The two domains are taken from the host name as config-fast does."""

    def test_table(self) -> None:
        """Names with fewer than two dots stay as they are (C9)."""
        for host, default, plus in (("mail.sub.example.co.uk", "sub.example.co.uk", "co.uk"),
                                    ("a.b.c", "b.c", "b.c"), ("host.dom", "host.dom", "host.dom"),
                                    ("single", "single", "single")):
            self.assertEqual((controls.default_domain(host), controls.plus_domain(host)), (default, plus))


class HomeCase(SynchronousTestCase):
    """A home to write to, with what is printed caught."""

    def setUp(self) -> None:
        """Make it."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/control")
        self.addCleanup(os.umask, os.umask(0o77))
        self.patch(os, "environ", {"QMAILHOME": self.home})
        self.said = io.StringIO()
        self.patch(sys, "stdout", self.said)

    def files(self) -> dict[str, str]:
        """All control files."""
        found = {}
        for name in os.listdir(f"{self.home}/control"):
            with open(f"{self.home}/control/{name}", encoding="ascii") as file:
                found[name] = file.read()
        return found


class ConfigFastTests(HomeCase):
    """The full name is given."""

    def run_fast(self, *words: bytes) -> int:
        """Run the program."""
        return config_fast.config_fast([b"config-fast", *words])

    def test_words_and_files(self) -> None:
        """It says what it does, and does it (ADM-28)."""
        self.assertEqual(self.run_fast(b"mail.a.b.example"), 0)
        self.assertEqual(self.said.getvalue(), FAST)
        self.assertEqual(self.files(), {
            "me": "mail.a.b.example\n", "defaultdomain": "a.b.example\n", "plusdomain": "b.example\n",
            "locals": "mail.a.b.example\n", "rcpthosts": "mail.a.b.example\n"})
        for name in self.files():
            self.assertEqual(stat.S_IMODE(os.stat(f"{self.home}/control/{name}").st_mode), 0o644)

    def test_twice(self) -> None:
        """A second time the lists get a second line, and the rest stays as it is (C8)."""
        for _ in range(2):
            self.run_fast(b"a.b.c")
        self.assertEqual(self.files(), {"me": "a.b.c\n", "defaultdomain": "b.c\n", "plusdomain": "b.c\n",
                                        "locals": "a.b.c\na.b.c\n", "rcpthosts": "a.b.c\na.b.c\n"})

    def test_adds_to_lists(self) -> None:
        """What the lists hold is kept, be it without a line end."""
        with open(f"{self.home}/control/locals", "w", encoding="ascii") as file:
            file.write("# mine\nother.example")
        self.run_fast(b"host.dom")
        self.assertEqual(self.files()["locals"], "# mine\nother.example\nhost.dom\n")

    def test_wrong_use(self) -> None:
        """Without a name, or with one that cannot be one, nothing is written."""
        for words in ((), (b"",), (b"a b",), (b"a\nb",), (b"me@host",), (b"a:b",), (b"a", b"b")):
            self.assertEqual(self.assertRaises(Ending, self.run_fast, *words).code, 100, words)
        self.assertEqual((self.files(), self.said.getvalue()), ({}, ""))

    def test_trouble(self) -> None:
        """A file that cannot be written is named."""
        os.mkdir(f"{self.home}/control/plusdomain")
        ending = self.assertRaises(Ending, self.run_fast, b"a.b.c")
        self.assertEqual((ending.code, ending.line),
                         (111, b"config-fast: fatal: unable to write control/plusdomain: is a directory"))


class FakeNames:
    """A DNS of one host."""

    full_name: Any = b"Mail.A.B.Example"
    found: Any = ("192.0.2.7",)

    async def addresses_of_short(self, name: bytes) -> list[str]:
        """Know the host by its short name."""
        assert name == b"mail", name
        if isinstance(self.found, Exception):
            raise self.found
        return list(self.found)

    async def addresses(self, name: bytes) -> list[str]:
        """Know it by its full name."""
        assert name == b"mail.a.b.example", name
        return ["192.0.2.7", "2001:db8::7"]

    async def pointer(self, address: str) -> bytes:
        """Know two addresses."""
        if address == "192.0.2.7" and isinstance(self.full_name, bytes):
            return self.full_name
        if address == "192.0.2.8":
            raise LookupFailed
        if address == "127.0.0.1":
            return b"localhost"
        raise self.full_name if address == "192.0.2.7" else NoSuchName


class ConfigTests(HomeCase):
    """The name comes from the DNS."""

    def configure(self, host: bytes = b"MAIL", **facts: Any) -> int:
        """Run it with a DNS in memory."""
        self.patch(config, "host_name", lambda: host)
        self.patch(config, "own_addresses", lambda: ["127.0.0.1", "192.0.2.8"])
        names: Any = FakeNames()
        vars(names).update(facts)
        work = config.Config(names, controls.ControlFiles(self.home, "config")).run()
        try:
            work.send(None)
        except StopIteration as end:
            return int(end.value)
        raise AssertionError("it waits for something")

    def test_words_and_files(self) -> None:
        """Every address is looked up; what stood in the files is lost."""
        for name in ("me", "locals", "rcpthosts"):
            with open(f"{self.home}/control/{name}", "w", encoding="ascii") as file:
                file.write("old\n")
        self.assertEqual(self.configure(), 0)
        self.assertEqual(self.said.getvalue(), SLOW.format(home=self.home))
        self.assertEqual(self.files(), {
            "me": "mail.a.b.example\n", "defaultdomain": "a.b.example\n", "plusdomain": "b.example\n",
            "locals": "localhost\nMail.A.B.Example\n", "rcpthosts": "localhost\nMail.A.B.Example\n"})

    def sorry(self, what: str) -> str:
        """The two lines of a host that cannot be set up so."""
        return f"Sorry, I couldn't find your {what}.\nYou will have to set up control/me yourself.\n"

    def test_no_dns(self) -> None:
        """Without an answer from the DNS nothing is written, and later may be better."""
        for facts, code in (({"found": LookupFailed()}, 111), ({"found": NoSuchName()}, 100), ({"found": ()}, 100),
                            ({"full_name": LookupFailed()}, 111), ({"full_name": NoSuchName()}, 100)):
            self.said.truncate(0)
            self.said.seek(0)
            self.assertEqual(self.configure(**facts), code)
            expected = "Your hostname is mail.\n" + self.sorry("host's canonical name in DNS")
            self.assertEqual(self.said.getvalue(), expected)
        self.assertEqual(self.files(), {})

    def test_hostile_name(self) -> None:
        """A name that holds a line end, or what a terminal obeys, is none."""
        for name in (b"a\nevil.example", b"\x1b[2J", b"", b"a..b", b"a:b"):
            self.assertEqual(self.configure(full_name=name), 100)
        self.assertEqual(self.files(), {})
        self.assertNotIn("\x1b", self.said.getvalue())

    def test_no_hostname(self) -> None:
        """A host without a name is told so."""
        self.assertEqual(self.configure(b""), 100)
        self.assertEqual(self.said.getvalue(), self.sorry("hostname"))


class HostnameTests(SynchronousTestCase):
    """hostname prints the name of this host."""

    def test_passes_on(self) -> None:
        """With arguments the hostname of the system runs, and never this program again."""
        here = os.path.abspath(self.mktemp())
        there = f"{here}-system"
        for path in (here, there):
            with open(path, "w", encoding="ascii"):
                pass
        ran: list[Any] = []
        self.patch(hostname, "PLACES", (f"{here}-none", here, there))
        self.patch(os, "execv", lambda *call: ran.append(call))
        self.assertRaises(Ending, hostname.pass_on, [os.fsencode(here), b"-f"])
        self.assertEqual(ran, [(there, [b"hostname", b"-f"])])

    def test_plain(self) -> None:
        """Without arguments it prints one line."""
        self.assertEqual(list(hostname.hostname([b"hostname"])), [os.uname().nodename.encode() + b"\n"])

    def test_own_addresses(self) -> None:
        """The loopback interface is ours, and IPv4 comes first."""
        found = own.own_addresses()
        self.assertIn("127.0.0.1", found)
        self.assertEqual([":" in address for address in found], sorted(":" in address for address in found))
