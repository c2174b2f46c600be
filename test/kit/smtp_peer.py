"""An SMTP server that says what it is told to say, for tests of the client: in memory, and over loopback."""

from __future__ import annotations

from typing import Any

from twisted.internet import error
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

#: as a reply: hang up
CLOSE = b"<close>"
#: as a reply: reset the connection
RESET = b"<reset>"
#: as a server: nobody listens there, nobody answers at all, no route, no descriptors left
REFUSED, SILENT, NO_ROUTE, NO_FILES = "refused", "silent", "no route", "no files"


class Script:
    """What a server says: a reply for each step, and what it heard.

    A reply is bytes, or CLOSE or RESET alone or after bytes, or None for silence, or a list of these, used in turn,
    the last one again and again.
    """

    def __init__(self, **replies: Any) -> None:
        """Name the replies that are not the usual ones: greeting, ehlo, helo, mail, rcpt, data, dot, quit."""
        self.replies: dict[str, Any] = {
            "greeting": b"220 server ESMTP\r\n",
            "ehlo": b"250-server\r\n250 8BITMIME\r\n",
            "data": b"354 go ahead\r\n",
            "dot": b"250 done\r\n",
            "quit": b"221 bye\r\n",
            **replies,
        }
        self.heard: list[bytes] = []
        self.body = b""
        self._used: dict[str, int] = {}

    def ear(self) -> Any:
        """Give a new connection what hears for it."""
        return Ear(self)

    def reply(self, step: str) -> bytes | None:
        """Give the reply for a step."""
        reply = self.replies.get(step, b"250 ok\r\n")
        if isinstance(reply, list):
            used = self._used[step] = self._used.get(step, 0) + 1
            reply = reply[min(used, len(reply)) - 1]
        assert reply is None or isinstance(reply, bytes)
        return reply


class Ear:
    """What a server has heard on one connection."""

    def __init__(self, script: Script) -> None:
        """Answer as the script says."""
        self._script = script
        self._in_body = False
        self._buffer = b""

    def received(self, data: bytes) -> list[bytes]:
        """Hear some bytes, and give the replies."""
        self._buffer += data
        replies = []
        while True:
            end = b"\r\n.\r\n" if self._in_body else b"\r\n"
            if self._in_body and self._buffer.startswith(b".\r\n"):
                self._buffer = b"\r\n" + self._buffer
            line, found, rest = self._buffer.partition(end)
            if not found:
                break
            self._buffer = rest
            reply = self._hear_body(line) if self._in_body else self._hear(line)
            replies.append(reply or b"")
        return replies

    def _hear_body(self, text: bytes) -> bytes | None:
        """Hear a message."""
        self._script.body = text + b"\r\n" if text else b""
        self._in_body = False
        return self._script.reply("dot")

    def _hear(self, line: bytes) -> bytes | None:
        """Hear a command."""
        self._script.heard.append(line)
        step = line.split(b" ")[0].lower().decode("latin-1")
        reply = self._script.reply(step)
        self._in_body = step == "data" and reply is not None and reply.startswith(b"354")
        return reply


class Line:
    """The client's transport in memory: what it writes is heard in the next turn of the reactor."""

    def __init__(self, network: Network, script: Script, window: int | None) -> None:
        """``window`` is how many bytes of the client the server takes before it stops reading."""
        self.aborted = False
        self.disconnecting = False
        self.client: Any = None
        self._network = network
        self._script = script
        self._ear = script.ear()
        self._window = window
        self._producer: Any = None
        self._lost = False
        self._busy = False
        self.unsent = b""

    def connect(self, client: Any) -> None:
        """Open the line."""
        self.client = client
        client.makeConnection(self)
        self._say(self._script.reply("greeting"))

    def write(self, data: bytes) -> None:
        """Take words of the client."""
        self.unsent += data
        self._later()

    def loseConnection(self) -> None:
        """Close when all is said."""
        self.disconnecting = True
        self._later()

    def abortConnection(self) -> None:
        """Close at once."""
        self.aborted = True
        self._network.callLater(0, self._lose)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Ask the producer for more whenever all is said."""
        assert not streaming
        assert self._producer is None
        self._producer = producer
        producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """Ask no more."""
        self._producer = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing; there are no packets here."""

    def _later(self) -> None:
        """Deal with it in the next turn."""
        if not self._busy:
            self._busy = True
            self._network.callLater(0, self._turn)

    def _turn(self) -> None:
        """Let the server hear, and the client go on."""
        self._busy = False
        if self._lost:
            return
        size = len(self.unsent) if self._window is None else min(len(self.unsent), self._window)
        data, self.unsent = self.unsent[:size], self.unsent[size:]
        if self._window is not None:
            self._window -= size
        for reply in self._ear.received(data):
            self._say(reply)
        if self.unsent or self._lost:
            return
        if self._producer is not None:
            self._producer.resumeProducing()
        elif self.disconnecting:
            self._lose()

    def open_window(self, size: int) -> None:
        """Let the server read on."""
        self._window = (self._window or 0) + size
        self._later()

    def _say(self, reply: bytes | None) -> None:
        """Let the client hear a reply."""
        if self._lost or not reply:
            return
        words, ended, _ = reply.partition(CLOSE)
        words, reset, _ = words.partition(RESET)
        if words:
            self.client.dataReceived(words)
        if ended or reset:
            self._lose()

    def say(self, words: bytes) -> None:
        """Let the server say something nobody asked for."""
        self._say(words)

    def _lose(self) -> None:
        """Close the line."""
        if not self._lost:
            self._lost = True
            self.client.connectionLost(Failure(error.ConnectionDone()))


class Network(MemoryReactorClock):  # type: ignore[misc]
    """A reactor in memory whose addresses are scripts, or troubles; nobody listens at all others."""

    def __init__(self) -> None:
        """Begin with no servers."""
        super().__init__()
        self.hosts: dict[Any, Any] = {}
        self.tried: list[tuple[str, int]] = []
        self.lines: list[Line] = []
        self.windows: dict[str, int] = {}

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> None:
        """Connect in the next turn, or fail in the right way."""
        self.tried.append((host, port))
        server = self.hosts.get((host, port), self.hosts.get(host, REFUSED))
        factory.doStart()
        if server == SILENT:
            self._fail(factory, error.TimeoutError(), timeout)
        elif isinstance(server, str):
            trouble = {
                REFUSED: error.ConnectionRefusedError(),
                NO_ROUTE: error.NoRouteError(),
                NO_FILES: error.ConnectBindError(24),
            }
            self._fail(factory, trouble[server], 0)
        else:
            line = Line(self, server, self.windows.get(host))
            self.lines.append(line)
            self.callLater(0, lambda: line.connect(factory.buildProtocol(None)))

    def _fail(self, factory: Any, trouble: Exception, after: float) -> None:
        """Let an attempt fail."""
        self.callLater(after, lambda: factory.clientConnectionFailed(None, Failure(trouble)))

    def settle(self) -> None:
        """Let everything happen that does not take time."""
        for _ in range(300):
            self.advance(0)


class ScriptedProtocol(Protocol):
    """A scripted server on a real connection."""

    transport: Any
    factory: Any

    def connectionMade(self) -> None:
        """Greet."""
        self.factory.connections.append(self)
        self._ear = self.factory.script.ear()
        self._say(self.factory.script.reply("greeting"))

    def dataReceived(self, data: bytes) -> None:
        """Hear and answer."""
        for reply in self._ear.received(data):
            self._say(reply)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Be forgotten."""
        self.factory.connections.remove(self)

    def _say(self, reply: bytes | None) -> None:
        """Say something, or hang up."""
        if not reply:
            return
        words, ended, _ = reply.partition(CLOSE)
        words, reset, _ = words.partition(RESET)
        if reset:
            # past the transport's buffer, which would be thrown away
            self.transport.socket.send(words)
            self.transport.abortConnection()
        elif words:
            self.transport.write(words)
        if ended:
            self.transport.loseConnection()


class ScriptedServer(Factory):  # type: ignore[type-arg]
    """Serves one script on a real port."""

    noisy = False
    protocol = ScriptedProtocol

    def __init__(self, reactor: Any, script: Script) -> None:
        """Serve this script."""
        self.reactor = reactor
        self.script = script
        self.connections: list[ScriptedProtocol] = []

    def listen(self, port: int = 0, address: str = "127.0.0.1") -> Any:
        """Begin to serve; gives the port object."""
        return self.reactor.listenTCP(port, self, interface=address)
