"""MX: finds the addresses that take the mail of a host, in the order in which to try them.

Rules the file keeps (RFC 5321 5.1, RFC 7505, and dns.c of qmail):

* Exchangers are tried by preference; among equals the order is drawn anew each time, each order as likely as any.
* The addresses of one exchanger stay together. An address found twice counts where it was found first.
* If this host is an exchanger, only those strictly better than it are tried: mail never goes in a circle.
* Mail for a host is never refused because somebody else's name server did not answer.

Unlike 1.02: hosts may have IPv6 addresses, which are tried after the IPv4 addresses of the same exchanger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredList, TimeoutError

from qtwisted.deliver.host import reports
from qtwisted.deliver.host.routes import literal
from qtwisted.trust.dns import LookupFailed, Mx, NoSuchName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qtwisted.trust.dns import IResolver

EXCHANGERS_MAX = 30
FIND_WITHIN = 60.0


class Target(NamedTuple):
    """An address to try, with the preference it was found under, and the name."""

    address: str
    preference: int = 0
    host: bytes = b""


class NowhereToGo(Exception):
    """There is no address to try; ``report`` says it in the words of qmail-remote."""

    def __init__(self, report: bytes) -> None:
        """Hold the report."""
        super().__init__(report)
        self.report = report


def in_order(exchangers: Iterable[Mx], choose: Callable[[int], int]) -> list[Mx]:
    """Sort exchangers; ``choose(n)`` draws a number below n where several are equal."""
    left = sorted(exchangers)
    ordered = []
    while left:
        equals = sum(1 for exchanger in left if exchanger.preference == left[0].preference)
        ordered.append(left.pop(choose(equals)))
    return ordered


def better_than_ours(targets: list[Target], is_ours: Callable[[str], bool]) -> list[Target]:
    """Leave out this host's addresses, and all that are not preferred to them."""
    ours = [target.preference for target in targets if is_ours(target.address)]
    return [target for target in targets if target.preference < min(ours)] if ours else targets


class Finder:
    """Finds the addresses for hosts."""

    def __init__(
        self,
        reactor: Any,
        resolver: IResolver,
        is_ours: Callable[[str], bool],
        choose: Callable[[int], int],
    ) -> None:
        """Take what is asked about names, about addresses, and for chance."""
        self._reactor = reactor
        self._resolver = resolver
        self._is_ours = is_ours
        self._choose = choose

    async def relay(self, relay: bytes) -> list[Target]:
        """Find the addresses of a relay; it may be this host. Raises NowhereToGo."""
        address = literal(relay)
        if address is not None:
            return [Target(address, 0, relay)]
        found: list[Target] = await self._in_time(self._host(relay))
        return found

    async def exchangers(self, host: bytes) -> list[Target]:
        """Find the addresses that take the mail of a host. Raises NowhereToGo."""
        targets, doubtful = await self._in_time(self._all(host))
        wanted = better_than_ours(targets, self._is_ours)
        if wanted:
            return wanted
        # Unlike 1.02: if this host is the best exchanger known, but the addresses of another could not be looked
        # up, the other may be better, and the mail waits.
        raise NowhereToGo(reports.DNS_TROUBLE if doubtful else reports.WE_ARE_BEST)

    async def _in_time(self, search: Any) -> Any:
        """Bound the time of a search, however many names have to be looked up."""
        try:
            return await Deferred.fromCoroutine(search).addTimeout(FIND_WITHIN, self._reactor)
        except (LookupFailed, TimeoutError):
            raise NowhereToGo(reports.DNS_TROUBLE) from None

    async def _host(self, host: bytes) -> list[Target]:
        """Find the addresses of one host, which has no say about preferences."""
        try:
            addresses = await self._resolver.addresses(host)
        except NoSuchName:
            raise NowhereToGo(reports.no_such_host(host)) from None
        if not addresses:
            raise NowhereToGo(reports.NO_ADDRESS)
        return [Target(address, 0, host) for address in addresses]

    async def _all(self, host: bytes) -> tuple[list[Target], bool]:
        """Find all targets, and tell whether there may be more."""
        address = literal(host)
        if address is not None:
            return [Target(address, 0, host)], False
        try:
            exchangers = await self._resolver.mx(host)
        except NoSuchName:
            exchangers = []
        if not exchangers:
            return await self._host(host), False
        # RFC 7505: an empty name takes no mail.
        named = [exchanger for exchanger in exchangers if exchanger.host]
        targets, doubtful = await self._addresses(in_order(named, self._choose)[:EXCHANGERS_MAX])
        if not targets:
            raise NowhereToGo(reports.DNS_TROUBLE if doubtful else reports.NO_ADDRESS)
        return targets, doubtful

    async def _addresses(self, exchangers: list[Mx]) -> tuple[list[Target], bool]:
        """Find the addresses of exchangers, all at once, and tell whether a name server failed on the way."""
        lookups = [self._resolver.addresses(exchanger.host) for exchanger in exchangers]
        results: list[tuple[bool, Any]] = await DeferredList(lookups, consumeErrors=True)
        found: dict[str, Target] = {}
        doubtful = False
        for exchanger, (succeeded, result) in zip(exchangers, results, strict=True):
            if succeeded:
                for address in result:
                    found.setdefault(address, Target(address, exchanger.preference, exchanger.host))
            elif not result.check(NoSuchName):
                doubtful = True
        return list(found.values()), doubtful
