"""From QMQP into the queue, and who may use it."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.listen_packages import QmqpFactory, qmqp_controls
from qtwisted.accept.qmqpd import may_submit
from qtwisted.config.control import Control, ControlError
from qtwisted.store.kinds.memory import MemoryIntake
from test.kit.packages import AT, BAD_ADDRESS, OK, QmqpDesk, qmqp_package
from test.unit.accept.test_qmtpd import Peer


class ReceiverTests(SynchronousTestCase):
    """What is queued."""

    def test_p1_message(self) -> None:
        """Any recipient is taken, and the message is queued below a Received field."""
        desk = QmqpDesk()
        self.assertEqual(desk.talk.say(qmqp_package(b"S: x\n\nbody\n", b"s@x", (b"a@b", b"c@d"))), OK)
        self.assertEqual(desk.envelopes, [(b"s@x", (b"a@b", b"c@d"))])
        self.assertEqual(desk.intake.messages[0].text, b"Received: from unknown (192.0.2.7)\n"
                         b"  by unknown with QMQP; 9 Sep 2001 01:46:40 -0000\nS: x\n\nbody\n")

    def test_q23_no_recipients(self) -> None:
        """A message without recipients is queued."""
        desk = QmqpDesk()
        self.assertEqual(desk.talk.say(qmqp_package(recipients=())), OK)
        self.assertEqual(desk.envelopes, [(b"s@x", ())])

    def test_p2_bad_address(self) -> None:
        """A message with an address that cannot be used is not queued and leaves nothing."""
        desk = QmqpDesk()
        self.assertEqual(desk.talk.say(qmqp_package(recipients=(b"a", b"b\0"))), BAD_ADDRESS)
        self.assertEqual((desk.envelopes, desk.intake.open_drafts), ([], 0))

    def test_queue_trouble(self) -> None:
        """What the queue says is said."""
        desk = QmqpDesk()
        desk.intake.refusal = 31
        self.assertEqual(desk.talk.say(qmqp_package()), b"50:Dmail server permanently rejected message (#5.3.0),")


class HomeCase(SynchronousTestCase):
    """A home with control files."""

    def setUp(self) -> None:
        """Make it."""
        self.control = Path(self.mktemp()) / "control"
        self.control.mkdir(parents=True)

    def clients(self, text: str) -> None:
        """Write qmqpclients."""
        (self.control / "qmqpclients").write_text(text)


class ProgramTests(HomeCase):
    """Whom the program serves."""

    def may(self, ip: bytes) -> bool:
        """Ask."""
        return may_submit(Control(str(self.control.parent)), ip)

    def test_no_file(self) -> None:
        """Without qmqpclients it serves whom it is started for."""
        self.assertTrue(self.may(b"unknown"))

    def test_listed(self) -> None:
        """With the file it serves those who are listed, and nobody if it is empty."""
        self.clients("192.0.2.\n2001:db8::/32\n")
        self.assertEqual([self.may(ip) for ip in (b"192.0.2.7", b"2001:db8::7", b"198.51.100.7", b"unknown")],
                         [True, True, False, False])
        self.clients("")
        self.assertFalse(self.may(b"192.0.2.7"))

    def test_broken(self) -> None:
        """A file that makes no sense lets nobody in."""
        self.clients("192.0.2.7\nnonsense\n")
        error = self.assertRaises(ControlError, self.may, b"192.0.2.7")
        self.assertEqual((error.file, error.line), ("control/qmqpclients", 2))


class FrontTests(HomeCase):
    """QMQP in a front, without reactor and sockets."""

    def setUp(self) -> None:
        """Make a factory."""
        super().setUp()
        self.alerts: list[str] = []
        self.intake = MemoryIntake()
        controls = qmqp_controls(str(self.control.parent), self.alerts.append)
        self.addCleanup(controls._watch.close)
        self.factory = QmqpFactory(controls, self.intake, Clock(), lambda: AT, self.alerts.append)

    def test_q20_not_listed(self) -> None:
        """Who is not listed is cut off before anything is read; without the file that is everybody."""
        for text in (None, "", "198.51.100.0/24\n"):
            if text is not None:
                self.clients(text)
            peer = Peer(self.factory)
            self.assertTrue(peer.is_cut_off)
            self.assertEqual(peer.say(qmqp_package()), b"")
        self.assertEqual(self.intake.messages, [])

    def test_listed(self) -> None:
        """Who is listed gets one answer, and the connection is closed."""
        self.clients("192.0.2.0/24\n")
        peer = Peer(self.factory)
        self.assertFalse(peer.is_cut_off)
        self.assertEqual(peer.say(qmqp_package()), OK)
        self.assertTrue(peer.is_cut_off)
        self.assertEqual(len(self.intake.messages), 1)

    def test_broken_control_file(self) -> None:
        """While the file is broken everybody is cut off, and the operator is told."""
        self.clients("192.0.2.7\nnonsense\n")
        self.assertTrue(Peer(self.factory).is_cut_off)
        self.assertEqual(len(self.alerts), 1)
