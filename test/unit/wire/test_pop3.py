"""POP3: the two dialogues, what messages look like in them, and what they make of bad input."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, SEND, Wait
from qtwisted.wire.pop3 import Leave, Mailbox, Open, Read, Request, number_of, unique_id
from qtwisted.wire.pop3_dialogue import LINE_MAX, LINE_PATIENCE, OUTPUT_MAX, Dialogue
from qtwisted.wire.pop3_text import Text
from qtwisted.wire.popup import TRIES_MAX, Credentials, Login
from test.kit.pop3 import MESSAGES, lines

OK = b"+OK \r\n"
STAMP = b"<1.2@pop.host>"


class FakeMaildir:
    """Messages in memory, which is both the list and the keeper."""

    def __init__(self, texts: list[tuple[bytes, bytes]], piece: int = 1 << 16) -> None:
        """Take names and texts, and how much is read at a time."""
        self.texts = texts
        self.piece = piece
        self.missing: set[int] = set()
        self.failures = 0
        self.left: bytes | None = None
        self._rest = b""

    def __len__(self) -> int:
        """Count them."""
        return len(self.texts)

    def size(self, at: int) -> int:
        """Say how many bytes one has."""
        return len(self.texts[at][1])

    def name(self, at: int) -> bytes:
        """Give its name."""
        return self.texts[at][0]

    def open(self, at: int) -> bool:
        """Open one that is there."""
        self._rest = self.texts[at][1]
        return at not in self.missing

    def read(self) -> bytes:
        """Read a piece."""
        piece, self._rest = self._rest[: self.piece], self._rest[self.piece :]
        return piece

    def leave(self, deleted: bytearray) -> int:
        """Take note."""
        self.left = bytes(deleted)
        return self.failures


class Talk:
    """A client of a core."""

    def __init__(self, core: Dialogue, maildir: FakeMaildir | None = None) -> None:
        """Begin."""
        self.core = core
        self.maildir = maildir
        self.asked: list[Credentials] = []
        self.most = 0
        self.wait: Wait = DATA
        self.greeting = self.run()

    def run(self) -> bytes:
        """Let the core do what it can; give what it says."""
        output = b""
        while True:
            event = self.core.next()
            said = self.core.take()
            self.most = max(self.most, len(said))
            output += said
            if isinstance(event, Request):
                assert isinstance(self.core, Mailbox) and self.maildir is not None
                self.core.answer(event.put_to(self.maildir))
            elif isinstance(event, Credentials):
                self.asked.append(event)
                self.wait = ANSWER
                return output
            elif event is not SEND:
                assert isinstance(event, Wait)
                self.wait = event
                return output

    def say(self, data: bytes) -> bytes:
        """Send bytes; give the answers."""
        self.core.received(data)
        return self.run()


def cases() -> FakeMaildir:
    """The messages of the cases."""
    return FakeMaildir([(name.partition("/")[2].encode(), text) for name, text, _ in MESSAGES])


def mailbox(maildir: FakeMaildir | None = None) -> Talk:
    """Begin a session."""
    maildir = maildir or cases()
    return Talk(Mailbox(maildir), maildir)


class CaseTests(SynchronousTestCase):
    """The table of cases for qmail-pop3d, on the core."""

    def setUp(self) -> None:
        """Begin a session with the three messages."""
        self.maildir = cases()
        self.talk = mailbox(self.maildir)

    def check(self, said: bytes, *answers: bytes) -> None:
        """One command and the lines of its answer."""
        self.assertEqual(self.talk.say(said + b"\r\n"), lines(*answers))

    def test_p1_greeting(self) -> None:
        """The first line answers the password."""
        self.assertEqual(self.talk.greeting, OK)

    def test_p2_stat(self) -> None:
        """STAT counts messages and bytes."""
        self.check(b"STAT", b"+OK 3 31")

    def test_p3_list(self) -> None:
        """LIST gives sizes, of all or of one."""
        self.check(b"LIST", b"+OK ", b"1 14", b"2 17", b"3 0", b".")
        self.check(b"LIST 2x", b"+OK 2 17")

    def test_p4_uidl(self) -> None:
        """UIDL gives names without what follows the colon."""
        self.check(b"UIDL", b"+OK ", b"1 900.2.h", b"2 1000.1.h", b"3 1100.3.h", b".")
        self.check(b"UIDL 1", b"+OK 1 900.2.h")

    def test_p5_retr(self) -> None:
        """RETR gives lines with CRLF, dots doubled, and one empty line more."""
        self.check(b"RETR 2", b"+OK ", b"S: two", b"", b"..dot", b"last", b"", b".")

    def test_p6_empty(self) -> None:
        """An empty message has that one empty line."""
        self.check(b"RETR 3", b"+OK ", b"", b".")

    def test_p7_top(self) -> None:
        """TOP gives the header and so many lines; RETR with a number does the same."""
        self.check(b"TOP 1 0", b"+OK ", b"S: one", b"", b"", b".")
        self.check(b"TOP 1 1", b"+OK ", b"S: one", b"", b"b1", b"", b".")
        self.check(b"RETR 1 1", b"+OK ", b"S: one", b"", b"b1", b"", b".")
        self.check(b"TOP 1", b"+OK ", b"S: one", b"", b"b1", b"b2", b"", b".")
        self.check(b"TOP 1 junk", b"+OK ", b"S: one", b"", b"b1", b"b2", b"", b".")

    def test_p8_dele(self) -> None:
        """A deleted message is out of the size, out of lists, and cannot be deleted again; LAST tells it."""
        self.check(b"DELE 1", b"+OK ")
        self.check(b"STAT", b"+OK 3 17")
        self.check(b"LIST 1", b"-ERR already deleted")
        self.check(b"DELE 1", b"-ERR already deleted")
        self.check(b"LAST", b"+OK 1")
        self.check(b"LIST", b"+OK ", b"2 17", b"3 0", b".")

    def test_p9_numbers(self) -> None:
        """Numbers are checked in this order: no digits, zero, too large."""
        for verb in (b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE"):
            self.check(verb + b" 0", b"-ERR messages are counted from 1")
            self.check(verb + b" 9", b"-ERR not that many messages")
            self.check(verb + b" 99999999999999999999999999", b"-ERR not that many messages")
            self.check(verb + b" x", b"-ERR syntax error")
            self.check(verb + b" -1", b"-ERR syntax error")
        self.check(b"DELE", b"-ERR syntax error")
        self.check(b"RETR", b"-ERR syntax error")

    def test_p10_rset(self) -> None:
        """RSET forgets everything."""
        self.talk.say(b"DELE 2\r\nDELE 1\r\n")
        self.check(b"LAST", b"+OK 2")
        self.check(b"RSET", b"+OK ")
        self.check(b"LAST", b"+OK 0")
        self.check(b"STAT", b"+OK 3 31")

    def test_p11_quit(self) -> None:
        """QUIT hands over what was deleted, says so, and closes."""
        self.talk.say(b"DELE 1\r\n")
        self.check(b"QUIT", b"+OK ")
        self.assertEqual((self.maildir.left, self.talk.wait), (b"\1\0\0", CLOSE))
        self.assertTrue(self.talk.core.said_goodbye)

    def test_quit_with_failures(self) -> None:
        """Each message that could not be removed is one error before the goodbye."""
        self.maildir.failures = 2
        error = b"-ERR unable to unlink all deleted messages"
        self.check(b"QUIT", error, error, b"+OK ")

    def test_p12_no_quit(self) -> None:
        """A client that just goes has deleted nothing."""
        self.talk.say(b"DELE 1\r\n")
        self.talk.core.lost()
        self.assertIs(self.talk.core.next(), CLOSE)
        self.assertIsNone(self.maildir.left)

    def test_p13_others(self) -> None:
        """Everything else is unimplemented."""
        for said in (b"CAPA", b"USER joe", b"", b" STAT", b"STAT\tx", b"\xff"):
            self.check(said, b"-ERR unimplemented")

    def test_commands_are_read_as_in_qmail(self) -> None:
        """Case does not matter, nor do surplus arguments; a NUL ends the line."""
        self.check(b"noop now", b"+OK ")
        self.check(b"STAT\0QUIT", b"+OK 3 31")
        self.assertEqual(self.talk.say(b"LIST   1\n"), b"+OK 1 14\r\n")

    def test_vanished(self) -> None:
        """A message that cannot be opened any more is an error, and the session goes on."""
        self.maildir.missing.add(1)
        self.check(b"RETR 2", b"-ERR unable to open that message")
        self.check(b"RETR 3", b"+OK ", b"", b".")

    def test_top_limits(self) -> None:
        """A negative number of lines is an error; a huge one means all."""
        self.check(b"TOP 1 -1", b"-ERR syntax error")
        self.check(b"TOP 1 999999999999", b"+OK ", b"S: one", b"", b"b1", b"b2", b"", b".")


class DialogueTests(SynchronousTestCase):
    """One question at a time, bounded memory, any cut of the input."""

    def test_question(self) -> None:
        """While an event is unanswered nothing more is read."""
        core = Mailbox(cases())
        core.received(b"RETR 1\r\nSTAT\r\n")
        self.assertIsInstance(core.next(), Open)
        self.assertIs(core.next(), ANSWER)
        core.answer(True)
        self.assertIsInstance(core.next(), Read)
        core.answer(b"")
        self.assertIs(core.next(), DATA)
        self.assertTrue(core.take().endswith(b".\r\n+OK 3 31\r\n"))

    def test_answer_that_comes_too_late(self) -> None:
        """An answer after the client has gone changes nothing."""
        core = Mailbox(cases())
        core.received(b"QUIT\r\n")
        self.assertIsInstance(core.next(), Leave)
        core.lost()
        core.answer(0)
        self.assertEqual((core.next(), core.take()), (CLOSE, OK))

    @given(some.lists(some.integers(min_value=1, max_value=9)))
    @settings(max_examples=60, derandomize=True, deadline=None)
    def test_cut_anywhere(self, cuts: list[int]) -> None:
        """However the input is cut, the answers are the same."""
        said = b"STAT\r\nUIDL\r\nTOP 2 1\r\nDELE 3\nRETR 1\r\nLIST\r\nQUIT\r\n"
        whole, cut = mailbox(), mailbox()
        answers, at = b"", 0
        for length in cuts:
            answers += cut.say(said[at : at + length])
            at += length
        self.assertEqual(answers + cut.say(said[at:]), whole.say(said))

    def test_long_lists_come_in_parts(self) -> None:
        """What is unsent stays small, however many messages are listed and commands sent ahead."""
        maildir = FakeMaildir([(b"%d.x.host" % at, b"") for at in range(20000)])
        talk = mailbox(maildir)
        answer = talk.say(b"UIDL\r\n" + b"LIST\r\n" * 3)
        self.assertEqual(answer.count(b"\r\n"), 4 * 20002)
        self.assertLess(talk.most, 3 * OUTPUT_MAX)

    def test_messages_pass_in_pieces(self) -> None:
        """A message is never whole in memory."""
        talk = mailbox(FakeMaildir([(b"x", b"\n.\n" * 300000)], piece=32768))
        self.assertEqual(len(talk.say(b"RETR 1\r\n")), len(OK) + 300000 * 6 + len(b"\r\n.\r\n"))
        self.assertLess(talk.most, 5 * 32768)

    def test_long_line(self) -> None:
        """A line that is too long is refused when its end comes, and the session goes on."""
        talk = mailbox()
        self.assertEqual(talk.say(b"LIST " + b"1" * LINE_MAX), b"")
        self.assertEqual(talk.say(b"\r\nNOOP\r\n"), b"-ERR line too long\r\n" + OK)

    def test_endless_line(self) -> None:
        """A line without an end closes the session."""
        talk = mailbox()
        output = b""
        for _ in range(LINE_PATIENCE // 65536 + 2):
            output += talk.say(b"x" * 65536)
        self.assertEqual((output, talk.wait), (b"-ERR line too long\r\n", CLOSE))


class TextTests(SynchronousTestCase):
    """How messages look."""

    def shown(self, *pieces: bytes, wanted: int | None = None) -> bytes:
        """Convert a message in these pieces."""
        text = Text(wanted)
        return b"".join(map(text.convert, pieces)) + text.finish()

    def test_carriage_returns_stay(self) -> None:
        """A CR in the file is passed on, in a CRLF too."""
        self.assertEqual(self.shown(b"a\r\nb\rc\n"), b"a\r\r\nb\rc\r\n\r\n.\r\n")

    def test_bytes_stay(self) -> None:
        """Every byte but LF and a dot at the beginning of a line is itself."""
        data = bytes(byte for byte in range(256) if byte != 10)
        self.assertEqual(self.shown(data), data + b"\r\n\r\n.\r\n")

    def test_dot_alone(self) -> None:
        """A line that is a dot does not end the reply."""
        self.assertEqual(self.shown(b".\n..\n."), b"..\r\n...\r\n..\r\n\r\n.\r\n")

    def test_header_only(self) -> None:
        """A message without an empty line is all header."""
        self.assertEqual(self.shown(b"a\nb\n", wanted=0), b"a\r\nb\r\n\r\n.\r\n")

    def test_complete(self) -> None:
        """As soon as nothing more is wanted, nothing more needs to be read."""
        text = Text(1)
        text.convert(b"a\n\nb\n")
        self.assertFalse(text.is_complete)
        self.assertEqual(text.convert(b"c\n"), b"")
        self.assertTrue(text.is_complete)

    @given(some.text(alphabet="a.\n\r", max_size=40).map(str.encode), some.integers(0, 40),
           some.none() | some.integers(0, 4))
    @settings(max_examples=300, derandomize=True, deadline=None)
    def test_cut_anywhere(self, data: bytes, at: int, wanted: int | None) -> None:
        """However the message is cut, it looks the same, and as line by line."""
        shown = self.shown(data[:at], data[at:], wanted=wanted)
        self.assertEqual(shown, self.shown(data, wanted=wanted))
        self.assertEqual(shown, self.line_by_line(data, wanted))

    def line_by_line(self, data: bytes, wanted: int | None) -> bytes:
        """Do it the slow way."""
        output, in_header = b"", True
        for line in data.splitlines(keepends=True) if b"\r" not in data else _split(data):
            line = line.removesuffix(b"\n")
            if not in_header and wanted is not None:
                if not wanted:
                    break
                wanted -= 1
            in_header = in_header and bool(line)
            output += (b"." if line.startswith(b".") else b"") + line + b"\r\n"
        return output + b"\r\n.\r\n"


def _split(data: bytes) -> list[bytes]:
    """Split at LF only."""
    parts = data.split(b"\n")
    return parts if parts[-1] else parts[:-1]


class UniqueIdTests(SynchronousTestCase):
    """Unique-ids are safe."""

    def test_usual(self) -> None:
        """A usual name is its own unique-id, up to the colon."""
        self.assertEqual(unique_id(b"1000.1.h:2,S"), b"1000.1.h")

    def test_unusual(self) -> None:
        """A byte that could end the line or the field is written as hexadecimal digits."""
        self.assertEqual(unique_id(b"a\nb c\xff"), b"a=0Ab=20c=FF")

    def test_nothing_before_the_colon(self) -> None:
        """A unique-id is never empty."""
        self.assertEqual(unique_id(b":2,"), b":2,")

    @given(some.binary(min_size=1, max_size=80))
    @settings(max_examples=200, derandomize=True, deadline=None)
    def test_always_printable(self, name: bytes) -> None:
        """Whatever the name, the unique-id is printable and not empty."""
        uid = unique_id(name)
        self.assertTrue(uid and all(33 <= byte <= 126 for byte in uid))


class NumberTests(SynchronousTestCase):
    """Numbers in arguments."""

    def test_numbers(self) -> None:
        """Leading digits count, what follows is given back, and nothing overflows."""
        self.assertEqual(number_of(b"2x 3"), (2, b"x 3"))
        self.assertEqual(number_of(b"x"), (None, b"x"))
        self.assertEqual(number_of(b"007"), (7, b""))
        self.assertEqual(number_of(b"0"), (0, b""))
        self.assertGreater(number_of(b"9" * 5000)[0] or 0, 10**17)


class LoginTests(SynchronousTestCase):
    """The dialogue of qmail-popup, on the core."""

    def setUp(self) -> None:
        """Begin."""
        self.talk = Talk(Login(STAMP))

    def test_u1_greeting(self) -> None:
        """The greeting has the stamp."""
        self.assertEqual(self.talk.greeting, b"+OK <1.2@pop.host>\r\n")

    def test_u2_order(self) -> None:
        """USER comes before PASS; both want an argument; before login there is nothing else."""
        said = lines(b"PASS x", b"USER", b"USER a", b"PASS", b"STAT", b"NOOP", b"QUIT", b"USER b")
        self.assertEqual(self.talk.say(said), lines(
            b"-ERR USER first", b"-ERR syntax error", b"+OK ", b"-ERR syntax error", b"-ERR authorization first",
            b"+OK ", b"+OK "))
        self.assertIs(self.talk.wait, CLOSE)
        self.assertTrue(self.talk.core.said_goodbye)

    def asked(self, said: bytes) -> tuple[bytes, bytes, bytes]:
        """Log in; give what is asked."""
        self.talk.say(said)
        (event,) = self.talk.asked
        return event.login, event.password, event.stamp

    def test_u3_pass(self) -> None:
        """Name and password are whole arguments, blanks included; the last USER counts."""
        self.assertEqual(self.asked(b"USER x\r\nUSER j oe\r\nPASS se cret \r\n"), (b"j oe", b"se cret ", STAMP))

    def test_u4_apop(self) -> None:
        """APOP parts its argument at the first blank."""
        self.assertEqual(self.asked(b"APOP joe 0123 x\r\n"), (b"joe", b"0123 x", STAMP))

    def test_u5_apop_alone(self) -> None:
        """APOP without a blank is an error."""
        self.assertEqual(self.talk.say(b"APOP joe\r\n"), b"-ERR syntax error\r\n")

    def test_rest(self) -> None:
        """What comes behind the credentials can be taken for the session."""
        self.asked(b"USER a\r\nPASS b\r\nSTAT\r\nQU")
        core = self.talk.core
        assert isinstance(core, Login)
        self.assertEqual(core.rest(), b"STAT\r\nQU")

    def test_answer(self) -> None:
        """After the one attempt the dialogue is over."""
        self.asked(b"APOP a b\r\nNOOP\r\n")
        core = self.talk.core
        assert isinstance(core, Login)
        core.answer(b"-ERR authorization failed\r\n")
        self.assertEqual((self.talk.run(), self.talk.wait), (b"-ERR authorization failed\r\n", CLOSE))

    def test_too_many_commands(self) -> None:
        """Whoever talks on and on without logging in is cut off."""
        answer = self.talk.say(b"NOOP\r\n" * (TRIES_MAX + 5))
        self.assertEqual((answer, self.talk.wait), (OK * TRIES_MAX, CLOSE))
