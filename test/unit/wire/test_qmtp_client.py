"""The QMTP client's core: packages out, verdicts in, and servers that talk nonsense."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.verdict import Verdict
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, Wait
from qtwisted.wire.qmtp import QmtpServer
from qtwisted.wire.qmtp_client import BodyWanted, Finished, Outcome, Package, QmtpClient, Ready, Trouble
from test.kit.packages import PackageTalk, qmtp_package

TWO = Package(b"s@x", (b"a@b", b"c@d"), 3)
OK = Verdict(b"K", b"ok")


class Sending(SynchronousTestCase):
    """A client that has a package to send."""

    def setUp(self) -> None:
        """Begin."""
        self.core = QmtpClient()

    def send(self, package: Package = TWO, body: bytes = b"hi\n") -> bytes:
        """Send a package; give the bytes that go out."""
        self.assertEqual(self.core.next(), Ready())
        self.core.answer(package)
        sent = b""
        for byte in body:
            self.assertEqual(self.core.next(), BodyWanted())
            self.core.answer(bytes([byte]))
            sent += self.core.take()
        return sent + self.core.take()

    def outcome(self) -> Outcome:
        """Give what became of the package."""
        event = self.core.next()
        assert isinstance(event, Finished), event
        return event.outcome

    def hear(self, data: bytes) -> Outcome:
        """Send a package and hear an answer; give what became of it."""
        self.send()
        self.core.received(data)
        return self.outcome()


class PackageTests(Sending):
    """What goes out and what it becomes."""

    def test_bytes(self) -> None:
        """The message goes out with LF in front of it, then sender and recipients."""
        self.assertEqual(self.send(), qmtp_package(b"\nhi\n", b"s@x", (b"a@b", b"c@d")))
        self.assertIs(self.core.next(), DATA)

    def test_verdicts(self) -> None:
        """Each recipient gets the verdict that the server gives it, in any cut; then the next package may go."""
        self.send()
        for byte in b"3:Kok,6:Dnever,":
            self.assertIs(self.core.next(), DATA)
            self.core.received(bytes([byte]))
        self.assertEqual(self.outcome(), Outcome((OK, Verdict(b"D", b"never")), None))
        self.send()
        self.core.received(b"3:Kok,2:Z2,")
        self.assertEqual(self.outcome().verdicts, (OK, Verdict(b"Z", b"2")))

    def test_empty_message(self) -> None:
        """A message without a byte is sent without being asked for."""
        self.assertEqual(self.send(Package(b"", (b"a",), 0), b""), qmtp_package(b"\n", b"", (b"a",)))

    def test_end(self) -> None:
        """With nothing more to send the dialogue is over."""
        self.core.next()
        self.assertIs(self.core.next(), ANSWER)
        self.core.answer(None)
        self.assertIs(self.core.next(), CLOSE)

    def test_wrong_answers(self) -> None:
        """An answer that does not fit the question is our own mistake."""
        self.assertRaises(ValueError, self.core.answer, b"x")
        self.assertRaises(ValueError, self.core.answer, Package(b"", (), 5))
        self.core.answer(TWO)
        self.assertRaises(ValueError, self.core.answer, TWO)

    def test_pair(self) -> None:
        """What the client sends the server understands, and the other way round."""
        talk = PackageTalk(QmtpServer())
        self.core.received(talk.say(self.send()))
        self.assertEqual(self.outcome(), Outcome((OK, OK), None))
        self.assertEqual(talk.addresses(), [b"s@x", b"a@b", b"c@d"])


class TroubleTests(Sending):
    """When it goes wrong."""

    def test_message_has_another_length(self) -> None:
        """A message that is longer or shorter than announced, or cannot be read, is not sent to its end."""
        for piece in (b"", b"1234", None):
            self.core = QmtpClient()
            self.core.answer(TWO)
            self.core.answer(piece)
            self.assertEqual(self.core.take(), b"")
            self.assertEqual(self.outcome(), Outcome((None, None), Trouble.UNREADABLE))
            self.assertIs(self.core.next(), CLOSE)

    def test_r30_nonsense(self) -> None:
        """A server that talks nonsense is believed in nothing it said about the package."""
        for answer in (b"3:Xok,", b"0:,", b"3:Kok;", b"03:Kok,", b"hello", b"6000:K" + b"x" * 5999 + b",",
                       b"3:Kok,3:Xok,", b"3:Kok,3:Kok,3:Kok,", b"3:Kok,3:Kok,x"):
            self.core = QmtpClient()
            self.assertEqual(self.hear(answer), Outcome((None, None), Trouble.NOT_PROPER), answer)
            self.assertIs(self.core.next(), CLOSE)

    def test_lost(self) -> None:
        """If the connection is lost, what was said until then holds."""
        self.send()
        self.core.received(b"3:Kok,3:Ko")
        self.core.lost()
        self.assertEqual(self.outcome(), Outcome((OK, None), Trouble.DIED_UNANSWERED))

    def test_lost_early(self) -> None:
        """If the connection is lost before all is sent nobody has the message."""
        self.core.answer(TWO)
        self.core.answer(b"hi")
        self.core.lost()
        self.assertEqual(self.outcome(), Outcome((None, None), Trouble.DIED))

    def test_lost_before_the_last_bytes_left(self) -> None:
        """A package that is complete and was not taken is not sent."""
        self.core.answer(TWO)
        self.core.answer(b"hi\n")
        self.core.lost()
        self.assertEqual(self.outcome().trouble, Trouble.DIED)

    def test_lost_idle(self) -> None:
        """If nothing is under way, nothing is lost."""
        self.core.lost()
        self.assertIs(self.core.next(), CLOSE)
        self.core.received(b"x")
        self.core.answer(None)
        self.assertIs(self.core.next(), CLOSE)

    def test_spoke_early(self) -> None:
        """A server that speaks before the package is sent is not listened to."""
        self.core.answer(TWO)
        self.core.received(b"3:Kok,3:Kok,")
        self.assertEqual(self.outcome(), Outcome((None, None), Trouble.SPOKE_EARLY))
        self.core = QmtpClient()
        self.core.answer(TWO)
        self.core.answer(b"hi\n")
        self.core.received(b"3:Kok,3:Kok,")
        self.assertEqual(self.outcome().trouble, Trouble.SPOKE_EARLY)
        self.core = QmtpClient()
        self.core.received(b"220 hello\r\n")
        self.assertIsInstance(self.core.next(), Wait)
