"""Makes a session for each client that connects to a port, with what the control files say at that moment.

Here are what the services have in common, a proxy in front of them, and SMTP; QMTP and QMQP are in
``listen_packages``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from twisted.internet.protocol import Factory, Protocol

from qtwisted.accept.admission import Admission, Visitor
from qtwisted.accept.controls import Controls
from qtwisted.accept.deadlines import Deadlines
from qtwisted.accept.gate import Crowd
from qtwisted.accept.session import Session
from qtwisted.accept.smtpd import QueueReceiver
from qtwisted.accept.stdio import client_of, databytes_of
from qtwisted.accept.waiting import Forwarding, Waiting
from qtwisted.wire import proxy, smtp_replies
from qtwisted.wire.smtp_events import Receiver
from qtwisted.wire.smtp_server import SmtpServer
from qtwisted.wire.smtp_verbs import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress

    from qtwisted.accept.session import ServerCore
    from qtwisted.model.reply import Reply
    from qtwisted.store.interface import Intake
    from qtwisted.wire.dialogue import Later

#: what a mapped IPv4 address begins with (RFC 4291 2.5.5.2)
_MAPPED = "::ffff:"
#: how long a proxy may take to say for whom it connects
_HEADER_FOR = 30.0
_USUAL = Deadlines()


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


class Sessions(Factory, ABC):
    """Makes and keeps the sessions of all ports of one service in a front."""

    noisy = False
    #: what drives a connection
    kind = Session

    def __init__(self, reactor: Any) -> None:
        """Begin with nobody; everybody may come in."""
        self._reactor = reactor
        self._crowd = Crowd()
        self._meet: Callable[[bytes], Visitor | Deferred[Visitor]] = Visitor
        self._make_intake: Callable[[str], Intake] | None = None
        self._sessions: set[Session] = set()
        self._waiting: set[Waiting] = set()
        self._all_gone: Callable[[], None] | None = None

    def share(self, crowd: Crowd, admission: Admission, make_intake: Callable[[str], Intake]) -> None:
        """Take what the services of a front have in common.

        That is how they count clients, who decides which may come in, and what hands messages to a program that
        takes the place of the queue.
        """
        self._crowd = crowd
        self._meet = admission.meet
        self._make_intake = make_intake

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the session of a client, or what waits until it is known who the client is."""
        return self.protocol(client_ip(addr))

    def protocol(self, ip: bytes) -> Protocol:
        """Make the same for the client with this address."""
        visitor = self._meet(ip)
        if isinstance(visitor, Visitor):
            return self.session(visitor)

        def ended(waiting: Waiting) -> None:
            """Count it no longer as somebody who waits."""
            self._waiting.discard(waiting)
            self._crowd.leave(ip)
            self._look()

        self._crowd.enter(ip, 0, 0)
        waiting = Waiting(visitor, self.session, ended)
        self._waiting.add(waiting)
        return waiting

    @abstractmethod
    def session(self, visitor: Visitor) -> Session:
        """Make the session of a client."""

    def _keep(self, ip: bytes | None, core: ServerCore, receiver: Receiver, deadlines: Deadlines = _USUAL) -> Session:
        """Make a session and remember it to its end; ``ip`` is None where the client was not counted in."""

        def ended(session: Session) -> None:
            """Forget it; count the client out."""
            if ip is not None:
                self._crowd.leave(ip)
            self._sessions.discard(session)
            self._look()

        session = self.kind(core, receiver, self._reactor, deadlines, ended)
        self._sessions.add(session)
        return session

    def _intake_of(self, visitor: Visitor, usual: Intake) -> Intake:
        """Say where the messages of a client go."""
        if visitor.queue is None or self._make_intake is None:
            return usual
        return self._make_intake(visitor.queue)

    @property
    def is_busy(self) -> bool:
        """Is there any session, or anybody who waits for one?"""
        return bool(self._sessions or self._waiting)

    def leave(self, all_gone: Callable[[], None]) -> None:
        """End every session as soon as no message is under way in it, then call ``all_gone``."""
        for waiting in list(self._waiting):
            waiting.hurry()
        self._all_gone = all_gone
        for session in list(self._sessions):
            session.leave()
        if not self.is_busy:
            all_gone()

    def shut_down(self) -> None:
        """End every session now."""
        for session in list(self._sessions):
            session.shut_down()

    def _look(self) -> None:
        """Tell who waits for that when everybody has gone."""
        if self._all_gone is not None and not self.is_busy:
            self._all_gone()


class SmtpFactory(Sessions):
    """Serves SMTP."""

    def __init__(self, controls: Controls, intake: Intake, reactor: Any, now: Callable[[], float],
                 alert: Callable[[str], None]) -> None:
        """Take what every session needs."""
        super().__init__(reactor)
        self._controls = controls
        self._intake = intake
        self._now = now
        self._alert = alert

    def session(self, visitor: Visitor) -> Session:
        """Make the session of a client."""
        current = self._controls.current()
        if current is None:
            return self._keep(None, SmtpServer(Settings(b"")), _SentAway(smtp_replies.NO_CONTROLS))
        config = current.config
        refusal = self._crowd.enter(visitor.ip, config.concurrencyincoming, config.maxconnip)
        environ = visitor.environ(config.me or config.greeting)
        receiver = QueueReceiver(
            config,
            client_of(environ, config),
            self._intake_of(visitor, self._intake),
            self._now,
            refusal or visitor.refusal,
            self._alert,
        )
        settings, databytes = current.settings, databytes_of(environ)
        if databytes is not None:
            settings = settings._replace(databytes=databytes)
        return self._keep(visitor.ip, SmtpServer(settings), receiver, current.deadlines)


class ProxiedFactory(Factory):
    """Serves a port on which a proxy says first for whom it connects."""

    noisy = False

    def __init__(self, inner: Sessions, reactor: Any) -> None:
        """Take the factory that makes the sessions."""
        self.inner = inner
        self.reactor = reactor

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Wait for the header first."""
        return Proxied(self, client_ip(addr))


class Proxied(Forwarding):
    """One connection of a proxy: reads its header, then is a session with the client it named."""

    def __init__(self, factory: ProxiedFactory, ip: bytes) -> None:
        """Take the address of the proxy, which counts where it connects for itself."""
        super().__init__()
        self._factory = factory
        self._ip = ip
        self._timer: Any = None

    def connectionMade(self) -> None:
        """Wait, but not for ever."""
        self._timer = self._factory.reactor.callLater(_HEADER_FOR, self.transport.abortConnection)

    def early(self) -> None:
        """Read the header, if all of it is there; what follows it is the client's."""
        try:
            header = proxy.read(self._data)
        except proxy.ProxyError:
            self.transport.abortConnection()
            return
        if header is not None:
            self._timer.cancel()
            self.begin(self._factory.inner.protocol(header.client or self._ip), self._data[header.size :])

    def gone(self) -> None:
        """Wait no longer."""
        if self._timer.active():
            self._timer.cancel()
