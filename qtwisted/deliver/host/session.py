"""Session: drives an SMTP client core over a Twisted transport.

Make one with a core and connect it to an endpoint; :meth:`Session.send` gives the outcome of a message, and never
fails otherwise. Several messages may be sent one after the other; :meth:`Session.quit` ends it.

Rules the file keeps:

* Each step has a time limit, which counts from our command to the end of the reply, however the server drips.
* The message is read in pieces of 32 KiB, the next when the one before is with the kernel; each must be taken in
  time, and all of them at 500 bytes a second after the first five minutes.
* A server that offers SIZE or 8BITMIME is told what the first piece shows: a message that ends with it is known, of a
  longer one the rest may have bytes beyond ASCII, and its size is that of the file.
* A TLS handshake has 30 seconds. What came in before it is not read again under its protection.
* QUIT is sent, not waited for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IHandshakeListener, IPullProducer
from zope.interface import implementer

from qtwisted.trust.tls import NotTrusted
from qtwisted.wire.dialogue import Wait
from qtwisted.wire.smtp_client import (
    Finished,
    HandshakeWanted,
    Outcome,
    Ready,
    SmtpClient,
    State,
    Step,
    Transaction,
    Trouble,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.python.failure import Failure

    from qtwisted.trust.tls import Handshake

PIECE = 32768
BODY_GRACE_FOR = 300
BODY_RATE_MIN = 500
FLUSH_FOR = 10

LIMITS = {
    State.GREETING: 300,
    State.EHLO: 300,
    State.HELO: 300,
    State.STARTTLS: 60,
    State.HANDSHAKE: 30,
    State.AUTH: 300,
    State.RSET: 300,
    State.MAIL: 300,
    State.RCPT: 300,
    State.DATA: 120,
    State.BODY: 180,
    State.DOT: 600,
    State.NO_BODY: 300,
}
"""How long each step may take, in seconds (RFC 5321 4.5.3.2)."""


def _size_left(body: object) -> int | None:
    """Say how much of a file is still to be read; None where that cannot be known."""
    try:
        file: int = body.fileno()  # type: ignore[attr-defined]
        left = os.fstat(file).st_size - os.lseek(file, 0, os.SEEK_CUR)
    except (AttributeError, OSError):
        return None
    return left if left > 0 else None


_DIED = Outcome(Step.MAIL, None, Trouble.DIED, ())


class IBody(Protocol):
    """A message to send: any file open for reading bytes; lines end with LF."""

    def read(self, size: int, /) -> bytes:
        """Read at most so many bytes; none at the end. It may raise OSError."""


@implementer(IHandshakeListener, IPullProducer)
class Session(protocol.Protocol):
    """One connection to a server.

    Unlike 1.02: besides control/timeoutremote, the limits of RFC 5321 hold for each step, so that a silent server
    occupies a delivery for minutes and not for hours.
    """

    transport: Any

    def __init__(
        self, clock: Any, core: SmtpClient, patience: float = 1200, handshake: Handshake | None = None
    ) -> None:
        """Wait for no step longer than ``patience``, or than the step's own limit.

        ``handshake`` protects the connection if the core wants that.
        """
        #: None once the server is ready, or the outcome of a connection that came to rest before
        self.opened: Deferred[Outcome | None] = Deferred()
        self.closed: Deferred[None] = Deferred()
        self._clock = clock
        self._core = core
        self._patience = patience
        self._handshake = handshake
        self._ready = False
        self._extensions: Mapping[bytes, bytes] = {}
        self._quitting = False
        self._closing = False
        self._transaction: Transaction | None = None
        self._result: Deferred[Outcome] | None = None
        self._outcome = _DIED
        self._body: IBody | None = None
        self._ahead: list[bytes | None] = []
        self._body_began_at: float | None = None
        self._body_size = 0
        self._watched: tuple[State, int] | None = None
        self._timer: Any = None

    def send(self, transaction: Transaction, body: IBody) -> Deferred[Outcome]:
        """Send a message, once the server is ready; one at a time. The body stays the caller's to close."""
        if self._core.state is State.ENDED:
            return succeed(self._outcome)
        self._transaction, self._body = transaction, body
        self._result = result = Deferred[Outcome]()
        self._answer_ready()
        self._go_on()
        return result

    def quit(self) -> None:
        """Say goodbye, once the server is ready, and close the connection."""
        self._quitting = True
        self._answer_ready()
        self._go_on()

    @property
    def is_idle(self) -> bool:
        """Tell whether the server waits for a message now, and nothing is under way."""
        return self._ready and self._core.state is State.READY

    def drop(self) -> None:
        """Close the connection without another word; a message that is under way counts as lost on the way."""
        # told first, so that a handshake that is cut off is not taken for one that failed
        self._tell_opened(_DIED)
        self._give_up()

    def connectionMade(self) -> None:
        """Begin to wait for the greeting."""
        self.transport.setTcpNoDelay(True)
        self._go_on()

    def dataReceived(self, data: bytes) -> None:
        """Take in what the server says."""
        self._core.received(data)
        self._go_on()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Learn that the server is gone."""
        if self._handshake is not None and self._core.state is State.HANDSHAKE:
            self._core.unsecured(self._handshake.why(reason.value))
        self._core.lost()
        self._go_on()
        self._set_timer(None)
        self.closed.callback(None)

    def handshakeCompleted(self) -> None:
        """Look at what the handshake proved, and go on if that is enough."""
        if self._handshake is None or self._core.state is not State.HANDSHAKE:
            return
        try:
            self._core.answer(self._handshake.completed())
        except NotTrusted as refusal:
            self._core.unsecured(refusal.why)
        self._go_on()

    def resumeProducing(self) -> None:
        """Read on, since what was read before has been sent."""
        if self._is_too_slow():
            self._give_up()
            return
        size = 0
        while self._core.state is State.BODY and size < PIECE:
            # A small message and its end go out in one packet.
            piece = self._read(PIECE - size)
            size += len(piece or b"")
            self._core.answer(piece)
        self._body_size += size
        self._go_on()

    def stopProducing(self) -> None:
        """Do nothing; the end of the connection is told otherwise."""

    def _read(self, size: int) -> bytes | None:
        """Read from the message; None if that is not possible."""
        if self._ahead:
            return self._ahead.pop(0)
        try:
            return None if self._body is None else self._body.read(size)
        except OSError:
            return None

    def _is_too_slow(self) -> bool:
        """Tell whether the server takes the message too slowly."""
        if self._body_began_at is None:
            return False
        patience_for = BODY_GRACE_FOR + self._body_size / BODY_RATE_MIN
        return bool(self._clock.seconds() > self._body_began_at + patience_for)

    def _give_up(self) -> None:
        """Count the connection as lost."""
        if self._core.state is State.HANDSHAKE:
            self._core.unsecured(b"the handshake took too long")
        self._core.lost()
        self._go_on()

    def _go_on(self) -> None:
        """Deal with everything the core has to say, then let it speak."""
        finished = False
        while not isinstance(event := self._core.next(), Wait):
            if isinstance(event, Finished):
                finished, self._outcome = True, event.outcome
                self._tell_opened(event.outcome)
            elif isinstance(event, HandshakeWanted):
                self._begin_handshake()
            elif isinstance(event, Ready):
                self._ready, self._extensions = True, event.extensions
                self._tell_opened(None)
                self._answer_ready()
            elif self._body_began_at is None:
                self._begin_body()
        self._speak()
        if self._core.state is State.ENDED:
            self._tell_opened(self._outcome)
        if finished or self._core.state is State.ENDED:
            self._finish()

    def _tell_opened(self, outcome: Outcome | None) -> None:
        """Tell, once, whether there is a server to talk to."""
        if not self.opened.called:
            self.opened.callback(outcome)

    def _answer_ready(self) -> None:
        """Give a server that is ready what there is to do."""
        if self._ready and self._transaction is not None:
            self._ready = False
            transaction, self._transaction = self._transaction, None
            self._core.answer(self._look_ahead(transaction))
        elif self._ready and self._quitting:
            self._ready = False
            self._core.answer(None)

    def _look_ahead(self, transaction: Transaction) -> Transaction:
        """Read the first piece of the message, if the server wants to know what it is like."""
        self._ahead.clear()
        if self._extensions.keys().isdisjoint((b"SIZE", b"8BITMIME")):
            return transaction
        size = _size_left(self._body)
        seen = b""
        while (piece := self._read(PIECE - len(seen))) and len(seen := seen + piece) < PIECE:
            pass
        self._ahead = [seen] if piece else [seen, piece] if seen else [piece]
        if piece == b"":
            size = len(seen) + seen.count(b"\n") - seen.count(b"\r\n")
        return transaction._replace(size=size, is_eight_bit=bool(piece) or not seen.isascii())

    def _begin_handshake(self) -> None:
        """Put TLS between the transport and us."""
        if self._handshake is None:
            self._core.unsecured(b"TLS is not configured")
        else:
            self.transport.startTLS(self._handshake)

    def _begin_body(self) -> None:
        """Have the transport ask for the message, piece by piece."""
        self._body_began_at = self._clock.seconds()
        self._body_size = 0
        self.transport.registerProducer(self, False)

    def _speak(self) -> None:
        """Say what there is to say, and watch how long the server takes."""
        words, state = self._core.take(), self._core.state
        watched = (state, self._core.replies)
        if words:
            self.transport.write(words)
        if state is not State.BODY and self._body_began_at is not None:
            self._body_began_at = None
            self.transport.unregisterProducer()
        if state is State.ENDED:
            self._close(politely=bool(words))
        elif words or watched != self._watched:
            self._watched = watched
            limit = LIMITS.get(state)
            self._set_timer(None if limit is None else min(limit, self._patience))

    def _set_timer(self, within: float | None) -> None:
        """Give up unless something happens within so many seconds."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if within is None else self._clock.callLater(within, self._give_up)

    def _close(self, politely: bool) -> None:
        """Close the connection; a last word may take a moment to leave."""
        if self._closing:
            return
        self._closing = True
        self._set_timer(None)
        if self._handshake is not None:
            self._handshake.remember()
        if politely:
            self.transport.loseConnection()
            self._timer = self._clock.callLater(FLUSH_FOR, self.transport.abortConnection)
        else:
            self.transport.abortConnection()

    def _finish(self) -> None:
        """Tell the outcome to whoever waits for it; it is nobody else's."""
        if self._result is not None:
            result, self._result, self._body = self._result, None, None
            outcome, self._outcome = self._outcome, _DIED
            result.callback(outcome)
