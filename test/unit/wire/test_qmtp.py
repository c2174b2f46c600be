"""The QMTP server's core: packages of every kind, cut anywhere."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.reply import Reply
from qtwisted.wire import qmtp
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, SEND
from qtwisted.wire.netstring import netstring
from qtwisted.wire.package import OUTPUT_MAX
from qtwisted.wire.qmtp import CrLf, QmtpServer
from qtwisted.wire.smtp_events import BodyBegin, BodyEnd, BodyPiece, Recipient, Sender
from test.kit.packages import BAD_SENDER, CANNOT_HANDLE, TOO_BIG, PackageTalk, listed, qmtp_package

GOOD = qmtp_package(b"\nS: x\n\nbody\n", b"s@x", (b"a@b", b"c@d"))
ALL = ["BodyBegin", "BodyPiece", "Sender", "Recipient", "BodyEnd"]


def text(talk: PackageTalk) -> bytes:
    """Give the message that came out."""
    return b"".join([event.data for event in talk.events if isinstance(event, BodyPiece)])


class PackageTests(SynchronousTestCase):
    """What a package becomes."""

    def setUp(self) -> None:
        """Begin a dialogue."""
        self.talk = PackageTalk(QmtpServer())

    def test_events(self) -> None:
        """A message comes first, then who sent it, then who gets it; each recipient is answered."""
        self.assertEqual(self.talk.say(GOOD), b"3:Kok,3:Kok,")
        self.assertEqual(self.talk.names(), ALL)
        self.assertEqual((text(self.talk), self.talk.addresses()), (b"S: x\n\nbody\n", [b"s@x", b"a@b", b"c@d"]))
        self.assertIs(self.talk.wait, DATA)

    def test_bytewise(self) -> None:
        """It does not matter how the bytes are cut."""
        self.assertEqual(self.talk.say_bytewise(GOOD + GOOD), b"3:Kok," * 4)
        self.assertEqual(text(self.talk), b"S: x\n\nbody\n" * 2)

    def test_q11_two_packages(self) -> None:
        """Packages follow each other without waiting; answers come in their order."""
        data = qmtp_package(sender=b"s" * 1000, recipients=(b"1", b"2")) + GOOD
        self.assertEqual(self.talk.say(data), BAD_SENDER * 2 + b"3:Kok,3:Kok,")

    def test_q12_no_recipients(self) -> None:
        """Without recipients nothing is said, and the message is void; the next package is read."""
        self.assertEqual(self.talk.say(qmtp_package(recipients=())), b"")
        self.assertEqual(self.talk.names(), ["BodyBegin", "BodyPiece", "Sender", "BodyVoid"])
        self.assertEqual(self.talk.say(GOOD), b"3:Kok,3:Kok,")

    def test_q2_crlf(self) -> None:
        """After a CR in front each CRLF becomes LF, and whatever else is there stays."""
        self.talk.say_bytewise(qmtp_package(b"\rS: x\r\n\r\nbo\rdy\r\r\nx\r"))
        self.assertEqual(text(self.talk), b"S: x\n\nbo\rdy\r\nx\r")

    def test_lf_is_verbatim(self) -> None:
        """After an LF in front no byte is changed."""
        body = bytes(range(256)) + b"\r\n\r\r\n,5:"
        self.talk.say(qmtp_package(b"\n" + body))
        self.assertEqual(text(self.talk), body)

    def test_empty_text(self) -> None:
        """A message may be nothing but the byte in front."""
        for marker in (b"\n", b"\r"):
            self.assertEqual(PackageTalk(QmtpServer()).say(qmtp_package(marker)), b"3:Kok,")

    def test_one_question_at_a_time(self) -> None:
        """Nothing is read while a question is open."""
        core = QmtpServer()
        core.received(GOOD)
        self.assertIsInstance(core.next(), BodyBegin)
        self.assertIs(core.next(), ANSWER)
        core.answer()
        self.assertIsInstance(core.next(), BodyPiece)
        self.assertIsInstance(core.next(), Sender)
        self.assertIs(core.next(), ANSWER)


class RefusalTests(SynchronousTestCase):
    """Who hears which refusal."""

    def say(self, data: bytes, databytes: int = 0, **answers: Reply) -> PackageTalk:
        """Send a package to a core whose questions are answered so."""
        kinds = {"begin": BodyBegin, "sender": Sender, "recipient": Recipient, "end": BodyEnd}
        talk = PackageTalk(QmtpServer(databytes), None, {kinds[name]: reply for name, reply in answers.items()})
        talk.say(data)
        return talk

    def test_q6_bad_sender(self) -> None:
        """A sender of 1000 bytes or with a zero byte is unacceptable; one of 999 is not."""
        for sender, answer in ((b"s" * 999, b"3:Kok,"), (b"s" * 1000, BAD_SENDER), (b"s\0", BAD_SENDER)):
            self.assertEqual(self.say(qmtp_package(sender=sender)).output, answer)

    def test_bad_sender_is_void(self) -> None:
        """The message of an unacceptable sender is void at once; its recipients are still asked about."""
        talk = self.say(qmtp_package(sender=b"\0"))
        self.assertEqual(talk.names(), ["BodyBegin", "BodyPiece", "BodyVoid", "Recipient"])

    def test_q7_too_big(self) -> None:
        """databytes counts what is stored, without the byte in front, with lines ending in LF."""
        for message, fits in ((b"\n123456", True), (b"\n1234567", False), (b"\r123\r\n45", True),
                              (b"\r123\r\n456", False), (b"\r123456\r", False)):
            talk = self.say(qmtp_package(message), 6)
            self.assertEqual(talk.output, b"3:Kok," if fits else TOO_BIG, message)

    def test_too_big_is_not_begun(self) -> None:
        """Where the length says that a message is too big nobody is asked about it."""
        self.assertEqual(self.say(qmtp_package(b"\n1234567"), 6).names(), ["Sender", "Recipient"])

    def test_too_big_by_conversion(self) -> None:
        """A message that grows too big is void as soon as it is."""
        talk = self.say(qmtp_package(b"\r" + b"x\r\n" * 9), 6)
        self.assertEqual(talk.names()[:2], ["BodyBegin", "BodyVoid"])

    def test_too_big_comes_before_bad_sender(self) -> None:
        """Of two reasons the size is told."""
        self.assertEqual(self.say(qmtp_package(b"\n1234567", b"\0"), 6).output, TOO_BIG)

    def test_long_recipient(self) -> None:
        """Q5: a recipient of 1000 bytes cannot be handled, whatever else is wrong; the others are served."""
        data = qmtp_package(recipients=(b"a" * 1000, b"b" * 999, b"c" * 100000))
        self.assertEqual(self.say(data).output, CANNOT_HANDLE + b"3:Kok," + CANNOT_HANDLE)
        data = qmtp_package(sender=b"\0", recipients=(b"a" * 1000, b"b"))
        self.assertEqual(self.say(data).output, CANNOT_HANDLE + BAD_SENDER)

    def test_refused_recipients(self) -> None:
        """A recipient that is refused hears why; without any other the message is void."""
        talk = self.say(GOOD, recipient=Reply(450, b"not now"))
        self.assertEqual(talk.output, b"8:Znot now,8:Znot now,")
        self.assertEqual(talk.names(), ["BodyBegin", "BodyPiece", "Sender", "Recipient", "BodyVoid"])

    def test_refused_message(self) -> None:
        """What the queue says is said to every recipient."""
        self.assertEqual(self.say(GOOD, end=Reply(554, b"no")).output, b"3:Dno,3:Dno,")

    def test_refused_sender(self) -> None:
        """A refused sender is the answer to every recipient."""
        self.assertEqual(self.say(GOOD, sender=Reply(553, b"you")).output, b"4:Dyou,4:Dyou,")

    def test_refused_begin(self) -> None:
        """A message that may not begin is read and refused, and never void."""
        talk = self.say(GOOD, begin=Reply(451, b"full"))
        self.assertEqual((talk.output, talk.names()), (b"5:Zfull,5:Zfull,", ["BodyBegin", "Sender", "Recipient"]))

    def test_trouble_of_ours(self) -> None:
        """A reply 421 ends the dialogue without a word; a message under way is void."""
        for name in ("begin", "sender", "recipient", "end"):
            talk = self.say(GOOD, **{name: Reply(421, b"")})
            self.assertEqual((talk.output, talk.is_over, talk.core.code), (b"", True, 111))
            self.assertEqual("BodyVoid" in talk.names(), name in ("sender", "recipient"))


class BreachTests(SynchronousTestCase):
    """What ends the dialogue."""

    def ended(self, data: bytes) -> int:
        """Expect that the dialogue ends without a word; give the exit code."""
        talk = PackageTalk(QmtpServer())
        self.assertEqual(talk.say_bytewise(data), b"", data)
        self.assertTrue(talk.is_over, data)
        self.assertNotIn("BodyEnd", talk.names())
        self.assertEqual("BodyBegin" in talk.names(), "BodyVoid" in talk.names())
        return talk.core.code

    def test_q8_breaches(self) -> None:
        """An empty message, a wrong first byte and a wrong comma anywhere end it with 100."""
        for data in (netstring(b""), netstring(b"x"), b"2:\nx;", b"2:\nx,1:sx", b"2:\nx,1:s,3:0:;,",
                     b"2:\nx,1:s,3:0:,;"):
            self.assertEqual(self.ended(data), 100)

    def test_q9_long(self) -> None:
        """A length out of bounds ends it with 111."""
        self.assertEqual(self.ended(b"9999999999:"), 111)
        self.assertEqual(self.ended(b"2:\nx,9999999999:"), 111)

    def test_nothing_is_read_afterwards(self) -> None:
        """What follows a breach has no effect."""
        talk = PackageTalk(QmtpServer())
        talk.say(netstring(b"") + GOOD)
        talk.say(GOOD)
        self.assertEqual((talk.output, talk.events), (b"", []))

    def test_earlier_answers_are_sent(self) -> None:
        """A breach takes nothing from packages before it."""
        self.assertEqual(PackageTalk(QmtpServer()).say(GOOD + b"x"), b"3:Kok,3:Kok,")

    def test_q10_client_goes(self) -> None:
        """Wherever the client goes away nothing is queued that was not complete, and the exit code is 0."""
        for end in range(len(GOOD)):
            talk = PackageTalk(QmtpServer())
            talk.say(GOOD[:end])
            talk.lose()
            self.assertTrue(talk.is_over)
            self.assertEqual((talk.output, talk.core.code), (b"", 0))
            self.assertNotIn("BodyEnd", talk.names())
            self.assertEqual("BodyBegin" in talk.names(), "BodyVoid" in talk.names())

    def test_client_goes_while_asked(self) -> None:
        """An answer that comes when the client is gone is forgotten."""
        core = QmtpServer()
        core.received(GOOD)
        for _ in range(6):
            core.answer()
            core.next()
        core.lost()
        core.answer()
        self.assertIs(core.next(), CLOSE)
        self.assertEqual(core.take(), b"")

    def test_time(self) -> None:
        """When the time is up, or we have to go, a message under way is void."""
        for end in (QmtpServer.time_is_up, QmtpServer.shut_down):
            talk = PackageTalk(QmtpServer())
            talk.say(GOOD[:9])
            end(talk.core)  # type: ignore[arg-type]
            talk.run()
            self.assertEqual((talk.names()[-1], talk.core.code, talk.is_over), ("BodyVoid", 111, True))


class StandingTests(SynchronousTestCase):
    """What a driver may ask."""

    def test_standing(self) -> None:
        """Between packages it is idle; from the first byte of a message to the last answer it is not."""
        core = QmtpServer()
        seen = []
        talk = PackageTalk(core)
        for end in range(len(GOOD)):
            seen.append((core.is_idle, core.in_body, core.in_transaction))
            talk.say(GOOD[end : end + 1])
        self.assertEqual(seen[0], (True, False, False))
        self.assertEqual(seen[1], (False, False, False))
        self.assertEqual(seen[5], (False, True, True))
        self.assertEqual(seen[-1], (False, False, True))
        self.assertTrue(core.is_idle)


class ManyTests(SynchronousTestCase):
    """Very many recipients."""

    def test_answers_in_portions(self) -> None:
        """Unsent answers stay few; the next package waits for them, and all come out in order."""
        core = QmtpServer()
        recipients = [b"a" * (1000 if number % 3 else 1) for number in range(3000)]
        data = netstring(b"\nx") + netstring(b"s") + netstring(listed(recipients)) + GOOD
        core.received(data)
        output, most = b"", 0
        while (event := core.next()) is not DATA:
            if event is SEND:
                taken = core.take()
                most = max(most, len(taken))
                output += taken
            elif event.asks:  # type: ignore[union-attr]
                core.answer()
        output += core.take()
        wanted = b"".join([CANNOT_HANDLE if number % 3 else b"3:Kok," for number in range(3000)])
        self.assertEqual(output, wanted + b"3:Kok,3:Kok,")
        self.assertLess(most, 2 * OUTPUT_MAX)

    def test_one_byte_each(self) -> None:
        """Of each recipient one byte is kept, whatever it heard."""
        core = QmtpServer()
        core.received(netstring(b"\nx") + netstring(b"s") + b"4000000:")
        talk = PackageTalk(core)
        talk.run()
        for _ in range(100):
            talk.events.clear()
            talk.say(netstring(b"a" * 990) * 10 + netstring(b"b" * 1001))
        self.assertEqual(len(core._verdicts), 1100)
        self.assertEqual(len(core._answers), 2)

    def test_too_many(self) -> None:
        """More recipients than we can count end the dialogue like any other lack of memory."""
        self.patch(qmtp, "RECIPIENTS_MAX", 5)
        self.assertEqual(PackageTalk(QmtpServer()).say(qmtp_package(recipients=[b"a"] * 5)), b"3:Kok," * 5)
        for recipient in (b"a", b"a" * 1000):
            talk = PackageTalk(QmtpServer())
            talk.say(qmtp_package(recipients=[recipient] * 6))
            self.assertEqual((talk.output, talk.is_over, talk.core.code), (b"", True, 111))


class CrLfTests(SynchronousTestCase):
    """The conversion of line ends."""

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.binary(max_size=4).map(lambda raw: bytes([b"\r\nx\0"[byte % 4] for byte in raw])), max_size=8))
    def test_any_cut(self, pieces: list[bytes]) -> None:
        """However a message is cut, each CRLF becomes LF and nothing else changes."""
        crlf = CrLf()
        made = b"".join([crlf.feed(piece, False) for piece in pieces]) + crlf.feed(b"", True)
        self.assertEqual(made, b"".join(pieces).replace(b"\r\n", b"\n"))
