"""Makes a session for each client that connects to an SMTP port, with what the control files say at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from qtwisted.accept.controls import Controls, Current
from qtwisted.accept.gate import Client, Crowd
from qtwisted.accept.session import Session
from qtwisted.accept.smtpd import QueueReceiver
from qtwisted.wire import proxy, smtp_replies
from qtwisted.wire.smtp_events import Receiver
from qtwisted.wire.smtp_server import SmtpServer
from qtwisted.wire.smtp_verbs import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure

    from qtwisted.model.reply import Reply
    from qtwisted.store.interface import Intake
    from qtwisted.wire.dialogue import Later

#: what a mapped IPv4 address begins with (RFC 4291 2.5.5.2)
_MAPPED = "::ffff:"
#: how long a proxy may take to say for whom it connects
_HEADER_FOR = 30.0


def client_ip(address: object) -> bytes:
    """Write the address of a peer as tcpserver would: IPv4 plain, even where it came in over IPv6."""
    host = str(getattr(address, "host", "unknown"))
    if host.startswith(_MAPPED) and "." in host:
        host = host[len(_MAPPED) :]
    return host.encode("ascii", "replace")


class _SentAway(Receiver):
    """Refuses a client for a reason that is ours."""

    def __init__(self, reply: Reply) -> None:
        """Take what to say."""
        self._reply = reply

    def connected(self) -> Reply | Later | None:
        """Say it instead of the greeting."""
        return self._reply


class SmtpFactory(Factory):
    """Makes and keeps the sessions of all SMTP ports of a front."""

    noisy = False

    def __init__(self, controls: Controls, intake: Intake, reactor: Any, now: Callable[[], float],
                 alert: Callable[[str], None]) -> None:
        """Take what every session needs."""
        self._controls = controls
        self._intake = intake
        self._reactor = reactor
        self._now = now
        self._alert = alert
        self._crowd = Crowd()
        self._sessions: set[Session] = set()
        self._all_gone: Callable[[], None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the session of a client."""
        return self.session(client_ip(addr))

    def session(self, ip: bytes) -> Session:
        """Make the session of the client with this address."""
        current = self._controls.current()
        if current is None:
            return self._keep(ip, SmtpServer(Settings(b"")), _SentAway(smtp_replies.NO_CONTROLS))
        config = current.config
        refusal = self._crowd_refusal(ip, current)
        client = Client(ip=ip, local=config.me or config.greeting, relay=b"" if config.may_relay(ip) else None)
        receiver = QueueReceiver(config, client, self._intake, self._now, refusal, self._alert)
        return self._keep(ip, SmtpServer(current.settings), receiver, current)

    def _crowd_refusal(self, ip: bytes, current: Current) -> Reply | None:
        """Count the client in; give the reply that sends it away if there are too many."""
        return self._crowd.enter(ip, current.config.concurrencyincoming, current.config.maxconnip)

    def _keep(self, ip: bytes, core: SmtpServer, receiver: Receiver, current: Current | None = None) -> Session:
        """Make a session and remember it to its end."""

        def ended(session: Session) -> None:
            """Forget it; be counted out if it was counted in."""
            if current is not None:
                self._crowd.leave(ip)
            self._sessions.discard(session)
            if not self._sessions and self._all_gone is not None:
                self._all_gone()

        if current is None:
            session = Session(core, receiver, self._reactor, ended=ended)
        else:
            session = Session(core, receiver, self._reactor, current.deadlines, ended)
        self._sessions.add(session)
        return session

    def leave(self, all_gone: Callable[[], None]) -> None:
        """End every session as soon as no message is under way in it, then call ``all_gone``."""
        self._all_gone = all_gone
        for session in list(self._sessions):
            session.leave()
        if not self._sessions:
            all_gone()

    def shut_down(self) -> None:
        """End every session now."""
        for session in list(self._sessions):
            session.shut_down()


class ProxiedFactory(Factory):
    """Serves a port on which a proxy says first for whom it connects."""

    noisy = False

    def __init__(self, inner: SmtpFactory, reactor: Any) -> None:
        """Take the factory that makes the sessions."""
        self.inner = inner
        self.reactor = reactor

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Wait for the header first."""
        return Proxied(self, client_ip(addr))


@implementer(IHalfCloseableProtocol)
class Proxied(Protocol):
    """One connection of a proxy: reads its header, then is a session with the client it named."""

    transport: Any

    def __init__(self, factory: ProxiedFactory, ip: bytes) -> None:
        """Take the address of the proxy, which counts where it connects for itself."""
        self._factory = factory
        self._ip = ip
        self._data = b""
        self._timer: Any = None
        self._session: Any = None

    def connectionMade(self) -> None:
        """Wait, but not for ever."""
        self._timer = self._factory.reactor.callLater(_HEADER_FOR, self.transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        """Collect the header; what follows it is the client's."""
        if self._session is not None:
            self._session.dataReceived(data)
            return
        self._data += data
        try:
            header = proxy.read(self._data)
        except proxy.ProxyError:
            self.transport.abortConnection()
            return
        if header is None:
            return
        self._timer.cancel()
        self._session = self._factory.inner.session(header.client or self._ip)
        self._session.makeConnection(self.transport)
        rest = self._data[header.size :]
        self._data = b""
        if rest:
            self._session.dataReceived(rest)

    def readConnectionLost(self) -> None:
        """The proxy will say no more."""
        if self._session is None:
            self.transport.loseConnection()
        else:
            self._session.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Our own half of the connection is closed, as the session wanted."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The connection is gone."""
        if self._session is not None:
            self._session.connectionLost(reason)
        elif self._timer.active():
            self._timer.cancel()
