"""From QMTP into the queue: which recipients are taken, what they hear, and the sessions of a front."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.gate import Client
from qtwisted.accept.listen import Sessions
from qtwisted.accept.listen_packages import QmtpFactory, qmtp_controls
from qtwisted.accept.packages import LASTS_FOR, RECORDS_MAX, PackageReceiver
from qtwisted.accept.session import LINGER_FOR
from qtwisted.config.control import ControlError
from qtwisted.model.reply import Reply
from qtwisted.model.submission import Result, result_of
from qtwisted.store.interface import DraftOwner
from qtwisted.store.kinds.memory import MemoryIntake
from qtwisted.wire.dialogue import LATER
from qtwisted.wire.qmtp import QmtpServer
from test.kit.packages import AT, CANNOT_HANDLE, NOT_OURS, OK, PackageTalk, QmtpDesk, qmtp_package


class RecipientTests(SynchronousTestCase):
    """Which recipients are taken."""

    def test_q1_envelope_and_text(self) -> None:
        """Envelope and message are queued as they came, below a Received field."""
        desk = QmtpDesk()
        self.assertEqual(desk.talk.say(qmtp_package(b"\nS: x\n\nbody\n", b"s@x", (b"a@b", b"c@d"))), OK * 2)
        self.assertEqual(desk.envelopes, [(b"s@x", (b"a@b", b"c@d"))])
        self.assertEqual(desk.intake.messages[0].text, b"Received: from unknown (192.0.2.7)\n"
                         b"  by mx with QMTP; 9 Sep 2001 01:46:40 -0000\nS: x\n\nbody\n")

    def test_q3_rcpthosts(self) -> None:
        """Without the right to relay only recipients in rcpthosts, or without a domain, are taken."""
        desk = QmtpDesk([b"b.com"])
        recipients = (b"a@b.com", b"a@c.com", b"x", b"", b"@c.com", b"a@B.COM")
        self.assertEqual(desk.talk.say(qmtp_package(recipients=recipients)), OK + NOT_OURS + OK + OK + NOT_OURS + OK)
        self.assertEqual(desk.envelopes, [(b"s@x", (b"a@b.com", b"x", b"", b"a@B.COM"))])

    def test_q4_zero_byte(self) -> None:
        """A recipient with a zero byte cannot be handled; if its domain is not ours that is said instead."""
        self.assertEqual(QmtpDesk().talk.say(qmtp_package(recipients=(b"a\0b@c", b"ok@c"))), CANNOT_HANDLE + OK)
        self.assertEqual(QmtpDesk([b"b"]).talk.say(qmtp_package(recipients=(b"a\0b@c", b"\0@b"))),
                         NOT_OURS + CANNOT_HANDLE)

    def test_q5_length(self) -> None:
        """A recipient of 999 bytes is taken, a longer one is not."""
        self.assertEqual(QmtpDesk().talk.say(qmtp_package(recipients=(b"a" * 999, b"b" * 1000))), OK + CANNOT_HANDLE)

    def test_q13_relay(self) -> None:
        """Who may relay is not asked about domains, and what RELAYCLIENT says is appended."""
        desk = QmtpDesk([b"b.com"], relay=b"@fix")
        self.assertEqual(desk.talk.say(qmtp_package(recipients=(b"a@c.com",))), OK)
        self.assertEqual(desk.envelopes, [(b"s@x", (b"a@c.com@fix",))])

    def test_length_with_appendix(self) -> None:
        """The length counts with what is appended."""
        desk = QmtpDesk(relay=b"@fix")
        self.assertEqual(desk.talk.say(qmtp_package(recipients=(b"a" * 995, b"b" * 996))), OK + CANNOT_HANDLE)

    def test_q14_queue_trouble(self) -> None:
        """What the queue says is said to every recipient."""
        desk = QmtpDesk()
        desk.intake.refusal = 53
        self.assertEqual(desk.talk.say(qmtp_package(recipients=(b"a", b"b"))),
                         b"37:Zqq write error or disk full (#4.3.0)," * 2)

    def test_nobody(self) -> None:
        """A message without an accepted recipient is not queued, and leaves nothing."""
        desk = QmtpDesk([b"b.com"])
        self.assertEqual(desk.talk.say(qmtp_package(recipients=(b"a@c",))), NOT_OURS)
        self.assertEqual((desk.envelopes, desk.intake.open_drafts), ([], 0))

    def test_damaged_table(self) -> None:
        """If the table of hosts is damaged the client is left without a word and the operator is told."""
        desk = QmtpDesk([b"b"])

        class Damaged:
            """A table that cannot be read."""

            def allows(self, address: bytes) -> bool:
                """Fail."""
                raise ControlError("control/morercpthosts.cdb", None, "damaged")

        receiver = desk.talk.receiver
        self.patch(receiver, "_config", receiver._config._replace(rcpthosts=Damaged()))  # type: ignore[union-attr]
        self.assertEqual(desk.talk.say(qmtp_package()), b"")
        self.assertEqual((desk.talk.core.code, desk.alerts), (111, ["control/morercpthosts.cdb: damaged"]))
        self.assertEqual((desk.envelopes, desk.intake.open_drafts), ([], 0))


class Slow:
    """An intake and its only draft, which remembers what it was told and answers when it is told to."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.calls: list[object] = []
        self.owner: DraftOwner | None = None

    def begin(self, owner: DraftOwner) -> Slow:
        """Be the draft."""
        self.owner = owner
        return self

    def write(self, piece: bytes) -> None:
        """Remember that there was some."""

    def envelope(self, records: bytes) -> None:
        """Remember the records."""
        self.calls.append(bytes(records))

    def commit(self, envelope: object = None) -> None:
        """Remember that."""
        self.calls.append("commit")

    def abandon(self) -> None:
        """Remember that."""
        self.calls.append("abandon")


class Refusing:
    """An intake that takes no message."""

    def begin(self, owner: DraftOwner) -> Slow:
        """Fail."""
        raise OSError


class ReceiverTests(SynchronousTestCase):
    """How the receiver deals with the queue."""

    def setUp(self) -> None:
        """Begin a package whose message is there."""
        self.intake = Slow()
        self.receiver = PackageReceiver(Client(), self.intake, lambda: AT)
        self.told: list[object] = []
        self.receiver.line = self  # type: ignore[assignment]
        self.receiver.body_begin()
        self.receiver.sender(b"s", 0)

    def answer(self, reply: Reply | None) -> None:
        """Remember the late answer."""
        self.told.append(reply)

    def hold(self) -> None:
        """Remember that."""
        self.told.append("hold")

    def go_on(self) -> None:
        """Remember that."""
        self.told.append("go on")

    def test_later(self) -> None:
        """If the queue answers later the client is answered then."""
        self.receiver.recipient(b"r")
        self.assertIs(self.receiver.body_end(), LATER)
        self.assertEqual(self.intake.calls, [b"Fs\0Tr\0", "commit"])
        self.receiver.stored(Result(b"", 7))
        self.assertEqual(self.told, [Reply(250, b"ok %d qp 7" % AT)])

    def test_records_go_in_portions(self) -> None:
        """A long envelope goes to the queue as it comes; only a little of it is kept."""
        for _ in range(1000):
            self.receiver.recipient(b"r" * 99)
        self.receiver.body_end()
        *portions, last = self.intake.calls
        self.assertEqual(last, "commit")
        self.assertEqual(b"".join(portions), b"Fs\0" + (b"T" + b"r" * 99 + b"\0") * 1000)  # type: ignore[arg-type]
        self.assertTrue(all(len(one) <= RECORDS_MAX + 200 for one in portions))  # type: ignore[arg-type]

    def test_hold(self) -> None:
        """If the queue cannot keep up no more input is taken; a draft that ends holds nobody."""
        self.receiver.hold()
        self.receiver.body_void()
        self.assertEqual((self.told, self.intake.calls), (["hold", "go on"], ["abandon"]))
        self.receiver.hold()
        self.receiver.go_on()
        self.receiver.stored(result_of(0, 1))
        self.assertEqual(self.told, ["hold", "go on"] * 2)

    def test_after_void(self) -> None:
        """When the message is void its addresses go nowhere."""
        self.receiver.body_void()
        self.receiver.recipient(b"r" * 99999)
        self.receiver.body_piece(b"x")
        self.receiver.body_void()
        self.assertEqual(self.intake.calls, ["abandon"])

    def test_no_draft(self) -> None:
        """If no message can be begun the client is left without a word."""
        receiver = PackageReceiver(Client(), Refusing(), lambda: AT)
        talk = PackageTalk(QmtpServer(), receiver)
        self.assertEqual((talk.say(qmtp_package()), talk.core.code), (b"", 111))
        reply = receiver.body_end()
        assert isinstance(reply, Reply)
        self.assertEqual(reply.code, 421)


class Peer:
    """A client in memory."""

    def __init__(self, factory: Sessions, ip: str = "192.0.2.7") -> None:
        """Connect."""
        self.session = factory.buildProtocol(IPv4Address("TCP", ip, 9))
        self.transport = StringTransport()
        self.transport.aborted = False  # type: ignore[attr-defined]
        self.transport.abortConnection = self.abort  # type: ignore[method-assign]
        self.session.makeConnection(self.transport)

    def abort(self) -> None:
        """The server cuts us off."""
        if not self.transport.aborted:  # type: ignore[attr-defined]
            self.transport.aborted = True  # type: ignore[attr-defined]
            self.session.connectionLost()

    @property
    def is_cut_off(self) -> bool:
        """Has the server ended the connection?"""
        return bool(self.transport.disconnecting or self.transport.aborted)  # type: ignore[attr-defined]

    def say(self, data: bytes) -> bytes:
        """Send bytes and give what is answered."""
        self.transport.clear()
        self.session.dataReceived(data)
        return bytes(self.transport.value())


class FrontTests(SynchronousTestCase):
    """QMTP in a front, without reactor and sockets."""

    def setUp(self) -> None:
        """Make a home and a factory."""
        self.control = Path(self.mktemp()) / "control"
        self.control.mkdir(parents=True)
        self.write("me", "mx.example.org")
        self.alerts: list[str] = []
        self.clock = Clock()
        self.intake = MemoryIntake()
        controls = qmtp_controls(str(self.control.parent), self.alerts.append)
        self.addCleanup(controls._watch.close)
        self.factory = QmtpFactory(controls, self.intake, self.clock, lambda: AT, self.alerts.append)

    def write(self, name: str, text: str) -> None:
        """Write a control file."""
        (self.control / name).write_text(text)

    def test_message(self) -> None:
        """A message gets our name and the client's address; the connection stays open."""
        peer = Peer(self.factory)
        self.assertEqual(peer.say(qmtp_package()), OK)
        self.assertEqual(self.intake.messages[0].text, b"Received: from unknown (192.0.2.7)\n"
                         b"  by mx.example.org with QMTP; 9 Sep 2001 01:46:40 -0000\nhi\n")
        self.assertFalse(peer.is_cut_off)

    def test_control_files(self) -> None:
        """rcpthosts, relayclients and databytes count for the next client as soon as they are written."""
        self.write("rcpthosts", "ours\n")
        self.write("relayclients", "192.0.2.\n")
        self.write("databytes", "5")
        package = qmtp_package(recipients=(b"a@theirs",))
        self.assertEqual(Peer(self.factory, "198.51.100.1").say(package), NOT_OURS)
        self.assertEqual(Peer(self.factory).say(package), OK)
        self.assertEqual(Peer(self.factory).say(qmtp_package(b"\n123456"))[:4], b"61:D")

    def test_no_control_files(self) -> None:
        """No file is needed."""
        (self.control / "me").unlink()
        self.assertEqual(Peer(self.factory).say(qmtp_package()), OK)
        self.assertIn(b"\n  by unknown with QMTP;", self.intake.messages[0].text)

    def test_broken_control_file(self) -> None:
        """While a control file is broken clients are cut off without a word, and the operator is told."""
        self.write("relayclients", "nonsense\n")
        peer = Peer(self.factory)
        self.assertTrue(peer.is_cut_off)
        self.assertEqual(peer.say(qmtp_package()), b"")
        self.assertEqual([alert[:24] for alert in self.alerts], ["unable to read controls:"])
        (self.control / "relayclients").unlink()
        self.assertEqual(Peer(self.factory).say(qmtp_package()), OK)

    def test_too_many(self) -> None:
        """Who comes when there are too many is cut off; who leaves makes room."""
        self.write("maxconnip", "2")
        self.write("concurrencyincoming", "3")
        peers = [Peer(self.factory) for _ in range(2)]
        self.assertTrue(Peer(self.factory).is_cut_off)
        peers[0].session.connectionLost()
        peers[1].session.connectionLost()
        self.assertFalse(Peer(self.factory).is_cut_off)

    def test_q07_an_hour(self) -> None:
        """A connection ends after an hour, however lively it is, and what is under way is dropped."""
        peer = Peer(self.factory)
        package = qmtp_package()
        for _ in range(60):
            self.clock.advance((LASTS_FOR - 1) / 60)
            self.assertIn(b":Kok 1000000000 qp ", peer.say(package))
        peer.say(package[:8])
        self.clock.advance(2)
        self.assertTrue(peer.is_cut_off)
        self.assertEqual((len(self.intake.messages), self.intake.open_drafts), (60, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_breach(self) -> None:
        """A client that breaks the protocol is left without a word, and nothing stays behind."""
        peer = Peer(self.factory)
        self.assertEqual(peer.say(qmtp_package()[:-1] + b";"), b"")
        self.clock.advance(LINGER_FOR)
        self.assertTrue(peer.is_cut_off)
        self.assertEqual((self.intake.messages, self.intake.open_drafts), ([], 0))

    def test_end_of_input(self) -> None:
        """A client that says no more is answered to the end."""
        peer = Peer(self.factory)
        self.assertEqual(peer.say(qmtp_package()), OK)
        peer.session.readConnectionLost()
        self.assertTrue(peer.is_cut_off)

    def test_leave(self) -> None:
        """When the front leaves, idle clients are cut off at once, others after their package."""
        gone: list[bool] = []
        idle, busy = Peer(self.factory), Peer(self.factory)
        package = qmtp_package()
        busy.say(package[:9])
        self.factory.leave(lambda: gone.append(True))
        self.assertEqual((idle.is_cut_off, busy.is_cut_off, self.factory.is_busy), (True, False, True))
        self.assertEqual(busy.say(package[9:]), OK)
        self.assertTrue(busy.is_cut_off)
        idle.session.connectionLost()
        busy.session.connectionLost()
        self.assertEqual((gone, self.factory.is_busy), ([True], False))

    def test_q19_answers_are_not_read(self) -> None:
        """From a client that does not take its answers nothing more is read."""
        peer = Peer(self.factory)
        peer.session.pauseProducing()
        for _ in range(1000):
            peer.session.dataReceived(qmtp_package())
        self.assertEqual((self.intake.messages, peer.transport.value()), ([], b""))
        self.assertEqual(peer.transport.producerState, "paused")
        peer.session.resumeProducing()
        self.assertEqual(len(self.intake.messages), 1000)
