"""One caller on HOME/run/send.sock: his requests one after the other, each answered before the next is read.

A caller who breaks the rules is cut off. One who does not read what he asked for costs no more than one piece of it,
and is cut off after a while; nobody waits for him.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from qtwisted.wire.request import END, RequestError, Requests, value_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any
    from typing import Protocol as Interface

    from twisted.python.failure import Failure

    from qtwisted.store.kinds.together import Call, Clock

    class Desk(Interface):
        """Whoever carries out requests."""

        def ask(self, words: list[bytes], answer: Connection) -> None:
            """Carry out a request, and say and end its answer, now or later."""

        def left(self, connection: Connection) -> None:
            """Hear that a caller has gone."""


#: how long a caller may be silent, or leave unread what he asked for
IDLE_FOR = 60.0
#: how many bytes of an answer are written before the caller has read what came before
PIECE = 32768


@implementer(IPullProducer)
class Connection(Protocol):
    """The caller, and the answer under way: ``say`` or ``stream`` its values, then ``end`` it."""

    transport: Any

    def __init__(self, clock: Clock, desk: Desk, uid: int, greeting: dict[str, Any], is_allowed: bool) -> None:
        """Greet with *greeting*, which says why if the caller is not allowed to ask."""
        self._clock = clock
        self._desk = desk
        self.uid = uid
        self._greeting = greeting
        self._is_allowed = is_allowed
        self._requests = Requests()
        self._values: deque[Iterator[Any]] = deque()
        self._is_busy = True
        self._has_ended = False
        self._is_complete = False
        self._is_producing = False
        self._is_gone = False
        self._idle: Call | None = None

    def connectionMade(self) -> None:
        """Say who we are."""
        self._touch()
        self.say(self._greeting)
        self.end()

    def dataReceived(self, data: bytes) -> None:
        """Take a piece of a request."""
        if self._is_gone:
            return
        self._touch()
        self._requests.add(data)
        if self._is_busy:
            self.transport.pauseProducing()
        else:
            self._next()

    def _next(self) -> None:
        """Have the next request carried out, if it has come."""
        try:
            words = self._requests.next()
        except RequestError:
            self._cut_off()
            return
        if words is not None:
            self._is_busy, self._has_ended, self._is_complete = True, False, False
            self._desk.ask(words, self)

    # The answer

    def say(self, value: dict[str, Any]) -> None:
        """Add one value to the answer."""
        self.stream((value,))

    def stream(self, values: Iterable[dict[str, Any]]) -> None:
        """Add values, which are asked for when the caller has read what comes before them."""
        if self._is_gone:
            return
        self._values.append(iter(values))
        self._produce()

    def end(self) -> None:
        """The answer is complete."""
        if not self._is_gone:
            self._has_ended = True
            self._produce()

    def _produce(self) -> None:
        """Begin to write."""
        if not self._is_producing:
            self._is_producing = True
            self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """Write a piece: all before it has left us. The next request comes when the end of the answer has, too."""
        if self._is_gone:
            return
        self._touch()
        data = self._piece()
        if self._has_ended and not self._values and not self._is_complete:
            self._is_complete = True
            data += END
        if data:
            self.transport.write(data)
            return
        self._is_producing = False
        self.transport.unregisterProducer()
        if self._is_complete:
            self._finish()

    def stopProducing(self) -> None:
        """The caller has gone; ``connectionLost`` tells of it, too."""
        self._values.clear()

    def _piece(self) -> bytes:
        """Give the next values, so many that they are about a piece."""
        data = b""
        while self._values and len(data) < PIECE:
            value = next(self._values[0], None)
            if value is None:
                self._values.popleft()
            else:
                data += value_bytes(value)
        return data

    def _finish(self) -> None:
        """Turn to the next request; who may not ask has been told so."""
        if not self._is_allowed:
            self._is_gone = True
            self.transport.loseConnection()
            return
        self._is_busy = False
        self.transport.resumeProducing()
        self._next()

    # The end

    def _touch(self) -> None:
        """Something moves: the caller may be silent for another while."""
        if self._idle is not None and self._idle.active():
            self._idle.cancel()
        self._idle = self._clock.callLater(IDLE_FOR, self._look)

    def _look(self) -> None:
        """Nothing has moved for long: cut the caller off, unless he waits for us."""
        if self._is_busy and not self._is_producing:
            self._touch()
        else:
            self._cut_off()

    def _cut_off(self) -> None:
        """Serve this caller no more."""
        self._is_gone = True
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Forget the caller."""
        self._is_gone = True
        self._values.clear()
        if self._idle is not None and self._idle.active():
            self._idle.cancel()
        self._desk.left(self)
