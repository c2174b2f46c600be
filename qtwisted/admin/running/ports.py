"""Listening ports: read what is to be opened, open it, and have it ready to hand to the fronts.

The master opens the ports, since only root may open some, and never accepts a connection on any of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import ServerFactory

from qtwisted.config.control import Control
from qtwisted.system.roles import SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from twisted.internet.defer import Deferred

PLAIN = ("tcp", "tcp6", "unix", "systemd")
"""Endpoints that are one socket and nothing around it, so that the socket alone can be handed on."""

PROXY = "haproxy:"

BACKLOG = 1024
"""How many connections may wait to be accepted; the 50 that endpoints have by themselves are gone in a small burst,
and whoever comes then tries again a second later."""


class StartError(Exception):
    """The mail system cannot be started; the text is one line for the operator."""


class Wish(NamedTuple):
    """One port that is wanted: for which service, described how, and who says so."""

    service: str
    endpoint: str
    source: str


class Listener(NamedTuple):
    """One open port: what its descriptor is called in the fronts, and whether a proxy speaks first on it."""

    name: str
    service: str
    port: Any
    proxied: bool

    def announcement(self) -> str:
        """Where it listens, for the log."""
        return f"{self.service}: listening on {place(self.port)}"


def place(port: Any) -> str:
    """The address of a port in words."""
    host = port.getHost()
    if isinstance(host, IPv4Address | IPv6Address):
        return f"{host.host} port {host.port}"
    return os.fsdecode(host.name or b"") if isinstance(host, UNIXAddress) else str(host)


def from_control(home: str) -> list[Wish]:
    """The ports that control/listen asks for: lines of a service and an endpoint."""
    return [wish(number, entry) for number, entry in Control(home).numbered("listen") or ()]


def wish(number: int, entry: bytes) -> Wish:
    """Read one line of control/listen."""
    source = f"control/listen line {number}"
    service, _, endpoint = entry.decode("utf-8", "backslashreplace").strip().partition(" ")
    if not endpoint:
        raise StartError(f"{source}: needs a service and an endpoint, such as: smtp tcp:25")
    if service not in SERVICES:
        raise StartError(f"{source}: there is no service {service}, only {', '.join(SERVICES)}")
    return Wish(service, endpoint.strip(), source)


def checked(wish: Wish) -> Wish:
    """Return *wish* if its endpoint is one whose socket can be handed to another process."""
    kind = wish.endpoint.removeprefix(PROXY).partition(":")[0]
    if kind.isdigit():
        raise StartError(f"{wish.source}: {wish.endpoint} is no endpoint; write tcp:{kind}")
    if kind not in PLAIN:
        raise StartError(f"{wish.source}: {wish.endpoint}: an endpoint here must be {' or '.join(PLAIN)}")
    return wish


def open_all(reactor: Any, wishes: Iterable[Wish]) -> list[Listener]:
    """Open every port that is wanted, or none: raises StartError for the first that cannot be had."""
    listeners: list[Listener] = []
    counts: dict[str, int] = {}
    try:
        for wish in wishes:
            number = counts.get(wish.service, 0)
            counts[wish.service] = number + 1
            port = _open(reactor, checked(wish))
            proxied = wish.endpoint.startswith(PROXY)
            listeners.append(Listener(f"{wish.service}{number}", wish.service, port, proxied))
    except StartError:
        close_all(listeners)
        raise
    return listeners


def _open(reactor: Any, wish: Wish) -> Any:
    """Open one port and make sure that we never accept on it."""
    endpoint = parsed(reactor, wish)
    nobody = ServerFactory()  # its fronts speak on this port; here nothing is ever accepted
    nobody.noisy = False
    try:
        port = _at_once(endpoint.listen(nobody))
    except error.CannotListenError as trouble:
        why = getattr(trouble.socketError, "strerror", None) or trouble.socketError
        raise StartError(f"{wish.source}: cannot listen on {wish.endpoint}: {why}") from None
    except Exception as trouble:
        raise StartError(f"{wish.source}: cannot listen on {wish.endpoint}: {trouble}") from None
    port.stopReading()
    return port


def parsed(reactor: Any, wish: Wish) -> Any:
    """The endpoint that is wished for."""
    try:
        return serverFromString(  # type: ignore[no-untyped-call]
            reactor, _with_backlog(wish.endpoint.removeprefix(PROXY)))
    except (ValueError, TypeError, KeyError, IndexError) as trouble:
        raise StartError(f"{wish.source}: {wish.endpoint} is no endpoint: {trouble}") from None


def _with_backlog(endpoint: str) -> str:
    """An endpoint with our backlog, unless it names its own or is a socket that somebody else has opened."""
    if endpoint.startswith("systemd") or ":backlog=" in endpoint:
        return endpoint
    return f"{endpoint}:backlog={BACKLOG}"


def _at_once(opening: Deferred[Any]) -> Any:
    """The result of an endpoint that listens without waiting, as all of the plain ones do."""
    results: list[Any] = []
    failures: list[Any] = []
    opening.addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    return results[0]


def close_all(listeners: Sequence[Listener]) -> None:
    """Close the ports here; in the fronts they stay open."""
    for listener in listeners:
        listener.port.stopListening()
