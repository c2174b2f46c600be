"""DNS on the reactor: the sockets and the clock that dnspython's resolver asks for, made of Twisted's.

This is a dnspython backend (dns.asyncbackend): its coroutines wait for Deferreds and run under
``Deferred.fromCoroutine``. UDP sockets are connected, so that the kernel drops packets of any other address
or port and reports a server that is not there. (dnspython lists its base classes in a private module.)
"""

from __future__ import annotations

import socket
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

import dns.exception
import dns.inet
from dns._asyncbackend import Backend, DatagramSocket, StreamSocket
from twisted.internet import error
from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.internet.task import deferLater

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from twisted.python.failure import Failure

Item = TypeVar("Item")
DATAGRAMS_KEPT = 16

_Timeout: Any = dns.exception.Timeout


async def _in_time(reactor: Any, wanted: Deferred[Item], timeout: float | None) -> Item:
    """Wait for something, at most so many seconds; then raise the exception dnspython knows."""
    if timeout is None:
        return await wanted
    try:
        return await wanted.addTimeout(timeout, reactor)
    except TimeoutError:
        raise _Timeout(timeout=timeout) from None


class _Mailslot:
    """Holds what arrived until somebody asks for it."""

    def __init__(self) -> None:
        """Begin empty."""
        self._arrived: deque[bytes | Exception] = deque(maxlen=DATAGRAMS_KEPT)
        self._waiting: Deferred[bytes] | None = None

    def put(self, item: bytes | Exception) -> None:
        """Take in what arrived."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self._arrived.append(item)
        elif isinstance(item, Exception):
            waiting.errback(item)
        else:
            waiting.callback(item)

    async def get(self, reactor: Any, timeout: float | None) -> bytes:
        """Wait for the next thing to arrive; raise it if it is an error."""
        if self._arrived:
            item = self._arrived.popleft()
            if isinstance(item, Exception):
                raise item
            return item
        self._waiting = Deferred(self._forget)
        return await _in_time(reactor, self._waiting, timeout)

    def _forget(self, waiting: Deferred[bytes]) -> None:
        """Nobody waits any longer."""
        self._waiting = None


class _Datagrams(DatagramProtocol):
    """Receives the packets of one server."""

    noisy = False
    transport: Any

    def __init__(self) -> None:
        """Begin with no packets."""
        self.slot = _Mailslot()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Take in a packet."""
        self.slot.put(datagram)

    def connectionRefused(self) -> None:
        """Learn that nobody listens at the server."""
        self.slot.put(ConnectionRefusedError("no name server there"))

    def stopProtocol(self) -> None:
        """Learn the same; with epoll the reactor closes the socket instead of calling ``connectionRefused``."""
        self.connectionRefused()


class _DatagramSocket(DatagramSocket):
    """A UDP socket that talks to one server."""

    def __init__(self, reactor: Any, family: int, server: tuple[str, int]) -> None:
        """Open it, on a port of the kernel's choice."""
        super().__init__(family, socket.SOCK_DGRAM)
        self._reactor = reactor
        self._server = server
        self._protocol = _Datagrams()
        interface = "::" if family == socket.AF_INET6 else ""
        try:
            self._port = reactor.listenUDP(0, self._protocol, interface=interface)
        except error.CannotListenError as trouble:
            raise OSError(str(trouble)) from trouble
        try:
            self._protocol.transport.connect(*server)
        except OSError:
            self._port.stopListening()
            raise

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        """Send one packet."""
        self._protocol.transport.write(what)
        return len(what)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        """Wait for one packet; it is from our server, since the kernel drops all others."""
        datagram = await self._protocol.slot.get(self._reactor, timeout)
        return datagram, dns.inet.low_level_address_tuple(self._server, self.family)

    async def close(self) -> None:
        """Give back the port."""
        await (self._port.stopListening() or succeed(None))


class _Stream(Protocol):
    """Receives the bytes of one connection."""

    transport: Any

    def __init__(self) -> None:
        """Begin with nothing received."""
        self.slot = _Mailslot()
        self.rest = b""
        self.gone: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Take in some bytes; no more are read until these are asked for."""
        self.transport.pauseProducing()
        self.slot.put(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the reader that this is all."""
        self.slot.put(b"")
        self.gone.callback(None)


class _Streams(Factory[_Stream]):
    """Makes them."""

    noisy = False
    protocol = _Stream


class _StreamSocket(StreamSocket):
    """A TCP connection to one server."""

    def __init__(self, reactor: Any, family: int, stream: _Stream) -> None:
        """Use a connection that is open."""
        super().__init__(family, socket.SOCK_STREAM)
        self._reactor = reactor
        self._stream = stream

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        """Send a query; it is small enough for the connection's buffer."""
        self._stream.transport.write(what)

    async def recv(self, size: int, timeout: float | None) -> bytes:
        """Wait for at most so many bytes; none mean that the server closed the connection."""
        stream = self._stream
        if not stream.rest:
            stream.transport.resumeProducing()
            stream.rest = await stream.slot.get(self._reactor, timeout)
        taken, stream.rest = stream.rest[:size], stream.rest[size:]
        return taken

    async def close(self) -> None:
        """Close the connection at once."""
        self._stream.transport.abortConnection()
        await self._stream.gone


class ReactorBackend(Backend):
    """What dnspython's asynchronous resolver needs of the world."""

    def __init__(self, reactor: Any) -> None:
        """Use this reactor."""
        self._reactor = reactor

    def name(self) -> str:
        """Say what this is."""
        return "twisted"

    def datagram_connection_required(self) -> bool:
        """Want to know the server when a UDP socket is made."""
        return True

    async def make_socket(
        self,
        af: int,
        socktype: int,
        proto: int = 0,
        source: Any = None,
        destination: Any = None,
        timeout: float | None = None,
        ssl_context: Any = None,
        server_hostname: str | None = None,
    ) -> Any:
        """Open a socket to a server; raise OSError where that fails."""
        if socktype == socket.SOCK_DGRAM:
            return _DatagramSocket(self._reactor, af, destination)
        kind = TCP6ClientEndpoint if af == socket.AF_INET6 else TCP4ClientEndpoint
        address, port = destination
        streams: Any = _Streams()
        endpoint = kind(self._reactor, address, port, timeout=30 if timeout is None else timeout)
        try:
            stream = await endpoint.connect(streams)
        except error.ConnectError as trouble:
            raise OSError(str(trouble)) from trouble
        return _StreamSocket(self._reactor, af, stream)

    async def sleep(self, interval: float) -> None:
        """Wait a while."""
        await deferLater(self._reactor, interval)

    async def wait_for(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """Wait for something, at most so many seconds."""

        async def waiting() -> Any:
            """Make a coroutine of whatever can be awaited."""
            return await awaitable

        return await _in_time(self._reactor, Deferred.fromCoroutine(waiting()), timeout)
