"""Limits on what one client address may try, so that nobody can guess passwords fast."""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: addresses remembered before those are forgotten that have nothing left against them
_ROOM = 10000
_NETWORK_SIZE = 8


class Attempts:
    """Failed attempts of each address: so many are allowed at once, and they are forgiven evenly over a time.

    An attempt counts when it begins, so that many at the same time are not more than many in a row.
    """

    def __init__(self, most: int, forgiven_for: float, clock: Callable[[], float]) -> None:
        """Allow *most* failures, 0 for any number, that are forgiven in *forgiven_for* seconds."""
        #: may be changed at any time
        self.most = most
        self._forgiven_for = forgiven_for
        self._clock = clock
        #: how many count against an address, and when that was so
        self._against: dict[bytes, tuple[float, float]] = {}

    def begin(self, client: bytes) -> bool:
        """Count an attempt that may fail; say whether it may be made."""
        if not self.may_try(client):
            return False
        self._add(client, 1.0)
        return True

    def succeeded(self, client: bytes) -> None:
        """Count one attempt less."""
        self._add(client, -1.0)

    def may_try(self, client: bytes) -> bool:
        """May this address try once more?"""
        return not self.most or self._count(_network(client)) + 1 <= self.most

    def _add(self, client: bytes, change: float) -> None:
        """Change the count of an address."""
        if not self.most:
            return
        key = _network(client)
        if len(self._against) >= _ROOM:
            self._against = {name: entry for name, entry in self._against.items() if self._count(name) > 0}
        self._against[key] = (max(self._count(key) + change, 0.0), self._clock())

    def _count(self, key: bytes) -> float:
        """Say how many count against an address now."""
        count, at = self._against.get(key, (0.0, 0.0))
        return max(count - (self._clock() - at) * self.most / self._forgiven_for, 0.0)


def _network(client: bytes) -> bytes:
    """Take all addresses for one that one IPv6 host may have: those of the same /64."""
    if b":" not in client:
        return client
    try:
        return socket.inet_pton(socket.AF_INET6, client.decode("ascii", "replace"))[:_NETWORK_SIZE]
    except OSError:
        return client
