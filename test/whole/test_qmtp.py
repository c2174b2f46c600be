"""Mail that comes by QMTP and QMQP, from the port to the Maildir."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from test.kit.fronts import receive_all
from test.kit.homes import SingleHome
from test.kit.packages import NOT_OURS, qmqp_package, qmtp_package
from test.kit.running import Running, wait_until

LOOPBACK = "tcp:0:interface=127.0.0.1"
TEXT = b"Subject: x\n\nIt works.\n"


class MailTests(SynchronousTestCase):
    """Both services of a home of one user."""

    def say(self, running: Running, service: str, data: bytes) -> bytes:
        """Send bytes to a service, say no more, and give the answer."""
        with socket.create_connection(("127.0.0.1", running.port(service)), 60) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return receive_all(connection)

    def arrived(self, home: SingleHome, running: Running, count: int) -> list[bytes]:
        """Wait until so many messages are in the Maildir."""
        wait_until(lambda: (running.read(0.0), len(home.names()) >= count)[1], f"{count} messages")
        return home.mailbox()

    def test_options(self) -> None:
        """With --qmtp and --qmqp mail is taken on these ports and delivered."""
        home = SingleHome(self)
        home.control("rcpthosts", "test.example\n")
        home.control("qmqpclients", "127.0.0.1\n")
        running = home.up("--qmtp", LOOPBACK, "--qmqp", LOOPBACK, "--fronts", "1")
        package = qmtp_package(b"\n" + TEXT, b"you@example.com", (b"me@test.example", b"me@other.example"))
        answer = self.say(running, "qmtp", package)
        self.assertIn(b":Kok ", answer)
        self.assertTrue(answer.endswith(NOT_OURS))
        self.assertIn(b":Kok ", self.say(running, "qmqp", qmqp_package(TEXT, b"", (b"me@test.example",))))
        for message in self.arrived(home, running, 2):
            self.assertTrue(message.endswith(b"\n" + TEXT))
        running.stop()

    def test_control_listen(self) -> None:
        """The words qmtp and qmqp in control/listen do the same; who is not listed is not served by QMQP."""
        home = SingleHome(self)
        home.control("listen", f"qmtp {LOOPBACK}\nqmqp {LOOPBACK}\nsmtp {LOOPBACK}\n")
        running = home.up("--fronts", "1")
        self.assertEqual(self.say(running, "qmqp", b""), b"")
        package = qmtp_package(b"\r" + TEXT.replace(b"\n", b"\r\n"), b"", (b"me@test.example",))
        answer = self.say(running, "qmtp", package)
        self.assertIn(b":Kok ", answer)
        message, = self.arrived(home, running, 1)
        self.assertTrue(message.endswith(b"\n" + TEXT))
