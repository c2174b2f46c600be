"""Tests: qtwisted.deliver.host.mx."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host import reports
from qtwisted.deliver.host.mx import FIND_WITHIN, Finder, NowhereToGo, Target, in_order
from qtwisted.trust.dns import Mx
from test.kit.resolver import BROKEN, SILENT, TableResolver

OURS = "127.0.0.1"


class OrderTests(SynchronousTestCase):
    """Exchangers are sorted, equals at random."""

    def test_preference(self) -> None:
        """The lowest number comes first, from 0 to 65535."""
        exchangers = [Mx(65535, b"d"), Mx(20, b"c"), Mx(0, b"a"), Mx(10, b"b")]
        self.assertEqual([exchanger.host for exchanger in in_order(exchangers, lambda below: 0)],
                         [b"a", b"b", b"c", b"d"])

    def test_equals_are_drawn_uniformly(self) -> None:
        """Each order of equals is as likely as any other."""
        draw = Random(1).randrange
        exchangers = [Mx(10, b"a"), Mx(10, b"b"), Mx(10, b"c"), Mx(20, b"z")]
        runs = 6000
        seen = Counter(bytes(exchanger.host[0] for exchanger in in_order(exchangers, draw)) for _ in range(runs))
        self.assertEqual(set(seen), {bytes(order) + b"z" for order in permutations(b"abc")})
        for count in seen.values():
            self.assertTrue(runs / 6 * 0.85 < count < runs / 6 * 1.15, seen)


class FinderCase(SynchronousTestCase):
    """Finds addresses in tables."""

    def find(self, host: bytes, mx: dict[bytes, Any] | None = None, hosts: dict[bytes, Any] | None = None,
             relay: bool = False) -> Any:
        """Begin to look for the addresses of a host."""
        self.clock = Clock()
        self.resolver = TableResolver(mx, hosts)
        finder = Finder(self.clock, self.resolver, lambda address: address == OURS, lambda below: 0)
        return Deferred.fromCoroutine(finder.relay(host) if relay else finder.exchangers(host))

    def found(self, *arguments: Any, **more: Any) -> list[tuple[str, int]]:
        """Find them."""
        return [target[:2] for target in self.successResultOf(self.find(*arguments, **more))]

    def check_nowhere(self, report: bytes, *arguments: Any, **more: Any) -> None:
        """Find that there is nowhere to go."""
        failure = self.failureResultOf(self.find(*arguments, **more), NowhereToGo)
        self.assertEqual(failure.value.report, report)


class ExchangerTests(FinderCase):
    """Addresses that take the mail of a host."""

    HOSTS: dict[bytes, Any] = {
        b"a": ["192.0.2.1", "2001:db8::1"], b"b": ["192.0.2.2"], b"me": [OURS], b"none": [], b"broken": BROKEN,
        b"silent": SILENT}

    def test_in_order_of_preference(self) -> None:
        """All addresses of the best exchanger come first, with its preference."""
        self.assertEqual(self.found(b"h", {b"h": [(20, b"b"), (10, b"a")]}, self.HOSTS),
                         [("192.0.2.1", 10), ("2001:db8::1", 10), ("192.0.2.2", 20)])

    def test_host_itself(self) -> None:
        """A host without exchangers takes its mail itself."""
        self.assertEqual(self.found(b"b", {}, self.HOSTS), [("192.0.2.2", 0)])
        self.assertEqual(self.resolver.asked, [("mx", b"b"), ("addresses", b"b")])

    def test_literal(self) -> None:
        """A host that is an address needs no DNS."""
        self.assertEqual(self.found(b"[192.0.2.9]"), [("192.0.2.9", 0)])
        self.assertEqual(self.found(b"[IPv6:2001:db8::9]"), [("2001:db8::9", 0)])
        self.assertEqual(self.resolver.asked, [])

    def test_no_such_host(self) -> None:
        """A host that does not exist is refused by name."""
        self.check_nowhere(b"DSorry, I couldn't find any host named nx.test. (#5.1.2)\n", b"nx.test")

    def test_null_exchanger(self) -> None:
        """A host that takes no mail is refused at once; its addresses are not looked up."""
        for preference in (0, 10):
            self.check_nowhere(reports.NO_ADDRESS, b"a", {b"a": [(preference, b"")]}, self.HOSTS)
            self.assertEqual(self.resolver.asked, [("mx", b"a")])

    def test_null_exchanger_among_others(self) -> None:
        """Beside a real exchanger an empty one does not count."""
        self.assertEqual(self.found(b"h", {b"h": [(0, b""), (10, b"b")]}, self.HOSTS), [("192.0.2.2", 10)])

    def test_no_address(self) -> None:
        """Exchangers, or a host, without addresses are refused."""
        self.check_nowhere(reports.NO_ADDRESS, b"h", {b"h": [(1, b"nx"), (2, b"none")]}, self.HOSTS)
        self.check_nowhere(reports.NO_ADDRESS, b"none", {}, self.HOSTS)

    def test_trouble(self) -> None:
        """If a name server fails, and nothing was found, the mail waits."""
        self.check_nowhere(reports.DNS_TROUBLE, b"h", {b"h": BROKEN}, self.HOSTS)
        self.check_nowhere(reports.DNS_TROUBLE, b"broken", {}, self.HOSTS)
        self.check_nowhere(reports.DNS_TROUBLE, b"h", {b"h": [(1, b"broken"), (2, b"nx")]}, self.HOSTS)

    def test_trouble_with_one(self) -> None:
        """If a name server fails for one exchanger, the others are used."""
        self.assertEqual(self.found(b"h", {b"h": [(10, b"broken"), (20, b"b")]}, self.HOSTS), [("192.0.2.2", 20)])

    def test_same_address_twice(self) -> None:
        """An address is tried once, where it comes first."""
        hosts = {b"a": ["192.0.2.1"], b"b": ["192.0.2.1", "192.0.2.3"]}
        self.assertEqual(self.found(b"h", {b"h": [(1, b"a"), (2, b"b"), (3, b"a")]}, hosts),
                         [("192.0.2.1", 1), ("192.0.2.3", 2)])

    def test_time_is_bounded(self) -> None:
        """After a minute without the last address the mail waits."""
        finding = self.find(b"h", {b"h": [(1, b"silent")]}, self.HOSTS)
        self.clock.advance(FIND_WITHIN - 1)
        self.assertNoResult(finding)
        self.clock.advance(1)
        self.assertEqual(self.failureResultOf(finding, NowhereToGo).value.report, reports.DNS_TROUBLE)


class WeAreTests(FinderCase):
    """This host among the exchangers."""

    HOSTS = ExchangerTests.HOSTS

    def test_better_ones_are_tried(self) -> None:
        """Only exchangers strictly better than this host are tried."""
        self.assertEqual(self.found(b"h", {b"h": [(10, b"b"), (20, b"me"), (30, b"a")]}, self.HOSTS),
                         [("192.0.2.2", 10)])

    def test_best(self) -> None:
        """If there are none, the mail would come back: it is refused."""
        for exchangers in ([(10, b"me")], [(10, b"me"), (20, b"b")], [(10, b"me"), (10, b"b")]):
            self.check_nowhere(reports.WE_ARE_BEST, b"h", {b"h": exchangers}, self.HOSTS)
        self.check_nowhere(reports.WE_ARE_BEST, b"me", {}, self.HOSTS)
        self.check_nowhere(reports.WE_ARE_BEST, b"[127.0.0.1]")

    def test_exchanger_is_localhost(self) -> None:
        """An exchanger that calls itself localhost is this host: nobody connects to himself (D07)."""
        hosts = {**self.HOSTS, b"localhost": ["127.0.0.1", "::1"]}
        self.check_nowhere(reports.WE_ARE_BEST, b"h", {b"h": [(0, b"localhost")]}, hosts)

    def test_best_as_far_as_known(self) -> None:
        """If a better one may only not have been found, the mail waits."""
        self.check_nowhere(reports.DNS_TROUBLE, b"h", {b"h": [(10, b"broken"), (20, b"me")]}, self.HOSTS)

    def test_relay_may_be_this_host(self) -> None:
        """A relay is used even if it is this host."""
        self.assertEqual(self.found(b"me", {}, self.HOSTS, relay=True), [(OURS, 0)])
        self.assertEqual(self.found(b"[127.0.0.1]", relay=True), [(OURS, 0)])


class RelayTests(FinderCase):
    """Addresses of a relay."""

    def test_by_address_only(self) -> None:
        """The exchangers of a relay are not asked for."""
        self.assertEqual(self.found(b"b", {b"b": [(1, b"a")]}, ExchangerTests.HOSTS, relay=True), [("192.0.2.2", 0)])

    def test_missing(self) -> None:
        """A relay that does not exist is told by its name."""
        self.check_nowhere(b"DSorry, I couldn't find any host named relay. (#5.1.2)\n", b"relay", relay=True)

    def test_trouble(self) -> None:
        """If the relay cannot be looked up, the mail waits."""
        self.check_nowhere(reports.DNS_TROUBLE, b"r", {}, {b"r": BROKEN}, relay=True)
        self.assertEqual(Target("1.2.3.4"), Target("1.2.3.4", 0))
