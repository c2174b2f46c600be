"""Sending: takes a message to the servers of a host, and reports what they said.

This is what qmail-remote and qmail-rspawn do, and what an application can use to send mail without a queue::

    config = RemoteConfig(b"client.example", {}, timeoutconnect=60, timeoutremote=1200)
    resolver = Resolver(reactor, lambda: [Nameserver("127.0.0.1")])
    remote = Remote(reactor, resolver, lambda: config)
    with open("message", "rb") as body:
        report = await remote.deliver(b"example.org", b"me@example.com", [b"you@example.org"], body)

A report that begins with K means that the server has the message for every recipient whose part is ``r``. Z means
that it may be tried again, D that there is no use in that.

Unlike 1.02: the domain of a recipient is said to the server as it is, also where the DNS has it as an alias.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredList

from qtwisted.config import fields
from qtwisted.config.control import Control, ControlError
from qtwisted.config.fresh import fresh
from qtwisted.deliver.host import reports
from qtwisted.deliver.host.connect import Server, connect, servers
from qtwisted.deliver.host.lines import QmtpLine, SmtpLine
from qtwisted.deliver.host.mx import Finder, NowhereToGo
from qtwisted.deliver.host.own_address import is_ours
from qtwisted.deliver.host.qmtp_session import QmtpSession
from qtwisted.deliver.host.reports import Report
from qtwisted.deliver.host.routes import QMTP, find_route
from qtwisted.deliver.host.session import IBody, Session
from qtwisted.deliver.host.terms import Terms, terms
from qtwisted.trust.tls import Handshakes
from qtwisted.wire.smtp_client import SmtpClient, Tls, Trouble, speakable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from qtwisted.config.fields import RemoteConfig
    from qtwisted.deliver.host.connect import Dialogue, Reached
    from qtwisted.deliver.host.lines import Line
    from qtwisted.deliver.host.mx import Target
    from qtwisted.deliver.host.tcpto import Tcpto
    from qtwisted.trust.dns import IResolver

CONTROL_FILES = (
    "me", "helohost", "smtproutes", "timeoutconnect", "timeoutremote", "concurrencydestination",
    "tlsdestinations", "tlscafile", "clientcert.pem", "smtpauth",
)


def controls(control: Control) -> Callable[[], RemoteConfig]:
    """Return a function that gives the settings as the control files say at the moment of the call."""
    return fresh([control.path(name) for name in CONTROL_FILES], lambda: fields.remote(control))


class Way(NamedTuple):
    """How to reach the mail servers of a host: the servers, in the order to try them.

    Hosts whose best servers are the same have the same ``destination``.
    """

    servers: Sequence[Server]
    destination: Hashable


class Remote:
    """Sends messages to other hosts, any number at a time."""

    def __init__(
        self,
        reactor: Any,
        resolver: IResolver,
        config: Callable[[], RemoteConfig],
        tcpto: Tcpto | None = None,
        is_ours: Callable[[str], bool] = is_ours,
        choose: Callable[[int], int] = random.randrange,
    ) -> None:
        """Ask ``resolver`` about names and ``config`` for the settings of each message.

        ``tcpto`` remembers addresses that do not answer; ``choose(n)`` draws a number below n.
        """
        self._reactor = reactor
        self._config = config
        self._tcpto = tcpto
        self._finder = Finder(reactor, resolver, is_ours, choose)
        self._handshakes = Handshakes()
        self._sessions: set[Dialogue] = set()

    def deliver(
        self, host: bytes, sender: bytes, recipients: Sequence[bytes], body: IBody, spread: int = 0
    ) -> Deferred[Report]:
        """Send one message to recipients at one host, on a connection of its own.

        ``body`` is read while the message goes out, and stays the caller's to close. ``spread`` is any number that
        differs between deliveries.
        """
        return Deferred.fromCoroutine(self._deliver(host, sender, recipients, body, spread))

    def all_closed(self) -> Deferred[Any]:
        """Wait until every connection is closed, the last words said."""
        return DeferredList([session.closed for session in self._sessions])

    def drop_unopened(self) -> None:
        """Close the connections whose servers have not greeted yet."""
        for session in list(self._sessions):
            if not session.opened.called:
                session.drop()

    def config(self) -> RemoteConfig:
        """Read the settings of this moment; NowhereToGo if they cannot be read."""
        try:
            return self._config()
        except ControlError as error:
            raise NowhereToGo(reports.bad_control(error)) from None

    async def find(self, host: bytes) -> Way:
        """Find the servers for the mail of a host; NowhereToGo says why there are none."""
        config = self.config()
        route = find_route(config.smtproutes, host)

        def on(target: Target) -> Terms:
            """Say on what terms a server gets mail."""
            return terms(config.security, host, target.host, route)

        try:
            if route is None:
                targets = await self._finder.exchangers(host)
                best = [target for target in targets if target.preference == targets[0].preference]
                return Way(servers(targets, on), frozenset(servers(best, on)))
            targets = await self._finder.relay(route.relay)
            found = [Server(target.address, route.port, route.kind, on(target)) for target in targets]
            if route.kind == QMTP and any(server.terms.demand_tls for server in found):
                raise NowhereToGo(reports.QMTP_IN_CLEAR)
            return Way(found, frozenset(found))
        except OSError as trouble:
            raise NowhereToGo(reports.NO_RESOURCES) from trouble

    async def open(self, way: Way, spread: int = 0) -> Line:
        """Open a connection to the first server that takes one, and greet; NowhereToGo says why there is none."""
        config = self.config()
        reached = await self._reach(config, way.servers, spread)
        outcome = await reached.session.opened
        if _is_better_in_clear(reached.server, outcome):
            # Unlike 1.02: where TLS was not demanded and has failed, the same server is tried once more, without it.
            server = reached.server._replace(terms=reached.server.terms.after(outcome.security))
            reached = await self._reach(config, [server], spread)
            outcome = await reached.session.opened
        if outcome is not None:
            raise NowhereToGo(reports.of_outcome(reached.server.address.encode(), outcome).message)
        if isinstance(reached.session, QmtpSession):
            return QmtpLine(reached.server, reached.session)
        assert isinstance(reached.session, Session)
        return SmtpLine(reached.server, reached.session)

    async def _reach(self, config: RemoteConfig, wanted: Sequence[Server], spread: int) -> Reached:
        """Connect to the first of these servers that takes a connection."""
        try:
            self._handshakes.use(config.security.roots, config.security.identity)
        except ControlError as error:
            raise NowhereToGo(reports.bad_control(error)) from None
        return await connect(
            self._reactor,
            wanted,
            lambda server: self._session(config, server),
            config.timeoutconnect,
            self._tcpto,
            spread,
        )

    async def _deliver(
        self, host: bytes, sender: bytes, recipients: Sequence[bytes], body: IBody, spread: int
    ) -> Report:
        """Find servers, connect to one, and hand over the message."""
        try:
            way = await self.find(host)
            check_addresses(sender, recipients)
            line = await self.open(way, spread)
        except NowhereToGo as nowhere:
            return Report(nowhere.report)
        result = await line.send(sender, recipients, body)
        line.quit()
        return result.whole

    def _session(self, config: RemoteConfig, server: Server) -> Dialogue:
        """Make the session of a new connection."""
        session: Dialogue
        if server.kind == QMTP:
            session = QmtpSession(self._reactor, config.timeoutremote)
        else:
            session = self._smtp_session(config, server)
        self._sessions.add(session)
        session.closed.addCallback(lambda _: self._sessions.discard(session))
        return session


    def _smtp_session(self, config: RemoteConfig, server: Server) -> Session:
        """Make the session of a new connection on which SMTP will be spoken, on the server's terms."""
        terms = server.terms
        tls = terms.tls(server.kind)
        core = SmtpClient(config.helohost, tls=tls, login=terms.login, in_clear=terms.in_clear)
        handshake = None
        if tls is not Tls.NEVER:
            handshake = self._handshakes.to(terms.names, terms.verify, (server.address, server.port))
        return Session(self._reactor, core, config.timeoutremote, handshake)


def _is_better_in_clear(server: Server, outcome: Any) -> bool:
    """Tell whether a connection ended because TLS failed, and mail may also go without it."""
    return outcome is not None and outcome.trouble is Trouble.NOT_SECURED and server.terms.may_fall_back


def check_addresses(sender: bytes, recipients: Sequence[bytes]) -> None:
    """Refuse addresses that cannot be said to a server."""
    if not speakable(sender):
        raise NowhereToGo(reports.UNSPEAKABLE_SENDER)
    if not all(map(speakable, recipients)):
        raise NowhereToGo(reports.UNSPEAKABLE_RECIPIENT)
