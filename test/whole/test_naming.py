"""The programs that ask the DNS, as processes, with a name server on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import scratch
from test.kit.programs import Ended, run_main

HOST = os.uname().nodename.lower()
TABLE = f"""\
mail.test.example A 192.0.2.7
mail.test.example AAAA 2001:db8::7
{HOST}.test.example A 192.0.2.7
7.2.0.192.in-addr.arpa PTR Mail.Test.Example.
7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.test.example.
9.2.0.192.in-addr.arpa PTR evil\\027[2J.example.
dom.example MX 20 second.example.
dom.example MX 10 mail.test.example.
second.example A 192.0.2.9
alias.example CNAME other.example.
other.example CNAME mail.test.example.
broken.example A SERVFAIL
broken.example AAAA SERVFAIL
broken.example MX SERVFAIL
broken.example CNAME SERVFAIL
.
"""


class NamingCase(SynchronousTestCase):
    """A name server, and a home that asks it."""

    def setUp(self) -> None:
        """Start the one and make the other."""
        self.home = f"{scratch(self)}/home"
        os.makedirs(f"{self.home}/control")
        server: Any = subprocess.Popen([sys.executable, "-P", "-m", "test.kit.dnsserver"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env=code().environment(), text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.stdin.close)
        server.stdin.write(TABLE)
        server.stdin.flush()
        with open(f"{self.home}/control/resolvers", "w", encoding="ascii") as file:
            file.write(f"127.0.0.1:{int(server.stdout.readline())}\n")

    def run_naming(self, program: str, *words: str) -> Ended:
        """Run a program."""
        return run_main(f"qtwisted.admin.naming.{program}", *words, limit=60.0, QMAILHOME=self.home,
                        LOCALDOMAIN="test.example")


class QuestionTests(NamingCase):
    """One question, one answer."""

    def test_answers(self) -> None:
        """Answers are printed, IPv6 too, and short names are completed by dnsfq alone."""
        for program, argument, expected in (
            ("dnsip", "mail.test.example", b"192.0.2.7\n2001:db8::7\n"),
            ("dnsip", "[192.0.2.1]", b"192.0.2.1\n"),
            ("dnsmxip", "dom.example", b"192.0.2.7 10\n2001:db8::7 10\n192.0.2.9 20\n"),
            ("dnsmxip", "second.example", b"192.0.2.9 0\n"),
            ("dnsptr", "192.0.2.7", b"Mail.Test.Example\n"),
            ("dnsptr", "2001:db8::7", b"six.test.example\n"),
            ("dnsptr", "192.0.2.9", b"evil?[2J.example\n"),
            ("dnsfq", "mail", b"Mail.Test.Example\n"),
            ("dnscname", "alias.example", b"mail.test.example\n"),
            ("dnscname", "nowhere.example", b"nowhere.example\n"),
        ):
            self.assertEqual(self.run_naming(program, argument), Ended(0, expected, b""), (program, argument))

    def test_no_answers(self) -> None:
        """What does not exist is a hard error, what nobody knows is a soft one."""
        for program, argument, code_, expected in (
            ("dnsip", "nowhere.example", 100, b"hard error\n"),
            ("dnsip", "mail", 100, b"hard error\n"),
            ("dnsip", "broken.example", 111, b"soft error\n"),
            ("dnsmxip", "nowhere.example", 100, b"hard error\n"),
            ("dnsmxip", "broken.example", 111, b"soft error\n"),
            ("dnsptr", "192.0.2.1", 100, b"hard error\n"),
            ("dnsptr", "mail.test.example", 100, b"hard error\n"),
            ("dnsfq", "nowhere", 100, b"hard error\n"),
            ("dnscname", "broken.example", 111, b"soft error\n"),
        ):
            self.assertEqual(self.run_naming(program, argument), Ended(code_, b"", expected), (program, argument))

    def test_wrong_use(self) -> None:
        """Without a name there is no question; a file that makes no sense is named with its line."""
        self.assertEqual(self.run_naming("dnsip"), Ended(100, b"", b""))
        with open(f"{self.home}/control/resolvers", "w", encoding="ascii") as file:
            file.write("there\n")
        self.assertEqual(self.run_naming("dnsip", "a.example"), Ended(
            111, b"", b"control/resolvers line 1: is not ADDRESS or ADDRESS:PORT\n"))


class ConfigTests(NamingCase):
    """config on this machine, with a DNS that knows it."""

    def test_config(self) -> None:
        """The full name comes from the DNS, and the control files from the full name."""
        done = self.run_naming("config")
        self.assertEqual((done.code, done.err), (0, b""), done)
        lines = done.out.decode().split("\n")
        self.assertEqual(lines[:2], [f"Your hostname is {HOST}.",
                                     "Your host's fully qualified name in DNS is mail.test.example."])
        self.assertIn("192.0.2.7: Adding Mail.Test.Example to control/locals...", lines)
        self.assertIn("127.0.0.1: PTR lookup failed. I assume this address has no DNS name.", lines)
        for name, text in (("me", "mail.test.example\n"), ("defaultdomain", "test.example\n"),
                           ("plusdomain", "test.example\n")):
            with open(f"{self.home}/control/{name}", encoding="ascii") as file:
                self.assertEqual(file.read(), text)
        with open(f"{self.home}/control/rcpthosts", encoding="ascii") as file:
            self.assertIn("Mail.Test.Example\n", file.read())

    def test_no_dns(self) -> None:
        """A host without DNS is told what to do, and nothing is written."""
        with open(f"{self.home}/control/resolvers", "w", encoding="ascii") as file:
            file.write("127.0.0.1:9\n")
        done = self.run_naming("config")
        self.assertEqual(done, Ended(111, (
            f"Your hostname is {HOST}.\nSorry, I couldn't find your host's canonical name in DNS.\n"
            "You will have to set up control/me yourself.\n").encode(), b""))
        self.assertEqual(os.listdir(f"{self.home}/control"), ["resolvers"])
