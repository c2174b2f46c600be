"""QMTP session: drives a QMTP client core over a Twisted transport.

It has the same face as the session that speaks SMTP. A QMTP server says nothing first, so the session is ready as
soon as there is a connection, and again after each package whose answers are all there.

Rules the file keeps:

* The message is read in pieces of 32 KiB, the next when the one before is with the kernel; each must be taken within
  three minutes, and all of them at 500 bytes a second after the first five.
* All answers must be there ten minutes after the package is sent, or after ``patience`` if that is less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet import protocol
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from qtwisted.wire.qmtp_client import Finished, Outcome, Package, QmtpClient, State, Trouble

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from qtwisted.deliver.host.session import IBody

PIECE = 32768
BODY_GRACE_FOR = 300
BODY_RATE_MIN = 500
PIECE_WITHIN = 180
ANSWERS_WITHIN = 600
FLUSH_FOR = 10


@implementer(IPullProducer)
class QmtpSession(protocol.Protocol):
    """One connection to a QMTP server."""

    transport: Any

    def __init__(self, clock: Any, patience: float = 1200) -> None:
        """Wait for no step longer than ``patience``, or than the step's own limit."""
        self.opened: Deferred[None] = Deferred()
        self.closed: Deferred[None] = Deferred()
        self._clock = clock
        self._core = QmtpClient()
        self._patience = patience
        self._result: Deferred[Outcome] | None = None
        self._body: IBody | None = None
        self._began_at = 0.0
        self._size = 0
        self._left = 0
        self._producing = False
        self._timer: Any = None

    @property
    def is_idle(self) -> bool:
        """Tell whether the server waits for a message now, and nothing is under way."""
        return self._core.state is State.READY

    def send(self, package: Package, body: IBody) -> Deferred[Outcome]:
        """Send a message as long as the package says; one at a time. The body stays the caller's to close."""
        if not self.is_idle:
            return succeed(Outcome((None,) * len(package.recipients), Trouble.DIED))
        self._result = result = Deferred[Outcome]()
        self._body, self._left, self._size = body, package.size, 0
        self._began_at = self._clock.seconds()
        self._core.next()
        self._core.answer(package)
        self._go_on()
        return result

    def quit(self) -> None:
        """Close the connection, when all is said."""
        if self.is_idle:
            self._core.next()
            self._core.answer(None)
        self._end(politely=True)

    def drop(self) -> None:
        """Close the connection at once; a message that is under way counts as lost on the way."""
        self._core.lost()
        self._go_on()

    def connectionMade(self) -> None:
        """Be ready."""
        self.transport.setTcpNoDelay(True)
        self.opened.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """Take in what the server says."""
        self._core.received(data)
        self._go_on()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Learn that the server is gone."""
        self._core.lost()
        self._go_on()
        self._set_timer(None)
        self.closed.callback(None)

    def resumeProducing(self) -> None:
        """Read on, since what was read before has been sent."""
        now = self._clock.seconds()
        if now > self._began_at + BODY_GRACE_FOR + self._size / BODY_RATE_MIN:
            self._core.lost()
        elif self._core.state is State.BODY:
            self._core.next()
            piece = self._read(min(PIECE, self._left))
            self._left -= len(piece or b"")
            self._size += len(piece or b"")
            self._core.answer(piece)
        self._go_on()

    def stopProducing(self) -> None:
        """Do nothing; the end of the connection is told otherwise."""

    def _read(self, size: int) -> bytes | None:
        """Read from the message; None if that is not possible."""
        try:
            return None if self._body is None else self._body.read(size)
        except OSError:
            return None

    def _go_on(self) -> None:
        """Let the core speak, and tell what became of the package."""
        words = self._core.take()
        if words:
            self.transport.write(words)
        self._produce(self._core.state is State.BODY)
        state = self._core.state
        if state is State.ENDED:
            self._end(politely=False)
        elif state is State.READY:
            self._set_timer(None)
        elif words:
            within = PIECE_WITHIN if state is State.BODY else ANSWERS_WITHIN
            self._set_timer(min(within, self._patience))
        event = self._core.next() if state in (State.READY, State.ENDED) else None
        if isinstance(event, Finished) and self._result is not None:
            result, self._result, self._body = self._result, None, None
            result.callback(event.outcome)

    def _produce(self, wanted: bool) -> None:
        """Have the transport ask for the message, piece by piece, or ask no more."""
        if wanted is self._producing:
            return
        self._producing = wanted
        if wanted:
            self.transport.registerProducer(self, False)
        else:
            self.transport.unregisterProducer()

    def _set_timer(self, within: float | None) -> None:
        """Give up unless something happens within so many seconds."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if within is None else self._clock.callLater(within, self.drop)

    def _end(self, politely: bool) -> None:
        """Close the connection; what is still to be sent may take a moment to leave."""
        self._set_timer(None)
        if politely:
            self.transport.loseConnection()
            self._timer = self._clock.callLater(FLUSH_FOR, self.transport.abortConnection)
        else:
            self.transport.abortConnection()
