"""The name of a client's host is believed only where it leads back."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.trust.dns import LookupFailed, NoSuchName, Resolver
from qtwisted.trust.nameservers import Nameserver
from qtwisted.trust.peername import PeerNames, peer_name
from test.kit.names import MemoryBackend, Names, follow_clock


class TableResolver:
    """Answers from two tables, where an exception is an answer, too."""

    def __init__(self, pointers: dict[str, Any], addresses: dict[bytes, Any]) -> None:
        """Take the tables."""
        self._pointers = pointers
        self._addresses = addresses

    def pointers(self, address: str) -> Deferred[list[bytes]]:
        """Find the names of an address."""
        return self._answer(self._pointers.get(address, NoSuchName()))

    def addresses(self, name: bytes) -> Deferred[list[str]]:
        """Find the addresses of a name."""
        return self._answer(self._addresses.get(name, NoSuchName()))

    def _answer(self, found: Any) -> Deferred[Any]:
        """Give an answer."""
        return fail(found) if isinstance(found, Exception) else succeed(found)


class PeerNameTests(SynchronousTestCase):
    """peer_name."""

    def find(self, ip: bytes, names: Any, addresses: dict[bytes, Any]) -> bytes | None:
        """Find a name where the address has these names, and these have these addresses."""
        resolver = TableResolver({"192.0.2.7": names, "2001:db8::7": names}, addresses)
        return self.successResultOf(Deferred.fromCoroutine(peer_name(resolver, ip)))

    def test_rows(self) -> None:
        """The first name that leads back counts, in small letters."""
        here, away = ["192.0.2.1", "192.0.2.7"], ["192.0.2.1"]
        for names, addresses, wanted in (
            ([b"A.Example"], {b"A.Example": here}, b"a.example"),
            ([b"a"], {b"a": away}, None),
            ([b"a", b"b"], {b"a": away, b"b": here}, b"b"),
            ([b"a", b"b"], {b"b": here}, b"b"),
            ([b"a", b"b"], {b"a": LookupFailed(), b"b": here}, b"b"),
            ([b"a"], {b"a": LookupFailed()}, None),
            ([b"1", b"2", b"3", b"4", b"5", b"6"], {b"6": here}, None),
            (NoSuchName(), {}, None),
            (LookupFailed(), {}, None),
        ):
            self.assertEqual(self.find(b"192.0.2.7", names, addresses), wanted, (names, addresses))

    def test_ipv6(self) -> None:
        """An IPv6 address is compared as an address, not as text."""
        self.assertEqual(self.find(b"2001:0db8::0007%eth0", [b"a"], {b"a": ["2001:db8::7"]}), b"a")

    def test_no_address(self) -> None:
        """What is no address has no name."""
        self.assertIsNone(self.find(b"unknown", [b"a"], {}))


class PointerTests(SynchronousTestCase):
    """The resolver's part."""

    def test_packets(self) -> None:
        """Names of addresses of both families are found, through aliases as well (RFC 2317)."""
        clock = Clock()
        follow_clock(self, clock)
        names = Names()
        names.add("7.2.0.192.in-addr.arpa", "CNAME", "7.sub.2.0.192.in-addr.arpa.")
        names.add("7.sub.2.0.192.in-addr.arpa", "PTR", "a.example.", "b.example.")
        names.add("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", "six.example.")
        resolver = Resolver(clock, lambda: [Nameserver("192.0.2.53")], MemoryBackend(names, clock))
        found = self.successResultOf(resolver.pointers("192.0.2.7"))
        self.assertEqual(sorted(found), [b"a.example", b"b.example"])
        self.assertEqual(self.successResultOf(resolver.pointers("2001:db8::7")), [b"six.example"])
        self.failureResultOf(resolver.pointers("192.0.2.8"), NoSuchName)

    def test_name_servers_of_the_home(self) -> None:
        """A home's own name servers are asked; where none can be asked there is no name."""
        home = self.mktemp()
        self.assertIsNone(self.successResultOf(PeerNames(Clock(), home).find(b"unknown")))
