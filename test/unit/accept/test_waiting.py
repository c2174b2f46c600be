"""Clients are let in as control/tcprules says, some after their name is known."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from qtwisted.accept.admission import Admission
from qtwisted.accept.gate import Crowd
from qtwisted.accept.listen import ProxiedFactory
from qtwisted.store.kinds.memory import MemoryIntake
from test.unit.accept.test_listen import ENVELOPE, ListenCase, Peer

GREETING = b"220 mx.example.org ESMTP\r\n"
NOT_SERVED = b"421 4.7.0 no mail is taken from your address\r\n"
TO_OTHERS = b"MAIL <>\r\nRCPT TO:<a@theirs>\r\n"


class AdmittedCase(ListenCase):
    """A front with rules."""

    def setUp(self) -> None:
        """Let the factory ask about its clients."""
        super().setUp()
        self.looking: list[Deferred[bytes | None]] = []
        self.programs: dict[str, MemoryIntake] = {}
        self.admission = Admission(
            str(self.control.parent), self.clock, self.alerts.append, lambda ip: self.look_up()
        )
        self.addCleanup(self.admission.close)
        self.factory.share(Crowd(), self.admission, self.program)

    def look_up(self) -> Deferred[bytes | None]:
        """Look a name up, until the test answers."""
        self.looking.append(Deferred())
        return self.looking[-1]

    def program(self, name: str) -> MemoryIntake:
        """Make what takes the place of the queue."""
        return self.programs.setdefault(name, MemoryIntake())

    def rules(self, text: str) -> None:
        """Write control/tcprules."""
        self.write("tcprules", text)


class RulesTests(AdmittedCase):
    """Rules that need no name."""

    def test_deny(self) -> None:
        """A denied client is sent away before the greeting, others are served."""
        self.rules("192.0.2.:deny\n")
        self.assertEqual(self.connect().greeting, NOT_SERVED)
        self.assertEqual(self.connect("192.0.3.1").greeting, GREETING)

    def test_broken(self) -> None:
        """While the file is broken everybody is sent away."""
        self.rules("nonsense\n")
        self.assertEqual(self.connect().greeting, b"421 unable to read controls (#4.3.0)\r\n")
        self.rules("")
        self.assertEqual(self.connect().greeting, GREETING)

    def test_relayclient(self) -> None:
        """RELAYCLIENT lets a client send to all domains, and its value is appended to every recipient."""
        self.write("rcpthosts", "ours\n")
        self.rules('192.0.2.:allow,RELAYCLIENT="@gateway"\n192.0.3.:allow,RELAYCLIENT=""\n')
        self.assertEqual(self.connect("192.0.4.1").say(TO_OTHERS)[8:11], b"553")
        for ip, recipient in (("192.0.2.1", b"b@y@gateway"), ("192.0.3.1", b"b@y")):
            self.connect(ip).say(ENVELOPE + b".\r\n")
            self.assertEqual(self.intake.messages[-1].envelope.recipients, (recipient,))

    def test_relayclients_as_well(self) -> None:
        """A client in relayclients may relay where no rule says with what."""
        self.write("rcpthosts", "ours\n")
        self.write("relayclients", "192.0.2.1\n")
        self.rules('192.0.2.:allow,DATABYTES="10"\n')
        self.assertEqual(self.connect("192.0.2.1").say(TO_OTHERS)[8:11], b"250")
        self.assertEqual(self.connect("192.0.2.2").say(TO_OTHERS)[8:11], b"553")

    def test_databytes(self) -> None:
        """DATABYTES replaces control/databytes for the client; no number is no limit."""
        self.write("databytes", "100\n")
        self.rules('192.0.2.1:allow,DATABYTES="5"\n192.0.2.2:allow,DATABYTES=""\n')
        for ip, size in (("192.0.2.1", b"5"), ("192.0.2.2", b"0"), ("192.0.2.3", b"100")):
            self.assertIn(b"SIZE %s\r\n" % size, self.connect(ip).say(b"EHLO x\r\n"))
        answers = self.connect("192.0.2.1").say(ENVELOPE + b"123456\r\n.\r\n").split(b"\r\n")
        self.assertEqual(answers[3][:4], b"552 ")

    def test_received(self) -> None:
        """Variables that name the two ends stand in the Received field, made safe (S44)."""
        self.rules('192.0.2.7:allow,TCPREMOTEHOST="a)b",TCPREMOTEINFO="joe",TCPLOCALHOST="me.example"\n')
        self.connect().say(b"HELO x\r\n" + ENVELOPE + b".\r\n")
        self.assertIn(b"from a?b (HELO x) (joe@192.0.2.7)\n  by me.example with", self.intake.messages[0].text)

    def test_queue_program(self) -> None:
        """QMAILQUEUE hands the client's messages to a program."""
        self.rules('192.0.2.7:allow,QMAILQUEUE="bin/scan"\n')
        self.connect().say(ENVELOPE + b".\r\n")
        self.connect("192.0.2.8").say(ENVELOPE + b".\r\n")
        self.assertEqual([len(self.programs["bin/scan"].messages), len(self.intake.messages)], [1, 1])


class WaitingTests(AdmittedCase):
    """Rules that need a name."""

    def setUp(self) -> None:
        """Deny those who have no name."""
        super().setUp()
        self.rules('=.example:allow,RELAYCLIENT=""\n192.0.2.9:allow\n:deny\n')

    def test_greeting_waits(self) -> None:
        """The greeting waits for the name, and others do not wait; then the session goes on with what was said."""
        peer = self.connect()
        self.assertEqual((peer.greeting, peer.transport.producerState), (b"", "paused"))
        self.assertEqual(self.connect("192.0.2.9").greeting, GREETING)
        self.assertEqual(peer.say(b"HELO x\r\n"), b"")
        self.looking[0].callback(b"a.example")
        self.assertTrue(peer.transport.value().startswith(GREETING + b"250-mx.example.org"))
        self.assertEqual(peer.transport.producerState, "producing")
        peer.say(ENVELOPE + b".\r\n")
        self.assertIn(b"from a.example (HELO x) (192.0.2.7)", self.intake.messages[0].text)

    def test_denied(self) -> None:
        """Who turns out to be denied is sent away."""
        peer = self.connect()
        self.looking[0].callback(b"example.org")
        self.assertEqual(peer.transport.value(), NOT_SERVED)

    def test_known_at_once(self) -> None:
        """A name that is known already makes nobody wait."""
        done: Deferred[bytes | None] = Deferred()
        done.callback(b"a.example")
        self.patch(self, "look_up", lambda: done)
        self.assertEqual(self.connect().greeting, GREETING)

    def test_goes_away(self) -> None:
        """A client that goes away while it waits leaves nothing behind."""
        peer = self.connect()
        peer.go()
        self.assertFalse(self.factory.is_busy)
        self.assertEqual((len(self.factory._crowd), self.clock.getDelayedCalls()), (0, []))

    def test_closes_its_half(self) -> None:
        """A client that will say no more while it waits is left."""
        peer = self.connect()
        peer.protocol.readConnectionLost()
        self.assertTrue(peer.transport.disconnecting)

    def test_is_counted(self) -> None:
        """Those who wait count as connections of their address."""
        self.write("maxconnip", "2")
        for _ in range(2):
            self.connect()
        third = self.connect()
        self.looking[2].callback(b"a.example")
        self.assertEqual(third.transport.value()[:10], b"421 4.7.0 ")
        third.go()
        self.looking[0].callback(b"a.example")
        self.looking[1].callback(b"a.example")
        self.assertEqual(len(self.factory._crowd), 2)

    def test_leave(self) -> None:
        """When we have to go, nobody waits any longer."""
        peer = self.connect()
        gone: list[str] = []
        self.factory.leave(lambda: gone.append("gone"))
        self.assertEqual((peer.transport.value(), gone), (NOT_SERVED, []))
        peer.go()
        self.assertEqual(gone, ["gone"])

    def test_behind_a_proxy(self) -> None:
        """The client that a proxy names waits as well, with what came right after the header."""
        peer = Peer(ProxiedFactory(self.factory, self.clock), "198.51.100.9")
        self.assertEqual(peer.say(b"PROXY TCP4 192.0.2.7 198.51.100.1 5 25\r\nNOOP\r\n"), b"")
        self.looking[0].callback(b"a.example")
        self.assertEqual(peer.transport.value(), GREETING + b"250 ok\r\n")
        peer.go()
        self.assertEqual(self.clock.getDelayedCalls(), [])
