"""Tests: qtwisted.deliver.host.routes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.routes import Route, find_route, literal


class FindRouteTests(SynchronousTestCase):
    """control/smtproutes, as a mapping whose keys are folded."""

    def test_values(self) -> None:
        """A relay may be a name or an address, with or without a port."""
        for value, route in (
            (b"relay", Route(b"relay", 25)),
            (b"relay:2525", Route(b"relay", 2525)),
            (b"relay:25x", Route(b"relay", 25)),
            (b"relay:", Route(b"relay", 0)),
            (b"relay:abc", Route(b"relay", 0)),
            (b"relay:99999", Route(b"relay", 0)),
            (b"relay:99999999999999999999999", Route(b"relay", 0)),
            (b"[127.0.0.1]", Route(b"[127.0.0.1]", 25)),
            (b"[127.0.0.1]:2525", Route(b"[127.0.0.1]", 2525)),
            (b"[::1]", Route(b"[::1]", 25)),
            (b"[::1]:2525", Route(b"[::1]", 2525)),
            (b"[broken:2525", Route(b"[broken", 2525)),
            (b"relay\r", Route(b"relay\r", 25)),
            (b"relay:25\r", Route(b"relay", 25)),
            (b"relay:209:qmtp", Route(b"relay", 209, b"qmtp")),
            (b"relay:2209:QMTP", Route(b"relay", 2209, b"qmtp")),
            (b"relay::qmtp", Route(b"relay", 209, b"qmtp")),
            (b"relay:465:tls", Route(b"relay", 465, b"tls")),
            (b"relay::tls", Route(b"relay", 465, b"tls")),
            (b"[::1]:2525:qmtp", Route(b"[::1]", 2525, b"qmtp")),
            (b"relay:abc:qmtp", Route(b"relay", 0, b"qmtp")),
            (b"relay:25:else", Route(b"relay", 25)),
            (b"relay::", Route(b"relay", 0)),
            (b"relay:465:tls\r", Route(b"relay", 465, b"tls")),
            (b"", None),
            (b":25", None),
        ):
            self.assertEqual(find_route({b"": value}, b"any"), route, value)

    def test_order(self) -> None:
        """The whole host comes first, then its suffixes from left to right, then the empty key."""
        routes = {b"a.b.c": b"1", b".b.c": b"2", b".c": b"3", b"": b"4", b"c": b"5"}
        for host, relay in (
            (b"a.b.c", b"1"), (b"A.B.C", b"1"), (b"x.b.c", b"2"), (b"x.a.b.c", b"2"), (b"b.c", b"3"),
            (b"c", b"5"), (b"x", b"4"), (b"", b"4"), (b"a.b.c.", b"4"), (b"[127.0.0.3]", b"4"),
        ):
            self.assertEqual(find_route(routes, host), Route(relay), host)

    def test_empty_value_shadows(self) -> None:
        """A key without relay means the DNS, and hides less specific routes."""
        self.assertIsNone(find_route({b"two.test": b"", b"": b"relay.test"}, b"two.test"))

    def test_bracketed_host(self) -> None:
        """A host that is an address can be routed, whole or by suffix."""
        self.assertEqual(find_route({b"[127.0.0.3]": b"r"}, b"[127.0.0.3]"), Route(b"r"))
        self.assertEqual(find_route({b".3]": b"r"}, b"[127.0.0.3]"), Route(b"r"))

    def test_suffix_is_not_the_host(self) -> None:
        """A suffix matches hosts below a domain, not the domain."""
        routes = {b".two.test": b"relay:2525"}
        self.assertIsNone(find_route(routes, b"two.test"))
        self.assertEqual(find_route(routes, b"a.two.test"), Route(b"relay", 2525))

    def test_no_routes(self) -> None:
        """Without a match the DNS decides."""
        self.assertIsNone(find_route({}, b"any"))


class LiteralTests(SynchronousTestCase):
    """Hosts that are addresses."""

    def test_rows(self) -> None:
        """Addresses may stand in brackets, IPv6 addresses after their tag."""
        for host, address in (
            (b"[1.2.3.4]", "1.2.3.4"), (b"1.2.3.4", "1.2.3.4"), (b"[2001:DB8::1]", "2001:db8::1"),
            (b"[IPv6:2001:db8::1]", "2001:db8::1"), (b"::1", "::1"), (b"[]", None), (b"[1.2.3]", None),
            (b"[1.2.3.4", None), (b"1.2.3.4]", None), (b"[1.2.3.400]", None), (b"host", None), (b"", None),
            (b"[\xff]", None), (b"[1.2.3.4].x", None),
        ):
            self.assertEqual(literal(host), address, host)
