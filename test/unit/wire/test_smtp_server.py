"""The SMTP server's core: questions and answers, limits, and every state with every input."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.reply import Reply
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, SEND, Wait
from qtwisted.wire.smtp_events import (
    BodyBegin,
    BodyEnd,
    BodyPiece,
    BodyVoid,
    Connected,
    Event,
    Hello,
    Receiver,
    Recipient,
    Sender,
)
from qtwisted.wire.smtp_server import OUTPUT_MAX, SmtpServer
from qtwisted.wire.smtp_verbs import Settings

NO = Reply(550, b"no")
LATER_PLEASE = Reply(450, b"later")
ENVELOPE = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"


class Talk:
    """A core that is fed and answered; remembers all events and output."""

    def __init__(self, core: SmtpServer, answers: dict[type[Event], Reply] | None = None) -> None:
        """Begin, and answer every event of these types so; others with yes."""
        self.core = core
        self.answers = answers or {}
        self.events: list[Event] = []
        self.output = b""
        self.wait = DATA
        self.run()

    def run(self) -> None:
        """Let the core do what it can."""
        while True:
            event = self.core.next()
            self.output += self.core.take()
            if isinstance(event, Wait):
                self.wait = event
                if event is not SEND:
                    return
            else:
                self.events.append(event)
                if event.asks:
                    self.core.answer(self.answers.get(type(event)))

    def say(self, data: bytes) -> bytes:
        """Send bytes; give the answers to them."""
        self.output = b""
        self.core.received(data)
        self.run()
        return self.output

    def codes(self, data: bytes) -> list[int]:
        """Send bytes; give the codes of the answers' last lines."""
        return [int(line[:3]) for line in self.say(data).split(b"\r\n")[:-1] if line[3:4] == b" "]

    def names(self) -> list[str]:
        """Give the types of all events."""
        return [type(event).__name__ for event in self.events]


def talk(**settings: int) -> Talk:
    """Begin a talk with a server called mx."""
    return Talk(SmtpServer(Settings(b"mx", **settings)))  # type: ignore[arg-type]


class QuestionTests(SynchronousTestCase):
    """One question at a time."""

    def test_pipelined_commands_wait(self) -> None:
        """While an event is unanswered no other comes, whatever has been received."""
        core = SmtpServer(Settings(b"mx"))
        self.assertIsInstance(core.next(), Connected)
        core.received(b"EHLO x\r\n" + ENVELOPE + b"text\r\n.\r\n")
        seen = []
        for _ in range(20):
            self.assertIs(core.next(), ANSWER)
            self.assertIs(core.next(), ANSWER)
            core.answer()
            event = core.next()
            if isinstance(event, Wait):
                break
            seen.append(type(event))
            if isinstance(event, BodyPiece):
                seen.append(type(core.next()))
        self.assertEqual(seen, [Hello, Sender, Recipient, BodyBegin, BodyPiece, BodyEnd])

    def test_early_talker_is_greeted_first(self) -> None:
        """What a client says before the greeting is answered after it."""
        core = SmtpServer(Settings(b"mx"))
        core.received(b"NOOP\r\n")
        self.assertEqual(Talk(core).output, b"220 mx ESMTP\r\n250 ok\r\n")

    def test_events_say_what_the_client_said(self) -> None:
        """Events carry name, addresses, size and text."""
        conversation = talk()
        conversation.say(b"EHLO me you\r\nMAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n")
        hello, sender, recipient, _, piece, _ = conversation.events[1:]
        assert isinstance(hello, Hello) and isinstance(sender, Sender)
        assert isinstance(recipient, Recipient) and isinstance(piece, BodyPiece)
        self.assertEqual((hello.name, hello.extended), (b"me you", True))
        self.assertEqual((sender.address, sender.size, recipient.address), (b"a@b", 7, b"c@d"))
        self.assertEqual(piece.data, b"x\n")

    def test_any_cut_gives_the_same_events(self) -> None:
        """Cut the input in two anywhere: same events, same output."""
        data = b"EHLO x\r\n" + ENVELOPE + b"Subject: y\r\n\r\n..\r\n.\r\nRSET\r\nQUIT\r\n"
        whole = talk()
        output = whole.say(data)
        for cut in range(len(data) + 1):
            parted = talk()
            self.assertEqual(parted.say(data[:cut]) + parted.say(data[cut:]), output)
            pieces = [event.data for event in parted.events if isinstance(event, BodyPiece)]
            self.assertEqual(b"".join(pieces), b"Subject: y\n\n.\n")

    def test_an_answer_after_the_client_has_gone(self) -> None:
        """An answer that comes too late is taken and forgotten."""
        core = SmtpServer(Settings(b"mx"))
        core.next()
        core.lost()
        core.answer()
        self.assertIs(core.next(), CLOSE)


class AnswerTests(SynchronousTestCase):
    """What becomes of a no."""

    def test_client_refused(self) -> None:
        """A client that is refused hears why instead of the greeting."""
        conversation = Talk(SmtpServer(Settings(b"mx")), {Connected: Reply(421, b"go away")})
        self.assertEqual((conversation.output, conversation.wait), (b"421 go away\r\n", CLOSE))

    def test_own_words(self) -> None:
        """A reply with a good code is said in place of ours."""
        answers = {Sender: Reply(250, b"fine"), Recipient: Reply(251, b"also fine"), BodyEnd: Reply(250, b"thanks")}
        conversation = Talk(SmtpServer(Settings(b"mx")), answers)
        self.assertEqual(
            conversation.say(ENVELOPE + b".\r\n"), b"250 fine\r\n251 also fine\r\n354 go ahead\r\n250 thanks\r\n"
        )

    def test_refused_sender_opens_nothing(self) -> None:
        """After a refused MAIL there is no transaction."""
        conversation = Talk(SmtpServer(Settings(b"mx")), {Sender: NO})
        self.assertEqual(conversation.codes(ENVELOPE), [550, 503, 503])

    def test_refused_sender_leaves_the_old(self) -> None:
        """A MAIL with bad syntax does not change the transaction under way."""
        conversation = talk()
        self.assertEqual(conversation.codes(b"MAIL <a>\r\nRCPT <b>\r\nMAIL <a\0>\r\nDATA\r\n"), [250, 250, 555, 354])

    def test_refused_recipient_does_not_count(self) -> None:
        """DATA needs one recipient that was taken."""
        conversation = Talk(SmtpServer(Settings(b"mx")), {Recipient: LATER_PLEASE})
        self.assertEqual(conversation.codes(ENVELOPE), [250, 450, 503])

    def test_refused_data_ends_the_transaction(self) -> None:
        """After DATA was refused a new MAIL is needed, as in qmail; text that comes anyway is commands."""
        conversation = Talk(SmtpServer(Settings(b"mx")), {BodyBegin: LATER_PLEASE})
        self.assertEqual(conversation.codes(ENVELOPE + b"text\r\n.\r\nDATA\r\n"), [250, 250, 450, 502, 502, 503])

    def test_refused_message(self) -> None:
        """The session goes on after a message was refused."""
        conversation = Talk(SmtpServer(Settings(b"mx")), {BodyEnd: NO})
        self.assertEqual(conversation.codes(ENVELOPE + b".\r\nNOOP\r\n"), [250, 250, 354, 550, 250])

    def test_421_ends_the_session(self) -> None:
        """A 421 at any question is the last word."""
        for kind in (Hello, Sender, Recipient, BodyBegin, BodyEnd):
            conversation = Talk(SmtpServer(Settings(b"mx")), {kind: Reply(421, b"bye")})
            self.assertEqual(conversation.codes(b"HELO x\r\n" + ENVELOPE + b".\r\nNOOP\r\n")[-1], 421)
            self.assertIs(conversation.wait, CLOSE)
            self.assertFalse(conversation.core.said_goodbye)


class VoidTests(SynchronousTestCase):
    """Every message that was allowed to come ends with exactly one BodyEnd or BodyVoid."""

    def endings(self, conversation: Talk) -> list[str]:
        """Give the endings that were told."""
        return [name for name in conversation.names() if name in ("BodyEnd", "BodyVoid")]

    def test_lost_in_body(self) -> None:
        """A client that goes away voids the message, wherever it was."""
        for text in (b"", b"x", b"x\r\n", b"x\r\n.", b"x\r\n.\r"):
            conversation = talk()
            conversation.say(ENVELOPE + text)
            conversation.core.lost()
            conversation.run()
            self.assertEqual((self.endings(conversation), conversation.wait), (["BodyVoid"], CLOSE))

    def test_lost_before_the_end_was_asked(self) -> None:
        """The same where the end has come and has not been looked at."""
        core = SmtpServer(Settings(b"mx"))
        core.received(ENVELOPE + b"x\r\n.\r\n")
        while not isinstance(event := core.next(), BodyPiece):
            if not isinstance(event, Wait):
                core.answer()
        core.lost()
        self.assertIsInstance(core.next(), BodyVoid)
        self.assertIs(core.next(), CLOSE)

    def test_lost_while_the_end_is_decided(self) -> None:
        """Once asked about the end, the message is not void any more."""
        core = SmtpServer(Settings(b"mx"))
        core.received(ENVELOPE + b".\r\n")
        while not isinstance(event := core.next(), BodyEnd):
            if not isinstance(event, Wait):
                core.answer()
        self.assertTrue(core.in_transaction)
        core.lost()
        self.assertIs(core.next(), CLOSE)

    def test_too_big_is_void_at_once(self) -> None:
        """A message is void as soon as it is too big; the rest is read and thrown away."""
        conversation = talk(databytes=10)
        conversation.say(ENVELOPE + b"x" * 100)
        self.assertEqual(self.endings(conversation), ["BodyVoid"])
        self.assertEqual(conversation.say(b"x" * 100000), b"")
        self.assertEqual(conversation.codes(b"\r\n.\r\nNOOP\r\n"), [552, 250])
        self.assertEqual(self.endings(conversation), ["BodyVoid"])

    def test_looping_comes_before_too_big(self) -> None:
        """A message that is both too big and looping is refused as looping."""
        conversation = talk(databytes=10)
        self.assertEqual(conversation.codes(ENVELOPE + b"Received: x\r\n" * 100 + b".\r\n")[-1], 554)

    def test_lost_after_void(self) -> None:
        """A message is void only once."""
        conversation = talk(databytes=10)
        conversation.say(ENVELOPE + b"x" * 100)
        conversation.core.lost()
        conversation.run()
        self.assertEqual(self.endings(conversation), ["BodyVoid"])

    def test_bare_lf_after_void(self) -> None:
        """A bare LF ends the session even in a message that is void."""
        conversation = talk(databytes=10)
        conversation.say(ENVELOPE + b"x" * 100)
        self.assertEqual(conversation.codes(b"\n"), [451])
        self.assertEqual((self.endings(conversation), conversation.wait), (["BodyVoid"], CLOSE))

    def test_time_is_up(self) -> None:
        """Time that is up in a message voids it and is told."""
        conversation = talk()
        conversation.say(ENVELOPE + b"x")
        conversation.core.time_is_up()
        conversation.output = b""
        conversation.run()
        self.assertEqual((conversation.output, conversation.wait), (b"451 timeout (#4.4.2)\r\n", CLOSE))
        self.assertEqual(self.endings(conversation), ["BodyVoid"])


class LimitTests(SynchronousTestCase):
    """Memory, patience and work are bounded."""

    def test_longest_line(self) -> None:
        """A line of 2048 bytes is a command, one of 2049 is not, and the session goes on."""
        conversation = talk()
        self.assertEqual(conversation.codes(b"NOOP " + b"x" * 2043 + b"\r\n"), [250])
        self.assertEqual(conversation.codes(b"NOOP " + b"x" * 2044 + b"\r\nNOOP\r\n"), [500, 250])

    def test_recipients(self) -> None:
        """Too many recipients are put off, one by one, and the message goes to the others."""
        conversation = talk(maxrcpt=3)
        self.assertEqual(conversation.codes(b"MAIL <a>\r\n" + b"RCPT <b>\r\n" * 30)[1:], [250] * 3 + [452] * 27)
        self.assertEqual(conversation.codes(b"DATA\r\n.\r\nMAIL <a>\r\nRCPT <b>\r\n"), [354, 250, 250, 250])

    def test_recipients_without_limit(self) -> None:
        """0 is no limit."""
        conversation = talk(maxrcpt=0)
        self.assertEqual(set(conversation.codes(b"MAIL <a>\r\n" + b"RCPT <b>\r\n" * 2000)), {250})

    def test_errors(self) -> None:
        """The twentieth error is the last."""
        conversation = talk()
        self.assertEqual(conversation.codes(b"WHAT\r\n" * 100), [502] * 19 + [421])
        self.assertIs(conversation.wait, CLOSE)

    def test_errors_begin_anew_with_each_message(self) -> None:
        """A client whose message was taken may make mistakes again, and idle again."""
        conversation = talk(errors=3, idle_commands=3)
        for _ in range(5):
            self.assertEqual(conversation.codes(b"WHAT\r\nWHAT\r\nNOOP\r\nRSET\r\nNOOP\r\n")[-1], 250)
            self.assertEqual(conversation.codes(ENVELOPE + b".\r\n")[-1], 250)

    def test_idle_commands(self) -> None:
        """After a hundred commands that do nothing the session ends."""
        for command in (b"NOOP", b"RSET", b"VRFY x", b"HELP", b"HELO x", b"EHLO x"):
            conversation = talk()
            codes = conversation.codes((command + b"\r\n") * 102)
            self.assertEqual((len(codes), codes[-1]), (101, 421))
            self.assertEqual(len(set(codes[:100])), 1)

    def test_no_limits(self) -> None:
        """0 is no limit to errors and idle commands."""
        conversation = talk(errors=0, idle_commands=0)
        self.assertEqual(len(conversation.codes(b"NOOP\r\nWHAT\r\n" * 500)), 1000)

    def test_output_waits(self) -> None:
        """Output stays small: the core says that it must be sent before it goes on."""
        core = SmtpServer(Settings(b"mx", maxrcpt=1, errors=0, idle_commands=0))
        core.received(b"MAIL <a>\r\nRCPT <b>\r\n" + b"RCPT\r\n" * 10000 + b"HELO x\r\n" * 2000)
        total = 0
        while (event := core.next()) is not DATA:
            if event is SEND:
                output = core.take()
                self.assertLess(len(output), OUTPUT_MAX + 100)
                total += len(output)
            elif not isinstance(event, Wait) and event.asks:
                core.answer()
        self.assertGreater(total, 10 * OUTPUT_MAX)


class StateTests(SynchronousTestCase):
    """Every state with every input."""

    def test_every_state_and_command(self) -> None:
        """Each command in each state is answered with this code."""
        before = {
            "start": b"",
            "hello": b"EHLO x\r\n",
            "mail": b"MAIL <a>\r\n",
            "rcpt": b"MAIL <a>\r\nRCPT <b>\r\n",
            "after": ENVELOPE + b".\r\n",
        }
        always = {b"HELO": 250, b"EHLO": 250, b"MAIL": 250, b"RSET": 250, b"NOOP": 250, b"VRFY": 252, b"HELP": 214,
                  b"QUIT": 221, b"X": 502, b"": 502}
        for (state, said), (command, code) in product(before.items(), always.items()):
            conversation = talk()
            conversation.say(said)
            self.assertEqual(conversation.codes(command + b"\r\n"), [code], (state, command))
        for state, rcpt, data in (("start", 503, 503), ("hello", 503, 503), ("mail", 250, 503), ("rcpt", 250, 354),
                                  ("after", 503, 503)):
            for command, code in ((b"RCPT <b>", rcpt), (b"DATA", data)):
                conversation = talk()
                conversation.say(before[state])
                self.assertEqual(conversation.codes(command + b"\r\n"), [code], (state, command))

    def test_what_a_driver_asks(self) -> None:
        """The core says whether something is half received, and whether a message is under way."""
        conversation = talk()
        core = conversation.core
        states = []
        for data in (b"MA", b"IL <a>\r\n", b"RCPT <b>\r\n", b"DATA\r\n", b"x\r\n", b".\r\n", b"NOOP\r\n"):
            conversation.say(data)
            states.append((core.is_idle, core.in_transaction, core.in_body))
        self.assertEqual(
            states,
            [
                (False, False, False),
                (True, True, False),
                (True, True, False),
                (False, True, True),
                (False, True, True),
                (True, False, False),
                (True, False, False),
            ],
        )

    def test_shut_down(self) -> None:
        """We may go at any time, and say so."""
        conversation = talk()
        conversation.core.shut_down()
        conversation.output = b""
        conversation.run()
        self.assertEqual((conversation.output, conversation.wait), (b"421 4.3.2 shutting down\r\n", CLOSE))

    @settings(derandomize=True, max_examples=300, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from([b"EHLO x\r\n", b"MAIL <a>\r\n", b"RCPT <b>\r\n", b"DATA\r\n", b".\r\n", b"x\r\n"]),
                st.sampled_from([b"RSET\r\n", b"QUIT\r\n", b"MAIL FROM:<a> SIZE=", b"RCPT <", b"\0", b"\n", b"\r"]),
                st.binary(max_size=8),
            ),
            max_size=25,
        )
    )
    def test_anything(self, pieces: list[bytes]) -> None:
        """Whatever comes, every message ends once, replies are whole lines, and the core ends with the client."""
        conversation = talk()
        output = conversation.output
        for piece in pieces:
            output += conversation.say(piece)
        conversation.core.lost()
        conversation.run()
        self.assertIs(conversation.wait, CLOSE)
        names = conversation.names()
        self.assertEqual(names.count("BodyBegin"), names.count("BodyEnd") + names.count("BodyVoid"))
        for line in output.split(b"\r\n")[:-1]:
            self.assertTrue(line[:3].isdigit() and line[3:4] in (b" ", b"-"), line)
        self.assertTrue(output.endswith(b"\r\n"))


class ReceiverTests(SynchronousTestCase):
    """The receiver that decides nothing."""

    def test_takes_everything(self) -> None:
        """As it is, a Receiver says yes to all that a client does."""
        core = SmtpServer(Settings(b"mx"))
        core.received(b"HELO x\r\n" + ENVELOPE + b"x\r\n.\r\nQUIT\r\n")
        receiver = Receiver()
        while not isinstance(event := core.next(), Wait):
            reply = event.put_to(receiver)
            self.assertIsNone(reply)
            if event.asks:
                core.answer()
        self.assertEqual(core.take().count(b"\r\n250 ok"), 3)
        core.lost()
        receiver.body_void()
        receiver.closed()
