"""control/listen: can each line be read, and can its port be had?"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.checks import PORT, VALUE, Finding
from qtwisted.admin.running import ports, serving
from qtwisted.config.control import Control, ControlError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from qtwisted.admin.running.ports import Wish

FROM_STRANGERS = ("smtp", "qmtp")
_LISTENING = "0A"  # the state in /proc/net/tcp


class Place(NamedTuple):
    """What a port would be opened with."""

    port: int
    interface: str


class Asked:
    """In the place of a reactor: notes what it is asked to listen on, and does not."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self.places: list[Place] = []

    def listenTCP(self, port: int, factory: object, backlog: int = 50, interface: str = "") -> None:
        """Note a port."""
        self.places.append(Place(port, interface))

    def listenUNIX(self, *what: object, **how: object) -> None:
        """A path in the file system is nobody else's business."""

    def adoptStreamPort(self, *what: object) -> None:
        """What somebody else has opened is open."""


def check(home: str) -> Iterator[Finding]:
    """Look at every line."""
    control = Control(home)
    try:
        entries = control.numbered("listen") or []
    except ControlError:
        return  # said of the value
    seen: dict[Place, int] = {}
    services = set()
    for at, entry in entries:
        try:
            wish = ports.checked(ports.wish(at, entry))
            places = asked_for(wish)
        except ports.StartError as trouble:
            text = str(trouble).removeprefix(f"control/listen line {at}: ")
            yield Finding(VALUE, control.path("listen"), at, text)
            continue
        services.add(wish.service)
        for place in places:
            why = f"asks for the same port as line {seen[place]}" if place in seen else taken(home, place)
            seen.setdefault(place, at)
            if why is not None:
                yield Finding(PORT, control.path("listen"), at, why)
    if services.intersection(FROM_STRANGERS) and not os.path.exists(control.path("rcpthosts")):
        yield Finding(VALUE, control.path("rcpthosts"), None,
                      "does not exist, so that everybody may send mail to anybody through this host")


def asked_for(wish: Wish) -> list[Place]:
    """The ports that an endpoint would open; none for sockets that somebody else has opened."""
    if wish.endpoint.removeprefix(ports.PROXY).startswith("systemd"):
        return []
    reactor: Any = Asked()
    ports.parsed(reactor, wish).listen(None)
    places: list[Place] = [place for place in reactor.places if place.port]
    return places


def taken(home: str, place: Place) -> str | None:
    """Why a port cannot be had; None if it can, if our own system has it, or if we are not allowed to know."""
    trouble = attempt(place)
    if trouble is None or trouble.errno in (errno.EACCES, errno.EPERM):
        return None
    where = f"port {place.port}" + (f" of {place.interface}" if place.interface else "")
    if trouble.errno != errno.EADDRINUSE:
        return f"{where} cannot be had: {trouble.strerror}"
    return None if is_ours(home, place) else f"{where} is taken by another program"


def attempt(place: Place) -> OSError | None:
    """Bind the address for a moment, as the master would; gives what the system says against it."""
    family = socket.AF_INET6 if ":" in place.interface else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((place.interface, place.port))
            probe.listen(1)
    except OSError as trouble:
        return trouble
    return None


def is_ours(home: str, place: Place) -> bool:
    """Does the running master of this home hold a listening socket on this port? Also true if nobody lets us look."""
    master = serving.master(home)
    if master is None:
        return False
    try:
        held = {os.readlink(f"/proc/{master}/fd/{fd}") for fd in os.listdir(f"/proc/{master}/fd")}
    except OSError:
        return True
    return bool(held & {f"socket:[{inode}]" for inode in listeners(place.port)})


def listeners(port: int) -> Iterator[str]:
    """The inode numbers of all TCP sockets that listen on a port (proc(5), /proc/net/tcp)."""
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{table}", encoding="ascii") as file:
                rows = [line.split() for line in file][1:]
        except OSError:
            continue
        for row in rows:
            if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port:
                yield row[9]
