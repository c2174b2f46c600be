"""From SMTP into the queue."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.gate import Client
from qtwisted.accept.handing import final_reply
from qtwisted.accept.smtpd import QueueReceiver
from qtwisted.config.control import ControlError
from qtwisted.model.envelope import Envelope
from qtwisted.model.reply import Reply
from qtwisted.model.submission import Result, result_of
from qtwisted.store.kinds.memory import MemoryIntake
from qtwisted.wire.dialogue import LATER
from test.kit.smtp import config, queue_talk

ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"


class SlowIntake:
    """An intake and its only draft, which answers when it is told to."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.calls: list[object] = []

    def begin(self, owner: QueueReceiver) -> SlowIntake:
        """Be the draft."""
        self.owner = owner
        return self

    def write(self, piece: bytes) -> None:
        """Remember how much came."""
        self.calls.append("write")

    def commit(self, envelope: Envelope) -> None:
        """Remember the envelope."""
        self.calls.append(envelope)

    def abandon(self) -> None:
        """Remember that."""
        self.calls.append("abandon")


class Line:
    """A driver that remembers what it was told."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.calls: list[object] = []

    def answer(self, reply: Reply | None) -> None:
        """Remember the answer."""
        self.calls.append(reply)

    def hold(self) -> None:
        """Remember that."""
        self.calls.append("hold")

    def go_on(self) -> None:
        """Remember that."""
        self.calls.append("go on")


class FinalReplyTests(SynchronousTestCase):
    """What a client hears in the end."""

    def test_stored(self) -> None:
        """A stored message is answered with time and number."""
        self.assertEqual(final_reply(Result(b"", 7), 1234).wire(), b"250 ok 1234 qp 7\r\n")

    def test_every_exit_code(self) -> None:
        """Every exit code of qmail-queue is 554 or 451 with its text."""
        for code, wanted in (
            (11, b"554 envelope address too long for qq (#5.1.3)"),
            (115, b"554 envelope address too long for qq (#5.1.3)"),
            (31, b"554 mail server permanently rejected message (#5.3.0)"),
            (51, b"451 qq out of memory (#4.3.0)"),
            (52, b"451 qq timeout (#4.3.0)"),
            (53, b"451 qq write error or disk full (#4.3.0)"),
            (54, b"451 qq read error (#4.3.0)"),
            (55, b"451 qq unable to read configuration (#4.3.0)"),
            (56, b"451 qq trouble making network connection (#4.3.0)"),
            (61, b"451 qq trouble in home directory (#4.3.0)"),
            *((code, b"451 qq trouble creating files in queue (#4.3.0)") for code in range(62, 67)),
            (71, b"451 mail server temporarily rejected message (#4.3.0)"),
            (72, b"451 connection to mail server timed out (#4.4.1)"),
            (73, b"451 connection to mail server rejected (#4.4.1)"),
            (74, b"451 communication with mail server failed (#4.4.2)"),
            (81, b"451 qq internal bug (#4.3.0)"),
            (91, b"451 qq internal bug (#4.3.0)"),
            (82, b"451 qq temporary problem (#4.3.0)"),
            (120, b"451 unable to exec qq (#4.3.0)"),
            (12, b"554 qq permanent problem (#5.3.0)"),
            (40, b"554 qq permanent problem (#5.3.0)"),
            (10, b"451 qq temporary problem (#4.3.0)"),
            (41, b"451 qq temporary problem (#4.3.0)"),
            (99, b"451 qq temporary problem (#4.3.0)"),
            (None, b"451 qq crashed (#4.3.0)"),
        ):
            self.assertEqual(final_reply(result_of(code, 1), 0).wire(), wanted + b"\r\n", code)

    def test_foreign_text_is_one_line(self) -> None:
        """A text of another program cannot add a line to the dialogue."""
        self.assertEqual(final_reply(Result(b"Dno\r\n250 yes\0", 1), 0).wire(), b"554 no  250 yes \r\n")


class ReceiverTests(SynchronousTestCase):
    """What the receiver does with drafts."""

    def receiver(self, intake: object) -> tuple[QueueReceiver, Line]:
        """Make a receiver with a transaction begun, and its line."""
        receiver = QueueReceiver(config(), Client(), intake, lambda: 5.0)  # type: ignore[arg-type]
        receiver.line = line = Line()
        receiver.sender(b"a@x", 0)
        receiver.recipient(b"b@y")
        receiver.body_begin()
        return receiver, line

    def test_answer_comes_later(self) -> None:
        """Where the queue answers later, so does the receiver, once."""
        intake = SlowIntake()
        receiver, line = self.receiver(intake)
        self.assertIs(receiver.body_end(), LATER)
        self.assertEqual(intake.calls, ["write", Envelope(b"a@x", (b"b@y",))])
        self.assertEqual(line.calls, [])
        receiver.stored(Result(b"", 3))
        self.assertEqual(line.calls, [Reply(250, b"ok 5 qp 3")])

    def test_answer_comes_at_once(self) -> None:
        """Where the queue answers at once, so does the receiver."""
        receiver, line = self.receiver(MemoryIntake())
        self.assertEqual(receiver.body_end(), Reply(250, b"ok 5 qp 1"))
        self.assertEqual(line.calls, [])

    def test_void(self) -> None:
        """A void message is abandoned, once."""
        intake = SlowIntake()
        receiver, _ = self.receiver(intake)
        receiver.body_void()
        receiver.body_void()
        self.assertEqual(intake.calls, ["write", "abandon"])

    def test_back_pressure(self) -> None:
        """Hold and go on are passed to the line."""
        receiver, line = self.receiver(SlowIntake())
        receiver.hold()
        receiver.go_on()
        receiver.go_on()
        self.assertEqual(line.calls, ["hold", "go on"])

    def test_a_settled_draft_holds_nobody(self) -> None:
        """When the draft that held is settled or abandoned, input goes on."""
        receiver, line = self.receiver(SlowIntake())
        receiver.hold()
        receiver.body_end()
        receiver.stored(Result(b"Zqq", 0))
        self.assertEqual(line.calls, ["hold", "go on", Reply(451, b"qq")])
        receiver, line = self.receiver(SlowIntake())
        receiver.hold()
        receiver.body_void()
        self.assertEqual(line.calls, ["hold", "go on"])

    def test_queue_cannot_begin(self) -> None:
        """Where no draft can be begun, DATA is refused for now."""

        class Broken(MemoryIntake):
            """Has no processes left."""

            def begin(self, owner: object) -> object:  # type: ignore[override]
                """Fail as fork does."""
                raise OSError

        talk = queue_talk(Broken())
        self.assertEqual(talk.say(ENVELOPE), b"250 ok\r\n250 ok\r\n451 qqt failure (#4.3.0)\r\n")
        self.assertEqual(talk.codes(b"DATA\r\n"), [503])

    def test_damaged_table(self) -> None:
        """A damaged morercpthosts.cdb ends the session at RCPT, and the operator is told."""

        class Damaged:
            """A table that cannot be read."""

            def allows(self, address: bytes) -> bool:
                """Find the damage."""
                raise ControlError("control/morercpthosts.cdb", None, "the file is too short")

        alerts: list[str] = []
        values = config(rcpthosts=Damaged())
        receiver = QueueReceiver(values, Client(), MemoryIntake(), lambda: 0, None, alerts.append)
        receiver.sender(b"", 0)
        self.assertEqual(receiver.recipient(b"a@b"), Reply(421, b"unable to read controls (#4.3.0)"))
        self.assertEqual(alerts, ["control/morercpthosts.cdb: the file is too short"])
        self.assertEqual(queue_talk(MemoryIntake(), rcpthosts=Damaged()).codes(b"MAIL <>\r\nRCPT <a@b>\r\nNOOP\r\n"),
                         [250, 421])

    def test_refused_client(self) -> None:
        """A client that must not come in hears why."""
        receiver = QueueReceiver(config(), Client(), MemoryIntake(), lambda: 0, Reply(421, b"full"))
        self.assertEqual(receiver.connected(), Reply(421, b"full"))

    def test_transactions_are_apart(self) -> None:
        """Recipients of one message do not get the next."""
        intake = MemoryIntake()
        talk = queue_talk(intake)
        talk.say(ENVELOPE + b"1\r\n.\r\n" + b"MAIL <c>\r\nRCPT <d>\r\nRSET\r\nMAIL <e>\r\nRCPT <f>\r\nDATA\r\n.\r\n")
        self.assertEqual(
            [message.envelope for message in intake.messages],
            [Envelope(b"a@x", (b"b@y",)), Envelope(b"e", (b"f",))],
        )
