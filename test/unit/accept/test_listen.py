"""Sessions for clients, with the control files of the moment."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.controls import Controls
from qtwisted.accept.listen import ProxiedFactory, SmtpFactory, client_ip
from qtwisted.store.kinds.memory import MemoryIntake

ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"


class Peer:
    """A client in memory."""

    def __init__(self, factory: SmtpFactory | ProxiedFactory, ip: str) -> None:
        """Connect."""
        self.protocol = factory.buildProtocol(IPv4Address("TCP", ip, 9))
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)
        self.greeting = self.transport.value()

    def say(self, data: bytes) -> bytes:
        """Send bytes and give what is answered."""
        self.transport.clear()
        self.protocol.dataReceived(data)
        return bytes(self.transport.value())

    def go(self) -> None:
        """Disconnect."""
        self.protocol.connectionLost()


class ListenCase(SynchronousTestCase):
    """A front without reactor and sockets."""

    def setUp(self) -> None:
        """Make a home and a factory."""
        self.control = Path(self.mktemp()) / "control"
        self.control.mkdir(parents=True)
        self.write("me", "mx.example.org")
        self.alerts: list[str] = []
        self.clock = Clock()
        self.intake = MemoryIntake()
        controls = Controls(str(self.control.parent), self.alerts.append)
        self.addCleanup(controls._watch.close)
        self.factory = SmtpFactory(controls, self.intake, self.clock, lambda: 1000000000, self.alerts.append)

    def write(self, name: str, text: str) -> None:
        """Write a control file."""
        (self.control / name).write_text(text)

    def connect(self, ip: str = "192.0.2.7") -> Peer:
        """Let a client connect."""
        return Peer(self.factory, ip)


class SmtpFactoryTests(ListenCase):
    """Who connects gets a session."""

    def test_message(self) -> None:
        """A message gets our name and the client's address into its Received field."""
        peer = self.connect()
        peer.say(b"HELO x\r\n" + ENVELOPE + b"hi\r\n.\r\n")
        self.assertEqual(
            self.intake.messages[0].text,
            b"Received: from unknown (HELO x) (192.0.2.7)\n"
            b"  by mx.example.org with SMTP; 9 Sep 2001 01:46:40 -0000\nhi\n",
        )

    def test_control_files_count_at_once(self) -> None:
        """The next client finds what the control files say, one that is there what they said."""
        old = self.connect()
        self.write("rcpthosts", "ours\n")
        new = self.connect()
        command = b"MAIL <>\r\nRCPT TO:<a@theirs>\r\n"
        self.assertEqual(old.say(command), b"250 ok\r\n250 ok\r\n")
        self.assertEqual(new.say(command)[:11], b"250 ok\r\n553")
        (self.control / "rcpthosts").unlink()
        self.assertEqual(self.connect().say(command), b"250 ok\r\n250 ok\r\n")

    def test_broken_control_file(self) -> None:
        """While a control file is broken clients are sent away for now, and the operator is told once."""
        self.write("maxrcpt", "many")
        self.assertEqual(self.connect().greeting, b"421 unable to read controls (#4.3.0)\r\n")
        self.assertEqual(self.connect().greeting, b"421 unable to read controls (#4.3.0)\r\n")
        (alert,) = self.alerts
        self.assertTrue(alert.startswith("unable to read controls: control/maxrcpt line 1: "))
        self.write("maxrcpt", "5")
        self.assertEqual(self.connect().greeting, b"220 mx.example.org ESMTP\r\n")

    def test_relayclients(self) -> None:
        """A client in relayclients may send anywhere, others may not."""
        self.write("rcpthosts", "ours\n")
        self.write("relayclients", "192.0.2.\n")
        for ip, code in (("192.0.2.7", b"250"), ("198.51.100.7", b"553")):
            self.assertEqual(self.connect(ip).say(b"MAIL <>\r\nRCPT TO:<a@theirs>\r\n")[8:11], code)

    def test_too_many_of_one(self) -> None:
        """S55: the 51st connection of an address is sent away; others are not, and room is made again."""
        peers = [self.connect() for _ in range(50)]
        sent_away = self.connect()
        self.assertEqual(sent_away.greeting[:4], b"421 ")
        self.assertEqual(self.connect("192.0.2.8").greeting[:4], b"220 ")
        sent_away.go()
        peers[0].go()
        self.assertEqual(self.connect().greeting[:4], b"220 ")

    def test_too_many(self) -> None:
        """The 1001st connection in all is sent away."""
        for number in range(1000):
            self.connect(f"10.0.{number // 250}.{number % 250}")
        self.assertEqual(self.connect("10.1.1.1").greeting, b"421 4.3.2 too many connections\r\n")

    def test_leave(self) -> None:
        """When we have to go, idle clients are sent away, and the last session tells that all have gone."""
        idle, busy = self.connect(), self.connect()
        busy.say(ENVELOPE)
        gone: list[str] = []
        self.factory.leave(lambda: gone.append("gone"))
        self.assertTrue(idle.transport.value().endswith(b"421 4.3.2 shutting down\r\n"))
        idle.go()
        self.assertEqual(gone, [])
        self.assertTrue(busy.say(b".\r\n").startswith(b"250 ok "))
        busy.go()
        self.assertEqual((gone, len(self.intake.messages)), (["gone"], 1))

    def test_leave_with_nobody(self) -> None:
        """With nobody there, all have gone at once."""
        gone: list[str] = []
        self.factory.leave(lambda: gone.append("gone"))
        self.assertEqual(gone, ["gone"])

    def test_shut_down(self) -> None:
        """In the end everybody is sent away."""
        peer = self.connect()
        peer.say(ENVELOPE + b"x")
        self.factory.shut_down()
        self.assertTrue(peer.transport.value().endswith(b"421 4.3.2 shutting down\r\n"))
        self.assertEqual(self.intake.open_drafts, 0)


class ProxiedTests(ListenCase):
    """A port behind a proxy."""

    def connect(self, ip: str = "198.51.100.9") -> Peer:
        """Let a proxy connect."""
        return Peer(ProxiedFactory(self.factory, self.clock), ip)

    def test_client_behind_proxy(self) -> None:
        """The client that the proxy names is the one that counts, however the header is cut."""
        peer = self.connect()
        data = b"PROXY TCP4 192.0.2.7 198.51.100.1 5 25\r\n"
        output = b"".join(peer.say(data[at : at + 1]) for at in range(len(data)))
        self.assertEqual(output, b"220 mx.example.org ESMTP\r\n")
        peer.say(ENVELOPE + b".\r\n")
        self.assertIn(b"(192.0.2.7)", self.intake.messages[0].text)
        peer.go()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_proxy_for_itself(self) -> None:
        """Where the proxy names nobody, it is the client itself."""
        peer = self.connect()
        peer.say(b"PROXY UNKNOWN\r\n" + ENVELOPE + b".\r\n")
        self.assertIn(b"(198.51.100.9)", self.intake.messages[0].text)
        peer.protocol.readConnectionLost()
        self.assertTrue(peer.transport.disconnecting)

    def test_no_header(self) -> None:
        """Who does not begin with a header is cut off without a word."""
        peer = self.connect()
        self.assertEqual(peer.say(b"EHLO x\r\n"), b"")
        self.assertTrue(peer.transport.disconnected)
        peer.go()

    def test_silence(self) -> None:
        """Who says nothing is cut off after half a minute."""
        peer = self.connect()
        self.clock.advance(30)
        self.assertTrue(peer.transport.disconnected)
        peer.go()


class AddressTests(SynchronousTestCase):
    """Addresses of clients."""

    def test_forms(self) -> None:
        """IPv4 is plain however it came in; what has no address is unknown."""
        for address, wanted in (
            (IPv4Address("TCP", "192.0.2.7", 1), b"192.0.2.7"),
            (IPv6Address("TCP", "::ffff:192.0.2.7", 1), b"192.0.2.7"),
            (IPv6Address("TCP", "2001:db8::7", 1), b"2001:db8::7"),
            (UNIXAddress("/x"), b"unknown"),
            (None, b"unknown"),
        ):
            self.assertEqual(client_ip(address), wanted)
