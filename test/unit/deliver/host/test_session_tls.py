"""Tests: qtwisted.deliver.host.session: handshakes, and what is said of a message in advance."""

from __future__ import annotations

import io
import os
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.session import PIECE, IBody, Session
from qtwisted.trust.tls import NotTrusted
from qtwisted.wire.smtp_client import Outcome, SmtpClient, Step, Tls, Transaction, Trouble
from test.kit.smtp_peer import Line, Network, Script

ONE = Transaction(b"s@x", (b"r@d",))
OFFER = b"250-server\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n"


class PaperHandshake:
    """A handshake whose result the test decides."""

    def __init__(self, refusal: bytes | None = None) -> None:
        """Succeed, or refuse with these words."""
        self.refusal = refusal
        self.remembered = 0

    def completed(self) -> bytes:
        """Say how the connection is protected."""
        if self.refusal is not None:
            raise NotTrusted(self.refusal)
        return b"paper"

    def why(self, trouble: object) -> bytes:
        """Say why it failed."""
        return b"torn: " + type(trouble).__name__.encode()

    def remember(self) -> None:
        """Count."""
        self.remembered += 1


class PaperLine(Line):
    """A line that can be wrapped in paper."""

    wrapped: Any = None

    def startTLS(self, creator: Any) -> None:
        """Note what to wrap it in."""
        self.wrapped = creator


class SessionCase(SynchronousTestCase):
    """Has one session with one server."""

    def connect(self, handshake: Any = None, tls: Tls = Tls.IF_OFFERED, **replies: Any) -> None:
        """Connect."""
        self.reactor: Any = Network()
        self.script = Script(**replies)
        self.handshake = handshake
        self.session = Session(self.reactor, SmtpClient(b"h", tls=tls), handshake=handshake)
        self.line = PaperLine(self.reactor, self.script, None)
        self.line.connect(self.session)
        self.reactor.settle()

    def send(self, body: IBody) -> Deferred[Outcome]:
        """Send a message."""
        sending = self.session.send(ONE, body)
        self.reactor.settle()
        return sending


class HandshakeTests(SessionCase):
    """TLS is put on the line when the core wants it, and must come to an end."""

    STARTTLS = {"ehlo": [b"250-s\r\n250 STARTTLS\r\n", b"250 s\r\n"], "starttls": b"220 go\r\n"}

    def test_success(self) -> None:
        """After the handshake the session goes on, and it is remembered once at the end."""
        self.connect(PaperHandshake(), **self.STARTTLS)
        self.assertIs(self.line.wrapped, self.handshake)
        self.assertNoResult(self.session.opened)
        self.session.handshakeCompleted()
        self.reactor.settle()
        self.assertIsNone(self.successResultOf(self.session.opened))
        outcome = self.successResultOf(self.send(io.BytesIO(b"hi\n")))
        self.assertEqual((outcome.accepted, outcome.security), (True, b"paper"))
        self.session.quit()
        self.reactor.settle()
        self.assertEqual(self.handshake.remembered, 1)

    def test_too_slow(self) -> None:
        """A handshake has 30 seconds, however the server drips."""
        for tls in (Tls.IF_OFFERED, Tls.AT_ONCE):
            self.connect(PaperHandshake(), tls, **(self.STARTTLS if tls is Tls.IF_OFFERED else {"greeting": None}))
            self.reactor.pump([1] * 29)
            self.assertNoResult(self.session.opened)
            self.reactor.advance(1)
            outcome = self.successResultOf(self.session.opened)
            self.assertEqual(outcome.trouble, Trouble.NOT_SECURED)
            self.assertEqual(outcome.security, b"the handshake took too long")
            self.assertTrue(self.line.aborted)
            self.reactor.settle()
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_not_trusted(self) -> None:
        """If the handshake proves too little nothing more is said."""
        self.connect(PaperHandshake(b"not you"), **self.STARTTLS)
        self.session.handshakeCompleted()
        self.reactor.settle()
        outcome = self.successResultOf(self.session.opened)
        self.assertEqual((outcome.step, outcome.trouble), (Step.HELLO, Trouble.NOT_SECURED))
        self.assertEqual(outcome.security, b"not you")
        self.assertEqual(self.script.heard, [b"EHLO h", b"STARTTLS"])
        self.assertTrue(self.line.aborted)

    def test_torn(self) -> None:
        """If the connection ends in the handshake the reason is told."""
        for trouble, why in ((ConnectionLost(), b"torn: ConnectionLost"), (SSL.Error([]), b"torn: Error")):
            self.connect(PaperHandshake(), **self.STARTTLS)
            self.session.connectionLost(Failure(trouble))
            self.assertEqual(self.successResultOf(self.session.opened).security, why)

    def test_no_handshake(self) -> None:
        """A core that wants TLS where there is none to be had does not go on in clear."""
        self.connect(None, **self.STARTTLS)
        self.assertEqual(self.successResultOf(self.session.opened).trouble, Trouble.NOT_SECURED)
        self.assertEqual(self.script.heard, [b"EHLO h", b"STARTTLS"])

    def test_late_completion(self) -> None:
        """A handshake that ends after its time changes nothing."""
        self.connect(PaperHandshake(), **self.STARTTLS)
        self.reactor.advance(30)
        self.session.handshakeCompleted()
        self.reactor.settle()
        self.assertEqual(self.script.heard, [b"EHLO h", b"STARTTLS"])

    def test_words_before_the_handshake(self) -> None:
        """What follows the 220 in the same segment is never heard under TLS: the line is not even wrapped."""
        self.connect(PaperHandshake(), **{**self.STARTTLS, "starttls": b"220 go\r\n250 AUTH PLAIN\r\n"})
        self.assertEqual(self.successResultOf(self.session.opened).trouble, Trouble.SPOKE_EARLY)
        self.assertIsNone(self.line.wrapped)


class Dribble(io.BytesIO):
    """Gives a byte at a time, and perhaps an error at the end."""

    def __init__(self, text: bytes, breaks: bool = False) -> None:
        """Hold the text."""
        super().__init__(text)
        self._breaks = breaks

    def read(self, size: int | None = -1, /) -> bytes:
        """Read one byte."""
        piece = super().read(1)
        if not piece and self._breaks:
            raise OSError(5, "broken")
        return piece


class AdvanceTests(SessionCase):
    """What the server is told of the message in advance."""

    def mail(self, body: IBody, offer: bytes = OFFER) -> bytes:
        """Send a message; give the MAIL command."""
        self.connect(ehlo=offer)
        self.assertTrue(self.successResultOf(self.send(body)).accepted)
        return self.script.heard[1]

    def test_small(self) -> None:
        """A message that fits in a piece is known: its size on the wire, and whether it has 8-bit bytes."""
        for text, told in ((b"", b"SIZE=0"), (b"hi\n", b"SIZE=4"), (b"a\r\nb\n", b"SIZE=6"),
                           (b"\xe9\n", b"SIZE=3 BODY=8BITMIME"), (b"\x7f", b"SIZE=1")):
            for body in (io.BytesIO(text), Dribble(text)):
                self.assertEqual(self.mail(body), b"MAIL FROM:<s@x> " + told)

    def test_arrives_whole(self) -> None:
        """What was read in advance is sent like the rest, around the size of a piece."""
        for size in (2, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1):
            text = b"x" * (size - 1) + b"\n"
            for body in (io.BytesIO(text), Dribble(text)):
                self.mail(body)
                self.assertEqual(self.script.body, text.replace(b"\n", b"\r\n"))

    def test_large(self) -> None:
        """Of a longer one the rest may have 8-bit bytes, and its size is the file's, where there is a file."""
        text = b"x" * 3 * PIECE
        self.assertEqual(self.mail(io.BytesIO(text)), b"MAIL FROM:<s@x> BODY=8BITMIME")
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(text)
        with open(path, "rb", buffering=0) as raw:
            raw.seek(10)
            self.assertEqual(self.mail(raw), b"MAIL FROM:<s@x> SIZE=%d BODY=8BITMIME" % (len(text) - 10))

    def test_pipe(self) -> None:
        """A pipe has no size, and is read once."""
        reading, writing = os.pipe()
        os.write(writing, b"caf\xe9\n" * 10)
        os.close(writing)
        with open(reading, "rb", buffering=0) as pipe:
            self.assertEqual(self.mail(pipe), b"MAIL FROM:<s@x> SIZE=60 BODY=8BITMIME")
        self.assertEqual(self.script.body, b"caf\xe9\r\n" * 10)

    def test_nothing_offered(self) -> None:
        """A server that does not want to know is told nothing, and gets the bytes as they are."""
        self.assertEqual(self.mail(io.BytesIO(b"\xe9\n"), b"250 s\r\n"), b"MAIL FROM:<s@x>")
        self.assertEqual(self.script.body, b"\xe9\r\n")

    def test_unreadable(self) -> None:
        """A message that cannot be read to its end is not sent, also if that shows in advance."""
        for text in (b"", b"x", b"x" * (PIECE - 1), b"x" * PIECE, b"x" * (PIECE + 1)):
            self.connect(ehlo=OFFER)
            outcome = self.successResultOf(self.send(Dribble(text, breaks=True)))
            self.assertEqual(outcome.trouble, Trouble.UNREADABLE)
            self.assertEqual(self.script.body, b"")

    def test_second_message(self) -> None:
        """Nothing of one message is left for the next."""
        self.connect(ehlo=OFFER, rcpt=[b"550 no\r\n", b"250 ok\r\n"])
        self.assertFalse(self.successResultOf(self.send(io.BytesIO(b"first\n"))).accepted)
        self.assertTrue(self.successResultOf(self.send(io.BytesIO(b"second\n"))).accepted)
        self.assertEqual(self.script.body, b"second\r\n")
