"""Connections whose session begins later: when more is known of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from qtwisted.accept.admission import Visitor


@implementer(IHalfCloseableProtocol)
class Forwarding(Protocol):
    """A connection that becomes a session: from then on it passes on everything that happens."""

    transport: Any

    def __init__(self) -> None:
        """Have no session yet."""
        self._session: Any = None
        self._data = b""

    def begin(self, session: Any, data: bytes) -> None:
        """Begin the session, with what the client has said already."""
        self._session = session
        self._data = b""
        session.makeConnection(self.transport)
        if data:
            session.dataReceived(data)

    def dataReceived(self, data: bytes) -> None:
        """Pass data on, or collect them."""
        if self._session is not None:
            self._session.dataReceived(data)
            return
        self._data += data
        self.early()

    def early(self) -> None:
        """Look at what has been collected."""

    def gone(self) -> None:
        """Learn that the connection is lost before there was a session."""

    def readConnectionLost(self) -> None:
        """The client will say no more."""
        if self._session is None:
            self.transport.loseConnection()
        else:
            self._session.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Our own half of the connection is closed, as the session wanted."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The connection is gone."""
        if self._session is None:
            self.gone()
        else:
            self._session.connectionLost(reason)


class Waiting(Forwarding):
    """A client that waits until it is known who it is. It says nothing meanwhile that is read."""

    def __init__(
        self, visitor: Deferred[Visitor], make: Callable[[Visitor], Any], ended: Callable[[Waiting], None]
    ) -> None:
        """Take who it is, what makes the session then, and whom to tell that the waiting is over."""
        super().__init__()
        self._visitor = visitor
        self._make = make
        self._ended = ended
        self._is_gone = False

    def connectionMade(self) -> None:
        """Wait."""
        self.transport.pauseProducing()
        self._visitor.addCallback(self._met)

    def hurry(self) -> None:
        """Wait no longer."""
        self._visitor.cancel()

    def gone(self) -> None:
        """Make no session any more."""
        self._is_gone = True
        self._visitor.cancel()
        self._ended(self)

    def _met(self, visitor: Visitor) -> None:
        """Begin the session."""
        if not self._is_gone:
            self._ended(self)
            self.transport.resumeProducing()
            self.begin(self._make(visitor), self._data)
