"""Connect: opens a connection to the first of several servers that takes one.

A server is an address, a port, and what is spoken there. An exchanger whose preference says so speaks QMTP on port
209, and SMTP if nobody listens there: see https://cr.yp.to/proto/mxps.txt.

Unlike 1.02: an exchanger whose preference is 12801, 12817 and so on to 13041 is sent mail by QMTP (MXPS); if it takes
no connection for that, by SMTP.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from twisted.internet import error
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.protocol import Factory

from qtwisted.deliver.host import reports
from qtwisted.deliver.host.mx import NowhereToGo
from qtwisted.deliver.host.routes import QMTP, QMTP_PORT, SMTP, SMTP_PORT
from qtwisted.deliver.host.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from twisted.internet.defer import Deferred

    from qtwisted.deliver.host.mx import Target
    from qtwisted.deliver.host.tcpto import Tcpto

CONNECT_WITHIN = 120
"""How long all attempts for one message may take together, in seconds."""
NEXT_AFTER = 30
"""How long an address may take while there are others to try."""
MXPS_FIRST, MXPS_LAST, MXPS_EACH = 12801, 13041, 16

_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server(NamedTuple):
    """One way to a server: address and port, the kind of dialogue (see routes), and on what terms."""

    address: str
    port: int = SMTP_PORT
    kind: bytes = SMTP
    terms: Terms = Terms()


class Dialogue(Protocol):
    """What every kind of session has: see session and qmtp_session."""

    opened: Deferred[Any]
    closed: Deferred[None]

    @property
    def is_idle(self) -> bool:
        """Tell whether the server waits for a message now."""

    def quit(self) -> None:
        """End politely."""

    def drop(self) -> None:
        """End at once."""


class Reached(NamedTuple):
    """A server that took the connection, and the session with it."""

    server: Server
    session: Dialogue


def servers(targets: Iterable[Target], on: Callable[[Target], Terms] = lambda _: Terms()) -> list[Server]:
    """Say how to reach the exchangers of a host, in order, and on what terms; QMTP cannot be encrypted."""
    found = []
    for target in targets:
        terms = on(target)
        if terms.demand_tls:
            found.append(Server(target.address, terms=terms))
            continue
        if MXPS_FIRST <= target.preference <= MXPS_LAST and (target.preference - MXPS_FIRST) % MXPS_EACH == 0:
            found.append(Server(target.address, QMTP_PORT, QMTP))
        found.append(Server(target.address, terms=terms))
    return found


class _Sessions(Factory[Any]):
    """Makes the one protocol of a connection."""

    noisy = False

    def __init__(self, make_session: Callable[[], Any]) -> None:
        """Call ``make_session`` once there is a connection."""
        self._make_session = make_session

    def buildProtocol(self, addr: Any) -> Any:
        """Give the new connection its session."""
        return self._make_session()


async def connect(
    reactor: Any,
    wanted: Sequence[Server],
    make_session: Callable[[Server], Dialogue],
    patience: float,
    tcpto: Tcpto | None,
    spread: int,
) -> Reached:
    """Connect to the first server that takes the connection; raise NowhereToGo if none does.

    Unlike 1.02: an address after which others can be tried is waited for 30 seconds at most, and all of them
    together for two minutes.
    """
    until = reactor.seconds() + CONNECT_WITHIN
    fair_try = min(patience, NEXT_AFTER)
    wanted = [server for server in wanted if tcpto is None or not tcpto.advises_against(server.address, spread)]
    for server in wanted:
        left = until - reactor.seconds()
        if left <= 0:
            break
        within = min(left, patience if server is wanted[-1] else fair_try)
        try:
            session = await _attempt(reactor, server, make_session, within)
        except (error.TimeoutError, error.TCPTimedOutError):
            if tcpto is not None and within >= fair_try and server.kind != QMTP:
                tcpto.timed_out(server.address)
        except error.ConnectError as trouble:
            if _errno(trouble) in _OUT_OF_RESOURCES:
                raise NowhereToGo(reports.NO_RESOURCES) from trouble
        else:
            if tcpto is not None:
                tcpto.connected(server.address)
            return Reached(server, session)
    raise NowhereToGo(reports.NO_CONNECTION)


async def _attempt(
    reactor: Any, server: Server, make_session: Callable[[Server], Dialogue], within: float
) -> Dialogue:
    """Try one server."""
    kind = TCP6ClientEndpoint if ":" in server.address else TCP4ClientEndpoint
    sessions: Any = _Sessions(lambda: make_session(server))
    session: Dialogue = await kind(reactor, server.address, server.port, timeout=within).connect(sessions)
    return session


def _errno(trouble: error.ConnectError) -> int | None:
    """Find the system's number of an error."""
    number: Any = trouble.osError
    return number if isinstance(number, int) else getattr(number, "errno", None)
