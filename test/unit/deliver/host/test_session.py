"""Tests: qtwisted.deliver.host.session: time limits and back-pressure, with a server in memory."""

from __future__ import annotations

import io
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.session import PIECE, Session
from qtwisted.wire.smtp_client import Outcome, SmtpClient, Step, Transaction, Trouble
from test.kit.smtp_peer import CLOSE, Line, Network, Script

ONE = Transaction(b"s@x", (b"r@d",))


class SessionCase(SynchronousTestCase):
    """Has one session with one server."""

    def connect(self, window: int | None = None, patience: float = 1200, **replies: Any) -> None:
        """Connect; ``window`` is how much the server takes before it stops reading."""
        self.reactor: Any = Network()
        self.script = Script(**replies)
        self.session = Session(self.reactor, SmtpClient(b"h"), patience)
        self.line = Line(self.reactor, self.script, window)
        self.line.connect(self.session)

    def send(self, message: bytes = b"hi\n") -> Deferred[Outcome]:
        """Send a message."""
        self.body = io.BytesIO(message)
        sending = self.session.send(ONE, self.body)
        self.reactor.settle()
        return sending

    def check_limit(self, sending: Deferred[Outcome], limit: float, step: Step, trouble: Trouble) -> None:
        """The session is given up after so many seconds, and not before."""
        self.reactor.advance(limit - 1)
        self.assertNoResult(sending)
        self.reactor.advance(1)
        outcome = self.successResultOf(sending)
        self.assertEqual((outcome.step, outcome.trouble), (step, trouble))
        self.assertTrue(self.line.aborted)
        self.reactor.settle()
        self.successResultOf(self.session.closed)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class LimitTests(SessionCase):
    """A server that hangs is given up, at every step."""

    STEPS = (
        ("greeting", 300, Step.GREETING), ("ehlo", 300, Step.HELLO), ("mail", 300, Step.MAIL),
        ("rcpt", 300, Step.RECIPIENTS), ("data", 120, Step.DATA))

    def test_silence(self) -> None:
        """Each step has its limit."""
        for name, limit, step in self.STEPS:
            self.connect(**{name: None})
            self.check_limit(self.send(), limit, step, Trouble.DIED)

    def test_silence_after_helo(self) -> None:
        """HELO has its limit, too."""
        self.connect(ehlo=b"502 x\r\n", helo=None)
        self.check_limit(self.send(), 300, Step.HELLO, Trouble.DIED)

    def test_silence_after_the_message(self) -> None:
        """After the message ten minutes are given; then there may be a duplicate."""
        self.connect(dot=None)
        self.check_limit(self.send(), 600, Step.MESSAGE, Trouble.DIED_UNANSWERED)

    def test_late_answer(self) -> None:
        """An answer after 9 minutes and 59 seconds counts."""
        self.connect(dot=None)
        sending = self.send()
        self.reactor.advance(599)
        self.line.say(b"250 at last\r\n")
        self.assertTrue(self.successResultOf(sending).accepted)

    def test_shorter_patience(self) -> None:
        """control/timeoutremote can make every limit shorter, down to nothing."""
        for patience in (7, 1):
            for name, _, step in self.STEPS:
                self.connect(patience=patience, **{name: None})
                self.check_limit(self.send(), patience, step, Trouble.DIED)
        self.connect(patience=0, greeting=None)
        self.assertEqual(self.successResultOf(self.send()).trouble, Trouble.DIED)

    def test_dripping_reply(self) -> None:
        """The limit is for the whole reply, not for each byte of it."""
        self.connect(mail=None)
        sending = self.send()
        for _ in range(299):
            self.reactor.advance(1)
            self.line.say(b"2")
        self.assertNoResult(sending)
        self.reactor.advance(1)
        self.assertEqual(self.successResultOf(sending).trouble, Trouble.DIED)

    def test_server_stops_reading(self) -> None:
        """A server that stops reading in the middle of the message is given up after three minutes."""
        self.connect(window=200000)
        self.check_limit(self.send(b"x" * 76 * 10000), 180, Step.MESSAGE, Trouble.DIED)

    def test_slow_server(self) -> None:
        """A server that takes a byte a second does not keep us for days."""
        self.connect(window=200)
        sending = self.send(b"x" * 10_000_000)
        for _ in range(400):
            self.reactor.advance(1)
            self.line.open_window(1)
        self.assertEqual(self.successResultOf(sending).trouble, Trouble.DIED)

    def test_rather_slow_server(self) -> None:
        """A server that always takes a piece in time must still take 500 bytes a second on the whole."""
        self.connect(window=200)
        sending = self.send(b"x" * 10_000_000)
        pieces = 0
        while not sending.called:
            self.reactor.advance(150)
            self.line.open_window(PIECE)
            self.reactor.settle()
            pieces += 1
        self.assertEqual(self.successResultOf(sending).trouble, Trouble.DIED)
        self.assertTrue(2 <= pieces <= 6, pieces)

    def test_quit_is_not_waited_for(self) -> None:
        """A server that does not answer QUIT, or does not even read it, keeps nobody."""
        self.connect(quit=None)
        self.successResultOf(self.send())
        self.session.quit()
        self.reactor.settle()
        self.successResultOf(self.session.closed)
        self.connect(window=53)
        sending = self.send()
        self.assertTrue(self.successResultOf(sending).accepted)
        self.session.quit()
        self.reactor.settle()
        self.assertNoResult(self.session.closed)
        self.reactor.advance(10)
        self.reactor.settle()
        self.successResultOf(self.session.closed)

    def test_no_limit_when_idle(self) -> None:
        """Between two messages there is no limit."""
        self.connect()
        self.successResultOf(self.send())
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class PressureTests(SessionCase):
    """The message is read no faster than it is sent."""

    def test_read_in_pieces(self) -> None:
        """While the server does not read, one piece is in memory."""
        self.connect(window=70)
        self.send(b"x" * 10 * PIECE)
        self.assertEqual(self.body.tell(), PIECE)
        self.assertLessEqual(len(self.line.unsent), PIECE)
        self.line.open_window(PIECE)
        self.reactor.settle()
        self.assertEqual(self.body.tell(), 2 * PIECE)

    def test_small_message_in_one_piece(self) -> None:
        """A small message and its final dot go out together."""
        self.connect(window=46)
        self.send(b"small\n")
        self.assertEqual(self.line.unsent, b"small\r\n.\r\n")

    def test_exactly_one_piece(self) -> None:
        """Messages as long as a piece, and about that, arrive whole."""
        for size in (PIECE - 1, PIECE, PIECE + 1, 2 * PIECE):
            self.connect()
            self.assertTrue(self.successResultOf(self.send(b"x" * (size - 1) + b"\n")).accepted)
            self.assertEqual(len(self.script.body), size + 1)

    def test_empty_message(self) -> None:
        """An empty message arrives empty."""
        self.connect()
        self.assertTrue(self.successResultOf(self.send(b"")).accepted)
        self.assertEqual(self.script.body, b"")

    def test_lost_in_the_message(self) -> None:
        """If the server goes while it is sent to, nothing is read any more."""
        self.connect(window=100)
        sending = self.send(b"x" * 10 * PIECE)
        self.line.say(CLOSE)
        self.assertEqual(self.successResultOf(sending).trouble, Trouble.DIED)
        self.reactor.settle()
        self.assertEqual(self.body.tell(), PIECE)

    def test_send_to_a_session_that_is_over(self) -> None:
        """A message for a connection that was lost meanwhile is put off."""
        self.connect()
        self.successResultOf(self.send())
        self.line.say(CLOSE)
        outcome = self.successResultOf(self.session.send(ONE, io.BytesIO(b"")))
        self.assertEqual(outcome.trouble, Trouble.DIED)
        self.assertFalse(outcome.accepted)

    def test_send_to_a_server_that_turned_us_away(self) -> None:
        """What a server said before there was a message is the outcome of that message."""
        self.connect(greeting=b"554 no\r\n")
        self.reactor.settle()
        outcome = self.successResultOf(self.session.send(ONE, io.BytesIO(b"")))
        self.assertEqual((outcome.step, outcome.trouble), (Step.GREETING, None))

    def test_server_that_speaks_when_all_is_ready(self) -> None:
        """A word too many right before the message was to be sent ends the message's wait, too."""
        self.connect(ehlo=b"250 ok\r\n2")
        self.assertEqual(self.successResultOf(self.send()).trouble, Trouble.DIED)
