"""Accepts clients on a socket that the master has opened."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from qtwisted.store.acceptor import Acceptor

if TYPE_CHECKING:
    from typing import Any, Protocol

    class Port(Protocol):
        """What accepts clients."""

        def stopListening(self) -> Any:
            """Accept no more."""


class UnixPort:
    """A port of the file system. The reactor's own would change the mode of its name, which belongs to the master."""

    def __init__(self, reactor: Any, number: int, factory: Any) -> None:
        """Give each connection to *factory*."""
        self._reactor = reactor
        self._factory = factory
        self._acceptor = Acceptor(reactor, number, "front", self._came)

    def _came(self, connection: socket.socket, uid: int) -> None:
        """Hand a connection over."""
        with connection:
            connection.setblocking(False)
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, self._factory)

    def stopListening(self) -> None:
        """Accept no more."""
        self._reactor.removeReader(self._acceptor)
        self._acceptor.connectionLost()


def adopt(reactor: Any, number: int, factory: Any) -> Port:
    """Accept clients on an open listening socket and give them to *factory*."""
    with socket.socket(fileno=number) as listener:
        listener.setblocking(False)
        if listener.family == socket.AF_UNIX:
            return UnixPort(reactor, number, factory)
        port: Port = reactor.adoptStreamPort(number, listener.family, factory)
        return port
