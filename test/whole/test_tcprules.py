"""A running system obeys control/tcprules."""

from __future__ import annotations

import poplib
import select
import smtplib
import socket
import subprocess
import time

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import SingleHome
from test.kit.speed import TRIES

TABLE = """\
1.0.0.127.in-addr.arpa PTR Host.good.example.
host.good.example A 127.0.0.1
2.0.0.127.in-addr.arpa PTR liar.good.example.
liar.good.example A 192.0.2.1
.
"""
RULES = '127.0.0.9:deny\n127.0.0.8:allow,RELAYCLIENT="@test.example",DATABYTES="20"\n'


class RulesTests(SynchronousTestCase):
    """Clients at different addresses of loopback."""

    def setUp(self) -> None:
        """Make a home that takes mail for itself only."""
        self.home = SingleHome(self)
        self.home.control("rcpthosts", "test.example\n")

    def start(self, rules: str, service: str = "smtp") -> None:
        """Start with these rules."""
        self.home.control("tcprules", rules)
        self.running = self.home.up(f"--{service}", "tcp:0:interface=127.0.0.1", "--fronts", "1")
        self.port = self.running.port(service)

    def names(self, table: str) -> None:
        """Have names looked up in a table."""
        server = subprocess.Popen(code().module("test.kit.dnsserver"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  env=code().environment(), text=True)
        self.addCleanup(server.communicate)
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(table)
        server.stdin.flush()
        self.home.control("resolvers", f"127.0.0.1:{int(server.stdout.readline())}\n")

    def client(self, address: str) -> smtplib.SMTP:
        """Connect."""
        client = smtplib.SMTP("127.0.0.1", self.port, "client", 60, (address, 0))
        self.addCleanup(client.close)
        return client

    def relays(self, address: str) -> bool:
        """May a client send to others?"""
        client = self.client(address)
        client.ehlo()
        client.mail("me@client.example")
        return client.rcpt("a@other.example")[0] == 250

    def denied(self, address: str) -> bytes:
        """Connect, to be sent away; give the text."""
        error = self.assertRaises(smtplib.SMTPConnectError, self.client, address)
        self.assertEqual(error.smtp_code, 421)
        return bytes(error.smtp_error)

    def test_addresses(self) -> None:
        """Rules for addresses deny clients, let them relay, and set a limit; the next client finds a changed file."""
        self.start(RULES)
        self.assertEqual(self.denied("127.0.0.9"), b"4.7.0 no mail is taken from your address")
        self.assertFalse(self.relays("127.0.0.1"))
        self.assertTrue(self.relays("127.0.0.8"))
        client = self.client("127.0.0.8")
        error = self.assertRaises(smtplib.SMTPSenderRefused, client.sendmail, "a@b", ["me@x.example"], "x" * 100)
        self.assertEqual(error.smtp_code, 552)
        start = len(self.running.log)
        client.sendmail("a@b", ["me@x.example"], "x: y\n")
        self.running.wait_for(r"starting delivery \d+: msg \d+ to local \S*me@x.example@test.example", start)
        self.home.control("tcprules", "127.0.0.1:deny\n")
        self.denied("127.0.0.1")
        self.assertFalse(self.relays("127.0.0.8"))
        self.home.control("tcprules", ":deny\n127.0.0:allow\n")
        self.assertEqual(self.denied("127.0.0.2"), b"unable to read controls (#4.3.0)")
        self.running.wait_for("alert: front: unable to read controls: control/tcprules line 2: .*")

    def test_names(self) -> None:
        """Rules for names look at names that lead back to the address."""
        self.names(TABLE)
        self.start('=.good.example:allow,RELAYCLIENT=""\n127.0.0.7:deny\n')
        self.assertTrue(self.relays("127.0.0.1"))
        self.assertFalse(self.relays("127.0.0.2"))
        self.assertFalse(self.relays("127.0.0.3"))
        self.denied("127.0.0.7")
        start = len(self.running.log)
        self.client("127.0.0.1").sendmail("a@b", ["me@test.example"], "x: y\n")
        self.running.wait_for(r"end msg \d+", start)
        self.assertIn(b"Received: from host.good.example (HELO client) (127.0.0.1)\n", self.home.mailbox()[0])

    def test_mute_name_server(self) -> None:
        """Where name servers do not answer a client waits five seconds; others do not wait for it."""
        mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(mute.close)
        mute.bind(("127.0.0.1", 0))
        self.home.control("resolvers", f"127.0.0.1:{mute.getsockname()[1]}\n")
        self.start("=.good.example:allow\n127.0.0.8:allow\n")
        mute.settimeout(60)
        self.assertIn(True, (self.overtaken(mute) for _ in range(TRIES)))

    def overtaken(self, mute: socket.socket) -> bool:
        """Have a client wait for its name; is another one served meanwhile, unless the machine stalls?"""
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), 60, ("127.0.0.1", 0)) as waiting:
            mute.recv(512)
            for _ in range(3):
                self.client("127.0.0.8").quit()
            is_first = not select.select([waiting], [], [], 0)[0]
            self.assertEqual(waiting.recv(4), b"220 ")
            self.assertGreater(time.monotonic() - begun, 4.9)
        return is_first

    def fetching(self, address: str) -> bytes:
        """Connect by POP3; give the first line."""
        with socket.create_connection(("127.0.0.1", self.port), 60, (address, 0)) as client:
            return client.makefile("rb").readline()

    def test_pop3(self) -> None:
        """The same rules judge who may fetch mail; variables make no difference to him."""
        self.names(TABLE)
        self.start('127.0.0.9:deny\n127.0.0.8:allow,RELAYCLIENT="",DATABYTES="1"\n=host.good.example:allow\n=:deny\n',
                   "pop3")
        self.assertEqual(self.fetching("127.0.0.9"), b"-ERR no mail is given to your address\r\n")
        for address in ("127.0.0.8", "127.0.0.1", "127.0.0.2"):
            self.assertRegex(self.fetching(address), rb"^\+OK <\d+\.\d+@test\.example>\r\n$")
        self.home.control("tcprules", "127.0.0.1:deny\n=liar.good.example:deny\n")
        trouble = self.assertRaises(poplib.error_proto, poplib.POP3, "127.0.0.1", self.port, 60)
        self.assertEqual(trouble.args, (b"-ERR no mail is given to your address",))
        self.assertTrue(self.fetching("127.0.0.2").startswith(b"+OK "))
        self.home.control("tcprules", "nonsense\n")
        self.assertEqual(self.fetching("127.0.0.8"), b"-ERR unable to read controls\r\n")
        self.running.wait_for("alert: pop3: unable to read controls: control/tcprules line 1: .*")
