"""QMQP: the server's core, the client's, and both together."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.reply import Reply
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, SEND, Wait
from qtwisted.wire.netstring import netstring
from qtwisted.wire.qmqp import Answered, ContentWanted, QmqpClient, QmqpServer
from qtwisted.wire.smtp_events import BodyBegin, BodyEnd, BodyPiece, Event, Recipient
from test.kit.packages import BAD_ADDRESS, PackageTalk, qmqp_package

GOOD = qmqp_package(b"S: x\n\nbody\n", b"s@x", (b"a@b", b"c@d"))


class ServerTests(SynchronousTestCase):
    """What the server takes."""

    def say(self, data: bytes, answers: dict[type[Event], Reply] | None = None) -> PackageTalk:
        """Send bytes, at once and one by one; both must have the same effect."""
        talk, slow = PackageTalk(QmqpServer(), None, answers), PackageTalk(QmqpServer(), None, answers)
        self.assertEqual(talk.say(data), slow.say_bytewise(data), data)
        self.assertEqual((talk.addresses(), talk.core.code), (slow.addresses(), slow.core.code))
        return talk

    def test_p1_package(self) -> None:
        """A package is answered once, and the dialogue is over."""
        talk = self.say(GOOD)
        self.assertEqual((talk.output, talk.is_over, talk.core.code), (b"3:Kok,", True, 0))
        self.assertTrue(talk.core.said_goodbye)
        self.assertEqual(talk.names(), ["BodyBegin", "BodyPiece", "Sender", "Recipient", "BodyEnd"])
        self.assertEqual(talk.addresses(), [b"s@x", b"a@b", b"c@d"])

    def test_verbatim(self) -> None:
        """The message is taken as it is."""
        body = bytes(range(256)) + b"\r\n,5:\r"
        talk = self.say(qmqp_package(body))
        self.assertEqual(b"".join([one.data for one in talk.events if isinstance(one, BodyPiece)]), body)

    def test_empty_things(self) -> None:
        """Q23: empty message, empty addresses and no recipients are all taken."""
        self.assertEqual(self.say(qmqp_package(b"", b"", (b"",))).output, b"3:Kok,")
        self.assertEqual(self.say(qmqp_package(b"", b"", ())).output, b"3:Kok,")

    def test_p2_bad_addresses(self) -> None:
        """An address with a zero byte or of 1000 bytes makes the server refuse all, when it has read all."""
        for sender, recipient in ((b"s\0", b"a"), (b"s" * 1000, b"a"), (b"s", b"a" * 1000), (b"s", b"\0")):
            data = qmqp_package(b"x", sender, (b"b", recipient, b"c"))
            talk = self.say(data)
            self.assertEqual((talk.output, talk.core.code), (BAD_ADDRESS, 0))
            self.assertIn("BodyVoid", talk.names())
            self.assertEqual(PackageTalk(QmqpServer()).say(data[:-1]), b"")
        self.assertEqual(self.say(qmqp_package(b"x", b"s" * 999, (b"a" * 999,))).output, b"3:Kok,")

    def test_p3_breaches(self) -> None:
        """Q22: a wrong comma, and inner strings that do not fill the outer one, end it with 100, without a word."""
        inner = netstring(b"x") + netstring(b"s") + netstring(b"a")
        for data in (GOOD[:-1] + b";", b"%d:%s," % (len(inner) - 1, inner), b"%d:%s,x," % (len(inner) + 2, inner),
                     b"0:,", b"3:1:x,", b":", b"012:" + inner + b",", b"12:1:x;1:s,1:a,,"):
            talk = self.say(data)
            self.assertEqual((talk.output, talk.is_over, talk.core.code), (b"", True, 100), data)
            self.assertNotIn("BodyEnd", talk.names())

    def test_long(self) -> None:
        """A length out of bounds ends it with 111."""
        self.assertEqual(self.say(b"9999999999:").core.code, 111)

    def test_client_goes(self) -> None:
        """Wherever the client goes nothing is queued that was not complete."""
        for end in range(len(GOOD)):
            talk = PackageTalk(QmqpServer())
            talk.say(GOOD[:end])
            talk.lose()
            self.assertEqual((talk.output, talk.is_over, talk.core.code), (b"", True, 0))
            self.assertNotIn("BodyEnd", talk.names())
            self.assertEqual("BodyBegin" in talk.names(), "BodyVoid" in talk.names())

    def test_refusals(self) -> None:
        """Whatever is refused, the answer says it for all."""
        for kind in (BodyBegin, Recipient, BodyEnd):
            self.assertEqual(self.say(GOOD, {kind: Reply(451, b"no")}).output, b"3:Zno,")

    def test_nothing_behind(self) -> None:
        """What follows the package is not read."""
        talk = self.say(GOOD + GOOD)
        self.assertEqual((talk.output, len(talk.addresses())), (b"3:Kok,", 3))


class ClientTests(SynchronousTestCase):
    """What the client sends and hears."""

    def send(self, content: bytes, size: int | None = None) -> tuple[QmqpClient, bytes]:
        """Give the content byte by byte; give the core and what it sent."""
        core, sent = QmqpClient(len(content) if size is None else size), b""
        pieces = iter(content)
        while (event := core.next()) is not DATA and event is not CLOSE:
            if event is SEND:
                sent += core.take()
            else:
                self.assertIsInstance(event, ContentWanted)
                self.assertIs(core.next(), ANSWER)
                core.answer(bytes([byte]) if (byte := next(pieces, None)) is not None else b"")
        return core, sent + core.take()

    def test_bytes(self) -> None:
        """The content goes out as one netstring."""
        self.assertEqual(self.send(b"x" * 40000)[1], netstring(b"x" * 40000))

    def test_first_letter(self) -> None:
        """C2: the first K, Z or D is the answer, wherever it stands."""
        for answer, letter in ((b"3:Kok,", b"K"), (b"junk 5 Zno", b"Z"), (b"D", b"D"), (b"kzdK", b"K")):
            core, _ = self.send(b"x")
            for byte in answer:
                core.received(bytes([byte]))
            event = core.next()
            assert isinstance(event, Answered)
            self.assertEqual((event.letter, core.next()), (letter, CLOSE))

    def test_no_answer(self) -> None:
        """C2: garbage is waited out; when the server goes nothing is known."""
        core, _ = self.send(b"x")
        core.received(b"8:garbage,")
        self.assertIs(core.next(), DATA)
        core.lost()
        self.assertIs(core.next(), CLOSE)

    def test_content_too_short_or_long(self) -> None:
        """Content of another size than announced is not sent to its end."""
        self.assertEqual(self.send(b"abc", 4)[0].next(), CLOSE)
        core = QmqpClient(1)
        core.answer(b"ab")
        self.assertEqual((core.next(), core.take()), (CLOSE, b""))

    def test_pair(self) -> None:
        """What the client sends the server understands, and the other way round."""
        content = netstring(b"hi") + netstring(b"s") + netstring(b"r")
        core, sent = self.send(content)
        talk = PackageTalk(QmqpServer())
        core.received(talk.say(sent))
        event = core.next()
        self.assertFalse(isinstance(event, Wait))
        self.assertEqual(talk.addresses(), [b"s", b"r"])
