"""The driver of a server core on Twisted: back-pressure, time, and how a connection ends."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.deadlines import Deadlines
from qtwisted.accept.session import LINGER_FOR, Session
from qtwisted.model.reply import Reply
from qtwisted.wire.dialogue import LATER, Later
from qtwisted.wire.smtp_events import Receiver
from qtwisted.wire.smtp_server import SmtpServer
from qtwisted.wire.smtp_verbs import Settings

ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"
TIMEOUT = b"451 timeout (#4.4.2)\r\n"


class Transport(StringTransport):
    """A TCP connection in memory: can be closed by halves, and may be full."""

    def __init__(self) -> None:
        """Begin open and empty."""
        super().__init__()
        self.writes: list[bytes] = []
        self.room = 1 << 30
        self.half_closed = False

    def write(self, data: bytes) -> None:
        """Take the bytes; ask for a pause where they are more than there is room for."""
        self.writes.append(data)
        super().write(data)
        self.room -= len(data)
        if self.room < 0 and self.producer is not None:
            self.producer.pauseProducing()

    def loseWriteConnection(self) -> None:
        """End what we send."""
        self.half_closed = True

    @property
    def is_paused(self) -> bool:
        """Is nothing read?"""
        return bool(self.producerState == "paused")


class Slow(Receiver):
    """Takes mail, and answers about messages when it is told to."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.pieces: list[bytes] = []
        self.calls: list[str] = []
        self.holds_at_pieces = False

    def body_piece(self, data: bytes) -> None:
        """Collect, and hold if wanted."""
        self.pieces.append(data)
        if self.holds_at_pieces:
            self.line.hold()

    def body_end(self) -> Later:
        """Put the answer off."""
        self.calls.append("end")
        return LATER

    def body_void(self) -> None:
        """Remember."""
        self.calls.append("void")

    def closed(self) -> None:
        """Remember."""
        self.calls.append("closed")


class SessionCase(SynchronousTestCase):
    """A session in memory."""

    def setUp(self) -> None:
        """Begin a session."""
        self.clock = Clock()
        self.receiver = Slow()
        self.ended: list[Session] = []
        self.begin()

    def begin(self, deadlines: Deadlines | None = None) -> None:
        """Begin a session with these deadlines."""
        self.session = Session(
            SmtpServer(Settings(b"mx", idle_commands=0, errors=0)),
            self.receiver,
            self.clock,
            deadlines or Deadlines(1200, 300, 500),
            self.ended.append,
        )
        self.transport = Transport()
        self.session.makeConnection(self.transport)
        self.transport.clear()

    def say(self, data: bytes) -> bytes:
        """Send bytes and give what is answered."""
        self.transport.clear()
        self.session.dataReceived(data)
        return bytes(self.transport.value())

    def lose(self) -> None:
        """The connection is gone."""
        self.session.connectionLost(Failure(ConnectionDone()))


class ReplyTests(SessionCase):
    """When replies go out."""

    def test_one_write_for_one_segment(self) -> None:
        """All replies to one segment leave together."""
        self.transport.writes.clear()
        self.session.dataReceived(b"NOOP\r\nRSET\r\n" + ENVELOPE)
        self.assertEqual(self.transport.writes, [b"250 ok\r\n250 flushed\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n"])

    def test_nothing_to_say(self) -> None:
        """Where there is nothing to say, nothing is written."""
        self.transport.writes.clear()
        self.session.dataReceived(b"NOO")
        self.assertEqual(self.transport.writes, [])


class LaterTests(SessionCase):
    """Answers that are put off."""

    def test_commands_wait_for_the_answer(self) -> None:
        """What was sent ahead is answered after the message is, in order."""
        self.assertEqual(self.say(ENVELOPE + b".\r\nNOOP\r\n"), b"250 ok\r\n250 ok\r\n354 go ahead\r\n")
        self.transport.clear()
        self.session.answer(Reply(250, b"done"))
        self.assertEqual(self.transport.value(), b"250 done\r\n250 ok\r\n")

    def test_reading_pauses_only_when_more_comes(self) -> None:
        """While an answer is awaited reading goes on until something comes, then it stops; then it goes on."""
        self.say(ENVELOPE + b".\r\n")
        self.assertFalse(self.transport.is_paused)
        self.assertEqual(self.say(b"NOOP\r\n"), b"")
        self.assertTrue(self.transport.is_paused)
        self.session.answer(None)
        self.assertFalse(self.transport.is_paused)
        self.assertEqual(self.transport.value(), b"250 ok\r\n250 ok\r\n")

    def test_answer_from_within_the_question(self) -> None:
        """A receiver may put the answer off and give it before the method returns."""

        class Hasty(Slow):
            """Answers at once by the line."""

            def body_end(self) -> Later:
                """Answer, then say that the answer comes later."""
                self.line.answer(Reply(250, b"quick"))
                return LATER

        self.receiver = Hasty()
        self.begin()
        self.assertTrue(self.say(ENVELOPE + b".\r\nNOOP\r\n").endswith(b"250 quick\r\n250 ok\r\n"))

    def test_client_goes_while_we_think(self) -> None:
        """An answer for a client that is gone disturbs nobody; the message is not void."""
        self.say(ENVELOPE + b".\r\n")
        self.lose()
        self.session.answer(Reply(250, b"done"))
        self.assertEqual(self.receiver.calls, ["end", "closed"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_thinking_takes_no_time_of_the_client(self) -> None:
        """However long an answer takes, the client is not cut off for it."""
        self.say(ENVELOPE + b".\r\n")
        for _ in range(20):
            self.clock.advance(250)
        self.session.answer(None)
        self.assertEqual(self.say(b"NOOP\r\n"), b"250 ok\r\n")


class HoldTests(SessionCase):
    """A receiver that cannot keep up."""

    def test_hold_and_go_on(self) -> None:
        """After hold no further piece comes and reading stops; after go_on it all goes on."""
        self.receiver.holds_at_pieces = True
        self.say(ENVELOPE + b"one\r\n")
        self.assertEqual(self.say(b"two\r\n"), b"")
        self.assertEqual(self.receiver.pieces, [b"one"])
        self.assertTrue(self.transport.is_paused)
        self.receiver.holds_at_pieces = False
        self.session.go_on()
        self.assertEqual(b"".join(self.receiver.pieces), b"one\ntwo")
        self.assertFalse(self.transport.is_paused)

    def test_output_leaves_while_held(self) -> None:
        """What was answered before the hold is sent."""
        self.receiver.holds_at_pieces = True
        self.assertEqual(self.say(ENVELOPE + b"one\r\n"), b"250 ok\r\n250 ok\r\n354 go ahead\r\n")

    def test_lost_while_held(self) -> None:
        """A client that goes while we hold leaves a void message."""
        self.receiver.holds_at_pieces = True
        self.say(ENVELOPE + b"one\r\n")
        self.lose()
        self.assertEqual(self.receiver.calls, ["void", "closed"])


class StallTests(SessionCase):
    """A client that does not read."""

    def test_output_is_bounded(self) -> None:
        """S52: a client that asks without reading finds us silent before 256 KB are unsent, and is not read."""
        self.transport.room = 65536
        for _ in range(100):
            if self.transport.is_paused:
                break
            self.session.dataReceived(b"EHLO x\r\n" * 8000)
        self.assertTrue(self.transport.is_paused)
        self.assertLess(len(self.transport.value()), 128 * 1024)

    def test_goes_on_when_output_is_taken(self) -> None:
        """When the client reads, everything is answered."""
        self.transport.room = 65536
        self.session.dataReceived(b"EHLO x\r\n" * 8000)
        while self.transport.room < 0:
            self.transport.room = 65536
            self.session.resumeProducing()
        self.assertEqual(self.transport.value().count(b"250 8BITMIME"), 8000)
        self.session.dataReceived(b"NOOP\r\n")
        self.assertTrue(self.transport.value().endswith(b"250 ok\r\n"))

    def test_cut_off(self) -> None:
        """A client that never reads is cut off without a word."""
        self.transport.room = 65536
        self.session.dataReceived(b"EHLO x\r\n" * 8000)
        self.clock.advance(299)
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(2)
        self.clock.advance(299)
        self.assertTrue(self.transport.disconnected)


class TimeTests(SessionCase):
    """Clients that are too slow."""

    def test_silent_client(self) -> None:
        """A client may be silent for timeoutsmtpd, then it hears of it."""
        for _ in range(4):
            self.clock.advance(299.9)
        self.assertEqual(self.transport.value(), b"")
        self.clock.advance(1)
        self.assertEqual(self.transport.value(), TIMEOUT)
        self.assertTrue(self.transport.half_closed)

    def test_short_timeout(self) -> None:
        """S31: with timeoutsmtpd 1 silence ends after a second."""
        self.lose()
        self.begin(Deadlines(1, 300, 500))
        self.clock.advance(1)
        self.assertEqual(self.transport.value(), TIMEOUT)

    def test_slow_command(self) -> None:
        """S53: a command that comes byte by byte must be complete after 300 seconds."""
        for _ in range(5):
            self.clock.advance(60)
            self.assertEqual(self.say(b"N"), b"")
        self.clock.advance(59)
        self.assertEqual(self.transport.value(), b"")
        self.clock.advance(1)
        self.assertEqual(self.transport.value(), TIMEOUT)

    def test_slow_message(self) -> None:
        """A message below the minimum rate is void after its time."""
        self.say(ENVELOPE)
        for _ in range(5):
            self.clock.advance(60)
            self.say(b"x")
        self.clock.advance(1)
        self.assertEqual((self.transport.value(), self.receiver.calls), (TIMEOUT, ["void"]))

    def test_long_message(self) -> None:
        """A message above the minimum rate may take as long as it wants."""
        self.say(ENVELOPE)
        for _ in range(100):
            self.clock.advance(60)
            self.assertEqual(self.say(b"x" * 30000), b"")
        self.say(b"\r\n.\r\n")
        self.assertEqual(self.receiver.calls, ["end"])

    def test_one_timer(self) -> None:
        """A session has one delayed call, whatever it does, and none in the end."""
        for data in (b"NOOP\r\n", ENVELOPE, b"x\r\n", b".\r\n"):
            self.say(data)
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class EndTests(SessionCase):
    """How connections end."""

    def test_quit(self) -> None:
        """After QUIT the connection is closed at once."""
        self.assertEqual(self.say(b"QUIT\r\nNOOP\r\n"), b"221 mx\r\n")
        self.assertTrue(self.transport.disconnecting)
        self.assertIsNone(self.transport.producer)

    def test_last_words_can_be_read(self) -> None:
        """Where we end the session, only our half is closed; what still comes is thrown away, for a while."""
        self.say(ENVELOPE + b"bare\nlf")
        self.assertTrue(self.transport.half_closed)
        self.assertFalse(self.transport.disconnecting)
        self.assertEqual(self.say(b"more\r\n.\r\nNOOP\r\n"), b"")
        self.session.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)

    def test_lingering_ends(self) -> None:
        """A client that does not go after our last words is cut off."""
        self.say(ENVELOPE + b"bare\nlf")
        self.clock.advance(LINGER_FOR)
        self.assertTrue(self.transport.disconnected)

    def test_no_half_close(self) -> None:
        """Where the transport cannot be closed by halves it is closed."""
        self.lose()
        self.transport = StringTransport()  # type: ignore[assignment]
        self.session = Session(SmtpServer(Settings(b"mx")), self.receiver, self.clock)
        self.session.makeConnection(self.transport)
        self.say(ENVELOPE + b"bare\nlf")
        self.assertTrue(self.transport.disconnecting)

    def test_client_says_all_and_closes_its_half(self) -> None:
        """A client that has sent everything and closed its half still gets every answer."""
        self.say(ENVELOPE + b".\r\nNOOP\r\n")
        self.session.readConnectionLost()
        self.assertFalse(self.transport.disconnecting)
        self.transport.clear()
        self.session.answer(Reply(250, b"done"))
        self.assertEqual(self.transport.value(), b"250 done\r\n250 ok\r\n")
        self.assertTrue(self.transport.disconnecting)

    def test_end_of_input_in_a_message(self) -> None:
        """S35: a client that ends in the middle of a message gets no answer, and nothing is left."""
        self.say(ENVELOPE + b"half")
        self.transport.clear()
        self.session.readConnectionLost()
        self.assertEqual((self.transport.value(), self.receiver.calls), (b"", ["void"]))
        self.assertTrue(self.transport.disconnecting)

    def test_lost(self) -> None:
        """A lost connection voids the message and is told to the receiver and to who keeps the session."""
        self.say(ENVELOPE + b"half")
        self.lose()
        self.assertEqual((self.receiver.calls, self.ended), (["void", "closed"], [self.session]))


class LeaveTests(SessionCase):
    """When we have to go."""

    def test_idle_client(self) -> None:
        """A client without a transaction is sent away at once."""
        self.session.leave()
        self.assertEqual(self.transport.value(), b"421 4.3.2 shutting down\r\n")
        self.assertTrue(self.transport.disconnecting)

    def test_transaction_ends_first(self) -> None:
        """A transaction under way comes to its end, answer included."""
        self.say(ENVELOPE)
        self.session.leave()
        self.assertEqual(self.say(b"x\r\n.\r\n"), b"")
        self.session.answer(Reply(250, b"done"))
        self.assertEqual(self.transport.value(), b"250 done\r\n421 4.3.2 shutting down\r\n")
        self.assertTrue(self.transport.disconnecting)

    def test_shut_down(self) -> None:
        """In the end nobody is waited for; a message under way is void."""
        self.say(ENVELOPE + b"x")
        self.session.shut_down()
        self.assertEqual(self.receiver.calls, ["void"])
        self.assertTrue(self.transport.value().endswith(b"421 4.3.2 shutting down\r\n"))
        self.session.shut_down()
        self.lose()
