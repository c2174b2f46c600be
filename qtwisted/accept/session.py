"""Drives a server core on a Twisted transport.

Rules this file keeps:

* Replies are joined: one write for all that one segment of input brought. On plain TCP it is tried at once, which
  saves the reactor two system calls and a turn; what the kernel does not take goes the usual way, and so does
  all that follows.
* Back-pressure both ways. While the peer does not take our output, or the receiver holds, or an answer is
  awaited, nothing more is read than what is there; unsent output stays below 100 KB.
* A peer that is too slow, by the rules of ``deadlines``, is told so and cut off.
* One timer for each connection. It is not moved when bytes come, only looked at when it rings.
* The peer can still read our last words: after them it gets the end of our stream, and a while to close
  its own.

The core may be of any protocol; what it must offer besides its five methods is in ServerCore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IHalfCloseableProtocol, INegotiated, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Server
from zope.interface import implementer

from qtwisted.accept.deadlines import Deadlines, Patience
from qtwisted.wire.dialogue import ANSWER, CLOSE, LATER, SEND, Wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from typing import Protocol as Interface

    from twisted.python.failure import Failure

    from qtwisted.model.reply import Reply

    class ServerCore(Interface):
        """What a session asks of a core."""

        #: did the peer end the dialogue itself, as the protocol wants it?
        said_goodbye: bool

        def received(self, data: bytes) -> None:
            """Take bytes from the peer."""

        def next(self) -> Any:
            """Give an event or a Wait."""

        def answer(self, reply: Reply | None) -> None:
            """Say what was decided about the last event."""

        def take(self) -> bytes:
            """Give the bytes to send now."""

        def lost(self) -> None:
            """The peer went away."""

        def time_is_up(self) -> None:
            """End the dialogue because the peer was too slow."""

        def shut_down(self) -> None:
            """End the dialogue because we have to go."""

        @property
        def is_idle(self) -> bool:
            """Is nothing half received?"""

        @property
        def in_body(self) -> bool:
            """Is a message coming in?"""

        @property
        def in_transaction(self) -> bool:
            """Has a message been begun and not been answered?"""

#: how long a peer may take to close after our last words
LINGER_FOR = 5.0


_USUAL = Deadlines()


@implementer(IPushProducer, IHalfCloseableProtocol)
class Session(Protocol):
    """One connection: puts the events of its core to its receiver, and the answers back."""

    transport: Any

    def __init__(
        self,
        core: ServerCore,
        receiver: Any,
        clock: Any = None,
        deadlines: Deadlines = _USUAL,
        ended: Callable[[Session], None] | None = None,
    ) -> None:
        """Take the core and who decides; the clock is the reactor unless given; ``ended`` is called at the end."""
        if clock is None:
            from twisted.internet import reactor as clock
        self._core = core
        self._receiver = receiver
        self._clock = clock
        self._deadlines = deadlines
        self._ended = ended
        self._patience = Patience(deadlines, clock.seconds())
        self._timer: Any = None
        self._socket: Any = None
        self._stalled_at = 0.0
        self._is_pumping = False
        self._is_held = False
        self._is_stalled = False
        self._is_paused = False
        self._waits_for_answer = False
        self._input_ended = False
        self._is_closing = False
        self._is_leaving = False

    # What Twisted calls.

    def connectionMade(self) -> None:
        """Begin: the core's first event comes before any input."""
        self._receiver.line = self
        self._timer = self._clock.callLater(self._deadlines.shortest, self._ring)
        self.transport.registerProducer(self, True)
        # TLS, which is no plain Server, or not for long, must not be gone round
        if type(self.transport) is Server and not getattr(self.transport, "TLS", False):
            self._socket = self.transport.socket
        self._pump()

    def dataReceived(self, data: bytes) -> None:
        """Give bytes to the core; where it cannot use them yet, stop reading."""
        if self._is_closing:
            return
        self._patience.heard(len(data), self._clock.seconds())
        self._core.received(data)
        if self._must_wait():
            self._pause()
        else:
            self._pump()

    def readConnectionLost(self) -> None:
        """The peer will say no more, but may still listen: what it said is answered first."""
        self._input_ended = True
        if self._is_closing:
            self.transport.loseConnection()
        else:
            self._pump()

    def writeConnectionLost(self) -> None:
        """Our own half of the connection is closed, as we wanted."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The connection is gone: let the core and the receiver come to their end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_closing = True
        self._core.lost()
        while (event := self._core.next()) is not CLOSE:
            if isinstance(event, Wait):
                self._core.take()
            else:
                event.put_to(self._receiver)
        self._receiver.closed()
        # it may know us until its last message is answered; a ring of two would wait for the collector
        self._receiver = None
        if self._ended is not None:
            self._ended(self)

    def pauseProducing(self) -> None:
        """The peer does not take our output: ask the core for nothing more."""
        if not self._is_stalled:
            self._is_stalled = True
            self._stalled_at = self._clock.seconds()

    def resumeProducing(self) -> None:
        """The peer has taken our output: go on."""
        self._is_stalled = False
        self._patience.begin_anew(self._clock.seconds())
        self._pump()

    def stopProducing(self) -> None:
        """Nobody takes our output any more; the end comes by itself."""

    # What the receiver calls (wire.dialogue.Line).

    def answer(self, reply: Reply | None) -> None:
        """Give the answer that was put off."""
        if not self._is_closing:
            self._core.answer(reply)
            self._patience.begin_anew(self._clock.seconds())
            self._pump()

    def hold(self) -> None:
        """Take no more input until ``go_on``."""
        self._is_held = True

    def go_on(self) -> None:
        """Take input again."""
        if self._is_held:
            self._is_held = False
            self._patience.begin_anew(self._clock.seconds())
            self._pump()

    # What the role calls.

    def leave(self) -> None:
        """End the session as soon as no message is under way."""
        self._is_leaving = True
        self._pump()

    def shut_down(self) -> None:
        """End the session now."""
        if not self._is_closing:
            self._is_leaving = True
            self._core.shut_down()
            self._pump()

    # The inside.

    def _pump(self) -> None:
        """Put events to the receiver while there are any, then send what the core has to say."""
        if self._is_pumping or self._is_closing:
            return
        self._is_pumping = True
        core, receiver = self._core, self._receiver
        event = None
        while not self._is_held:
            event = core.next()
            if event is SEND:
                self._send()
                if self._is_stalled:
                    break
            elif isinstance(event, Wait):
                break
            else:
                reply = event.put_to(receiver)
                if event.asks and reply is not LATER:
                    core.answer(reply)
        self._send()
        self._is_pumping = False
        self._waits_for_answer = event is ANSWER
        if event is CLOSE:
            self._close()
        elif not self._must_wait():
            self._rest()

    def _send(self) -> None:
        """Send what the core has to say."""
        output = self._core.take()
        if output and self._socket is not None:
            try:
                output = output[self._socket.send(output) :]
            except OSError:
                # full, or gone: the transport will find out
                pass
            if output:
                self._socket = None
        if output:
            self.transport.write(output)

    def _must_wait(self) -> bool:
        """Must more input wait: for an answer, for the receiver, or for the peer to take our output?"""
        return self._waits_for_answer or self._is_held or self._is_stalled

    def _rest(self) -> None:
        """All input has been used: wait for more, unless there cannot be more or we have to go."""
        if self._input_ended:
            self._core.lost()
            self._pump()
        elif self._is_leaving and not self._core.in_transaction:
            self.shut_down()
        else:
            self._patience.settled(self._core.is_idle)
            if self._is_paused:
                self._is_paused = False
                self.transport.resumeProducing()

    def _pause(self) -> None:
        """Stop reading."""
        if not self._is_paused:
            self._is_paused = True
            self.transport.pauseProducing()

    def _close(self) -> None:
        """Close, by halves where the peer may not have read our last words yet.

        To close with input unread would make the kernel send a reset, which can destroy them on their way.
        """
        self._is_closing = True
        self.transport.unregisterProducer()
        is_expected = self._core.said_goodbye or self._input_ended or self._is_leaving
        if is_expected or not self._can_half_close():
            self.transport.loseConnection()
            return
        self.transport.loseWriteConnection()
        if self._is_paused:
            self.transport.resumeProducing()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.callLater(LINGER_FOR, self._ring)

    def _can_half_close(self) -> bool:
        """Can the transport end only what we send? TLS, which negotiates, cannot."""
        return hasattr(self.transport, "loseWriteConnection") and not INegotiated.providedBy(self.transport)

    def _ring(self) -> None:
        """End the session if its time is up, else sleep on: never past a deadline that may be set meanwhile."""
        self._timer = None
        if self._is_closing:
            self.transport.abortConnection()
            return
        now = self._clock.seconds()
        nap = self._time_left(now)
        if nap > 0:
            self._timer = self._clock.callLater(min(nap, self._deadlines.shortest), self._ring)
        elif self._is_stalled:
            self.transport.abortConnection()
        else:
            self._core.time_is_up()
            self._pump()

    def _time_left(self, now: float) -> float:
        """Say how much time the peer has left."""
        if self._is_stalled:
            # Unlike 1.02: a client that does not take our replies is cut off after timeoutcommand, if that is less
            # than timeoutsmtpd.
            return self._stalled_at + self._deadlines.shortest - now
        if self._must_wait():
            return self._deadlines.shortest
        return self._patience.ends_at(self._core.in_body) - now
