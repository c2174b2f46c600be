"""Takes connections from a listening UNIX socket that another process made.

The reactor's own port for UNIX sockets removes the socket's name when it closes and takes descriptors that a
peer passes. Here the name belongs to the master, and passed descriptors are never received: the kernel drops
them.
"""

from __future__ import annotations

import errno
import os
import socket

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.tcp import Server
from zope.interface import implementer

from qtwisted.system.peer import credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from twisted.internet.protocol import Protocol
    from twisted.python.failure import Failure

#: connections taken in one turn
AT_ONCE = 50
#: pause after the process or the system ran out of descriptors
PAUSE = 0.5


@implementer(IReadDescriptor)
class Acceptor:
    """A listening socket in the reactor."""

    def __init__(self, reactor: Any, fd: int, name: str, came: Callable[[socket.socket, int], None]) -> None:
        """Call ``came`` with every connection and the uid of its peer."""
        self._reactor = reactor
        self._socket = socket.socket(fileno=os.dup(fd))
        self._socket.setblocking(False)
        self._name = name
        self._came = came
        reactor.addReader(self)

    def fileno(self) -> int:
        """Say which descriptor to watch."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name this in messages."""
        return self._name

    def doRead(self) -> None:
        """Take what waits; when there are no descriptors left, wait until some are closed."""
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._reactor.removeReader(self)
                    self._reactor.callLater(PAUSE, self._reactor.addReader, self)
                    return
                continue  # this peer is gone already
            self._came(connection, credentials(connection).uid)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The reactor stops: the name of the socket stays, it is the master's."""
        self._socket.close()


def serve(reactor: Any, connection: socket.socket, protocol: Protocol) -> None:
    """Let a protocol have a connection."""
    connection.setblocking(False)
    server: Any = Server
    transport = server(connection, protocol, ("", 0), None, connection.fileno(), reactor)
    protocol.makeConnection(transport)  # type: ignore[no-untyped-call]
