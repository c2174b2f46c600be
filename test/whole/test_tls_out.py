"""A whole system sends by TLS to a server made by others."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from test.kit.certificates import Authority
from test.kit.homes import SingleHome, scratch
from test.kit.postfix import MISSING, TlsPostfix
from test.kit.running import wait_until

MESSAGE = b"From: s@test.example\nTo: r@far.example\nSubject: x\n\nhi\n.dot\n..\ncaf\xe9\n"


class PostfixTests(SynchronousTestCase):
    """Mail to a Postfix that receives with TLS."""

    skip = MISSING
    authority = Authority()

    def start(self, level: str = "may", name: str = "mx.example.org") -> None:
        """Start both; all mail goes from the home to Postfix."""
        self.postfix = TlsPostfix(self, scratch(self), self.authority.identity(name), self.authority.pem, level)
        self.home = SingleHome(self)
        self.home.control("smtproutes", f":[127.0.0.1]:{self.postfix.port}\n")
        self.home.control("tlscafile", self.authority.pem.decode())
        self.running = self.home.up()

    def send(self, message: bytes = MESSAGE) -> str:
        """Send a message; gives how its delivery ended."""
        seen = len(self.running.log)
        done = self.home.run([self.home.program("qmail-inject"), "-fs@test.example", "r@far.example"], message)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.running.wait_for(r"delivery \d+: (.*)", seen).group(1)

    def arrived(self, count: int = 1) -> bytes:
        """Wait until Postfix has handed on so many messages; gives the last."""
        wait_until(lambda: len(self.postfix.sink.messages) >= count, "the message to arrive")
        return self.postfix.sink.messages[-1]

    def test_offered(self) -> None:
        """Mail goes by TLS without any setting; the log names protocol and cipher; it arrives byte for byte."""
        self.start()
        ended = self.send()
        self.assertRegex(ended, r"success: 127\.0\.0\.1_accepted_message\./Remote_host_said:_250_.*"
                                r"/Sent_over_TLSv1\.3_TLS_[A-Z0-9_]+,_certificate_not_checked\./")
        message = self.arrived()
        self.assertIn(b"(using TLSv1.3 with cipher TLS_", message)
        self.assertTrue(message.endswith(b"\r\n\r\nhi\r\n..dot\r\n...\r\ncaf\xe9\r\n"), message)
        self.assertIn("TLS connection established from", self.postfix.log())

    def test_demanded(self) -> None:
        """A policy that Postfix meets lets mail through; one it does not meet lets it wait, with the reason."""
        self.start("encrypt")
        self.home.control("tlsdestinations", "far.example:verify:mx.example.org\n")
        self.assertIn(",_certificate_of_mx.example.org./", self.send())
        self.arrived()
        self.home.control("tlsdestinations", "far.example:verify:other.example\n")
        self.assertEqual(
            self.send(), "deferral: Connected_to_127.0.0.1_but_it_cannot_be_secured:_the_certificate_is_not_of_"
            "other.example._(#4.7.5)/")
        self.home.control("tlsdestinations", "far.example:none\n")
        self.assertIn("Must_issue_a_STARTTLS_command_first", self.send())
        self.assertEqual(len(self.postfix.sink.messages), 1)

    def test_our_certificate(self) -> None:
        """Postfix sees our certificate, and trusts it."""
        self.start()
        path = f"{self.home.path}/control/clientcert.pem"
        with open(path, "wb") as file:
            file.write(self.authority.identity("client.example").pem)
        os.chmod(path, 0o644)
        self.assertIn("success: ", self.send())
        message = self.arrived()
        self.assertIn(b'(Client CN "client.example"', message)
        self.assertIn(b"(verified OK)", message)

    def test_program(self) -> None:
        """The program qmail-remote does the same, and says so in its report."""
        self.start()
        program = self.home.program("qmail-remote")
        done = self.home.run([program, "far.example", "s@test.example", "r@far.example"], MESSAGE)
        first, second, rest = done.stdout.split(b"\0")
        self.assertEqual((done.returncode, done.stderr, first, rest), (0, b"", b"r", b""))
        self.assertTrue(second.startswith(b"K127.0.0.1 accepted message.\nRemote host said: 250 "), second)
        self.assertIn(b"\nSent over TLSv1.3 TLS_", second)
        self.arrived()

    def test_file_of_passwords(self) -> None:
        """A file of passwords that others can read lets mail wait, and the log says why."""
        self.start()
        self.home.control("smtpauth", "[127.0.0.1]:user:secret\n")
        os.chmod(f"{self.home.path}/control/smtpauth", 0o644)
        ended = self.send()
        self.assertEqual(
            ended, "deferral: Sorry,_control/smtpauth:_holds_passwords_and_can_be_read_by_other_users._(#4.3.0)/")
        self.assertNotIn("secret", ended)
