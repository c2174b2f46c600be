"""The name of the host at an address, believed only where the name leads back to the address.

Anybody may give his address any name (a PTR record); which addresses a name has is said by the owner of the name.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from qtwisted.config.control import Control
from qtwisted.trust.dns import LookupFailed, NoSuchName, Resolver
from qtwisted.trust.nameservers import nameservers

if TYPE_CHECKING:
    from typing import Protocol

    class IReverse(Protocol):
        """The part of a resolver that is needed here."""

        def pointers(self, address: str) -> Deferred[list[bytes]]:
            """Find the names given to an address."""

        def addresses(self, name: bytes) -> Deferred[list[str]]:
            """Find the addresses of a host."""


#: of so many names of one address the first that leads back counts
NAMES_MAX = 5


async def peer_name(resolver: IReverse, ip: bytes) -> bytes | None:
    """Find the name of the host at an address, in small letters; None where it has none that can be believed."""
    try:
        address = str(ipaddress.ip_address(ip.decode("ascii").partition("%")[0]))
        names = await resolver.pointers(address)
    except (ValueError, NoSuchName, LookupFailed):
        return None
    for name in names[:NAMES_MAX]:
        try:
            if address in await resolver.addresses(name):
                return name.lower()
        except (NoSuchName, LookupFailed):
            continue
    return None


class PeerNames:
    """Finds names, with the name servers of a home."""

    def __init__(self, reactor: Any, home: str) -> None:
        """Ask nothing yet."""
        self._resolver = Resolver(reactor, nameservers(Control(home)))

    def find(self, ip: bytes) -> Deferred[bytes | None]:
        """Find the name of the host at an address."""
        return Deferred.fromCoroutine(peer_name(self._resolver, ip))
