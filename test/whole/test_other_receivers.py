"""A whole system sends to Exim, a mail system made by others: what it takes is what we were given."""

from __future__ import annotations

import os
import re
import signal

from twisted.trial.unittest import SynchronousTestCase

from test.kit.certificates import Authority
from test.kit.exim import MISSING, Exim
from test.kit.homes import SingleHome
from test.kit.running import Running, wait_until

SENDER = "me@test.example"
HEADER = b"From: me@test.example\nTo: r@far.example\nMessage-ID: <1@test.example>\nDate: 1 Jan 2026 00:00:00 -0000\n"
SHORT = HEADER + b"\nhello\n"
DIFFICULT = HEADER + b"".join((
    b"Subject: caf\xe9 \xff\n", b"X-Empty:\n", b"X-Folded: one\n\ttwo\n  three\n", b"\n", b"\n",
    b".\n", b"..\n", b".dot\n", b"...\n", b"From nobody\n", b">From nobody\n",
    b" \n", b"\t tail \t \n", bytes(range(128, 256)) + b"\n", "gr\u00fc\u00dfe \u2603\n".encode(),
    b"x" * 998 + b"\n", b"." * 5000 + b"\n", b"y" * 100000 + b"\n", b"QUIT\n", b"\n", b"last\n", b"\n", b"\n"))
PLAIN = """\
plain:
  driver = plaintext
  public_name = PLAIN
  server_set_id = $auth2
  server_condition = ${if and{{eq{$auth2}{user}}{eq{$auth3}{secret}}}}
  server_advertise_condition = ${if def:tls_in_cipher}
"""
LOGIN = """\
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_set_id = $auth1
  server_condition = ${if and{{eq{$auth1}{user}}{eq{$auth2}{secret}}}}
"""
CHALLENGE = """\
challenge:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq{$auth1}{user}{secret}fail}
  server_set_id = $auth1
"""
AUTHENTICATED = """\
  deny !authenticated = *
       message = 5.7.0 who are you
"""
LATER = """\
  defer !condition = ${if exists{THE_ROOM/open}}
        message = 4.2.1 come back later
"""
ENCRYPTED = """\
  deny !encrypted = *
       message = 5.7.0 not in the open
"""


class EximCase(SynchronousTestCase):
    """Has a home that sends everything to an Exim."""

    skip = MISSING
    timeout = 120
    authority = Authority()
    running: Running
    has_started = False

    def setUp(self) -> None:
        """Make the home."""
        self.home = SingleHome(self)
        self.home.control("tlscafile", self.authority.pem.decode())

    def start(
        self, settings: str = "", conditions: str = ENCRYPTED, authenticators: str = "", route: str = ""
    ) -> None:
        """Start an Exim, and the home if it does not run; Exim takes mail over TLS only, unless other conditions are
        given.
        """
        identity = self.authority.identity("mx.example.org")
        self.exim = Exim(self, identity, self.authority.pem, settings, conditions, authenticators)
        self.home.control("smtproutes", f":[127.0.0.1]:{self.exim.port}{route}\n")
        if not self.has_started:
            self.running = self.home.up()
            self.has_started = True

    def send(self, *recipients: str, message: bytes = SHORT) -> int:
        """Hand in a message; gives the number of the next line of the log."""
        seen = len(self.running.log)
        done = self.home.run([self.home.program("qmail-inject"), "-A", "-f" + SENDER, *recipients], message)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return seen

    def ended(self, count: int, start: int = 0) -> list[str]:
        """Wait for the ends of so many deliveries, and give them."""
        found = []
        for _ in range(count):
            start, match = self.running.wait_for_line(r"delivery \d+: (.*)", start)
            start += 1
            found.append(match.group(1))
        return found

    def arrived(self, count: int = 1) -> list[bytes]:
        """Wait until Exim has so many messages; gives them."""
        wait_until(lambda: len(self.exim.mailbox()) >= count, "the messages to arrive")
        return self.exim.mailbox()


class MessageTests(EximCase):
    """What Exim has in the end."""

    def test_every_byte(self) -> None:
        """Dots, bytes above 127, blanks at the ends of lines and long lines arrive as they were."""
        self.start()
        self.send("r@far.example", message=DIFFICULT)
        ended, = self.ended(1)
        self.assertRegex(ended, r"success: 127\.0\.0\.1_accepted_message\./Remote_host_said:_250_OK_id=.*"
                                r"/Sent_over_TLSv1\.3_TLS_[A-Z0-9_]+,_certificate_not_checked\./")
        message, = self.arrived()
        head, found, _ = message.partition(HEADER)
        self.assertEqual(message[len(head):], DIFFICULT)
        self.assertTrue(found)
        self.assertIn(b"Return-path: <me@test.example>\nEnvelope-to: r@far.example\n", head)
        self.assertRegex(head, rb"with esmtps +\(TLS1\.3\) tls TLS_")

    def test_program(self) -> None:
        """The program qmail-remote sends the same bytes; its last line need not be whole."""
        self.start()
        done = self.home.run(
            [self.home.program("qmail-remote"), "far.example", SENDER, "r@far.example", "nobody@far.example"],
            DIFFICULT + b"end")
        first, second, third, rest = done.stdout.split(b"\0")
        self.assertEqual((done.returncode, done.stderr, first, rest), (0, b"", b"r", b""))
        self.assertEqual(second[:1], b"h")
        self.assertIn(b"5.1.1 nobody lives here", second)
        self.assertTrue(third.startswith(b"K127.0.0.1 accepted message.\nRemote host said: 250 OK id="), third)
        message, = self.arrived()
        self.assertTrue(message.endswith(b"\n" + DIFFICULT + b"end\n"))

    def test_several_recipients(self) -> None:
        """Each recipient has the message once."""
        self.start()
        names = [f"r{number}@far.example" for number in range(7)]
        self.send(*names)
        self.assertEqual([text[:8] for text in self.ended(7)], ["success:"] * 7)
        found = self.arrived(7)
        self.assertEqual(
            sorted(re.findall(rb"^Envelope-to: (\S+)$", b"".join(found), re.M)), [name.encode() for name in names])
        self.assertTrue(all(message.endswith(b"\n" + SHORT) for message in found))
        wait_until(lambda: not self.home.queued(), "the queue to be empty")


class RefusalTests(EximCase):
    """What Exim does not take."""

    def bounce(self) -> bytes:
        """Wait for the bounce, and give it."""
        wait_until(self.home.names, "the bounce")
        bounce, = self.home.mailbox()
        self.assertIn(b"Return-Path: <>\n", bounce)
        return bounce

    def test_one_recipient(self) -> None:
        """A refused recipient bounces with Exim's words; the other one has the mail."""
        self.start()
        self.send("nobody@far.example", "r@far.example")
        bounce = self.bounce()
        self.assertIn(
            b"\n<nobody@far.example>:\n127.0.0.1 does not like recipient.\n"
            b"Remote host said: 550 5.1.1 nobody lives here\nGiving up on 127.0.0.1.\n", bounce)
        self.assertNotIn(b"<r@far.example>:", bounce)
        message, = self.arrived()
        self.assertIn(b"Envelope-to: r@far.example\n", message)

    def test_later(self) -> None:
        """Mail that Exim does not want yet waits, and is taken at the next try, once."""
        self.start(conditions=LATER)
        seen = self.send("r@far.example")
        self.assertEqual(
            self.ended(1, seen)[0], "deferral: 127.0.0.1_does_not_like_recipient./"
            "Remote_host_said:_451_4.2.1_come_back_later/Giving_up_on_127.0.0.1./")
        self.running.wait_for("status: local 0/.* remote 0/.*", seen + 1)
        (self.exim.room / "open").touch()
        seen = len(self.running.log)
        self.running.signal(signal.SIGALRM)
        self.assertEqual(self.ended(1, seen)[0][:8], "success:")
        message, = self.arrived()
        self.assertTrue(message.endswith(b"\n" + SHORT))
        self.assertEqual(self.home.names(), [])

    def test_message(self) -> None:
        """A message that is refused at its end bounces, for each of its recipients."""
        self.start()
        self.send("a@far.example", "b@far.example", message=b"X-Unwanted: yes\n" + SHORT)
        bounce = self.bounce()
        for name in (b"a", b"b"):
            self.assertIn(
                b"\n<%s@far.example>:\n127.0.0.1 failed after I sent the message.\n"
                b"Remote host said: 550 5.7.1 not wanted\n" % name, bounce)
        self.assertEqual(self.exim.mailbox(), [])

    def test_no_more_on_this_connection(self) -> None:
        """A server that takes two messages on a connection gets the others on new ones, and none is put off."""
        self.home.control("concurrencyremote", "1\n")
        self.start("smtp_accept_max_per_connection = 2")
        for number in range(5):
            self.send(f"r{number}@far.example")
        self.assertEqual([text[:8] for text in self.ended(5)], ["success:"] * 5)
        self.assertEqual(len(self.arrived(5)), 5)


class SecurityTests(EximCase):
    """TLS and AUTH as Exim sees them."""

    def secret(self, password: str) -> None:
        """Give the home a password for Exim, in a file that only its user can read."""
        self.home.control("smtpauth", f"[127.0.0.1]:user:{password}\n")
        path = f"{self.home.path}/control/smtpauth"
        os.chmod(path, 0o600)
        os.chown(path, *(self.home.user or (-1, -1)))

    def test_both_certificates(self) -> None:
        """We check Exim's certificate, and Exim has checked ours."""
        self.start(conditions=ENCRYPTED + "  deny !verify = certificate\n")
        path = f"{self.home.path}/control/clientcert.pem"
        with open(path, "wb") as file:
            file.write(self.authority.identity("client.example").pem)
        os.chmod(path, 0o644)
        self.home.control("tlsdestinations", "far.example:verify:mx.example.org\n")
        self.send("r@far.example")
        self.assertIn(",_certificate_of_mx.example.org./", self.ended(1)[0])
        self.arrived()
        self.assertIn(" CV=yes", self.exim.log())

    def test_tls_at_once(self) -> None:
        """Mail goes to a port that begins with TLS."""
        self.start("tls_on_connect_ports = THE_PORT", route=":tls")
        self.send("r@far.example")
        self.assertIn("/Sent_over_TLSv1.3_", self.ended(1)[0])
        self.arrived()

    def test_authentication(self) -> None:
        """By each of the three mechanisms that we know, Exim knows who we are."""
        for mechanism, text in (("plain", PLAIN), ("login", LOGIN), ("challenge", CHALLENGE)):
            self.start(conditions=ENCRYPTED + AUTHENTICATED, authenticators=text)
            self.secret("secret")
            seen = self.send("r@far.example")
            self.assertEqual(self.ended(1, seen)[0][:8], "success:", self.exim.log())
            self.arrived()
            self.assertIn(f" A={mechanism}:user ", self.exim.log())

    def test_wrong_password(self) -> None:
        """With a wrong password the mail waits, and the password is not in the log."""
        self.start(conditions=AUTHENTICATED, authenticators=PLAIN)
        self.secret("guess")
        self.send("r@far.example")
        ended, = self.ended(1)
        self.assertEqual(ended[:9], "deferral:")
        self.assertIn("535", ended)
        self.assertNotIn("guess", ended)
