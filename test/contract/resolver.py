"""What every IResolver promises. A test case inherits this and says how to make a resolver of two tables."""

from __future__ import annotations

from typing import Any

from qtwisted.trust.dns import IResolver, LookupFailed, Mx, NoSuchName
from test.kit.resolver import BROKEN


class ResolverPromises:
    """The promises; ``make(mx, hosts)`` gives a resolver of tables as test.kit.resolver has them."""

    make: Any
    successResultOf: Any
    failureResultOf: Any
    assertEqual: Any

    def filled(self) -> IResolver:
        """A resolver with one name of each sort."""
        made: IResolver = self.make(
            {
                b"example.org": [(10, b"a.example.org"), (20, b"b.example.org")],
                b"null.example": [(0, b"")],
                b"broken.example": BROKEN,
            },
            {
                b"a.example.org": ["192.0.2.1", "192.0.2.2", "2001:db8::1"],
                b"b.example.org": ["2001:db8::2"],
                b"nowhere.example": [],
                b"broken.example": BROKEN,
            },
        )
        return made

    def test_exchangers(self) -> None:
        """The exchangers of a domain are found, each with its preference."""
        found = self.successResultOf(self.filled().mx(b"example.org"))
        self.assertEqual(sorted(found), [Mx(10, b"a.example.org"), Mx(20, b"b.example.org")])

    def test_case_does_not_matter(self) -> None:
        """Names are the same in capitals."""
        self.assertEqual(len(self.successResultOf(self.filled().mx(b"EXAMPLE.org"))), 2)

    def test_final_dot_does_not_matter(self) -> None:
        """Names are the same with a dot at the end."""
        self.assertEqual(len(self.successResultOf(self.filled().mx(b"example.org."))), 2)

    def test_root_exchanger_is_empty(self) -> None:
        """The exchanger that says no mail is taken has an empty name."""
        self.assertEqual(self.successResultOf(self.filled().mx(b"null.example")), [Mx(0, b"")])

    def test_host_without_exchanger(self) -> None:
        """A host that exists but has no exchanger is a failure that will last."""
        self.failureResultOf(self.filled().mx(b"a.example.org"), NoSuchName)

    def test_no_such_name(self) -> None:
        """A name that does not exist is a failure that will last."""
        self.failureResultOf(self.filled().mx(b"nx.example"), NoSuchName)
        self.failureResultOf(self.filled().addresses(b"nx.example"), NoSuchName)

    def test_broken_server(self) -> None:
        """A server that fails is a failure that may go away."""
        self.failureResultOf(self.filled().mx(b"broken.example"), LookupFailed)
        self.failureResultOf(self.filled().addresses(b"broken.example"), LookupFailed)

    def test_addresses(self) -> None:
        """All addresses of a host are found, IPv4 first."""
        found = self.successResultOf(self.filled().addresses(b"a.example.org"))
        self.assertEqual(sorted(found[:2]), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(found[2:], ["2001:db8::1"])

    def test_ipv6_only(self) -> None:
        """A host may have IPv6 addresses only."""
        found = self.successResultOf(self.filled().addresses(b"b.example.org"))
        self.assertEqual(found, ["2001:db8::2"])

    def test_alias_of_nothing(self) -> None:
        """A name that exists as an alias, but leads to no address, has none."""
        self.assertEqual(self.successResultOf(self.filled().addresses(b"nowhere.example")), [])

    def test_answers_are_the_callers(self) -> None:
        """What a caller does to an answer changes no other answer."""
        resolver = self.filled()
        self.successResultOf(resolver.addresses(b"b.example.org")).clear()
        self.successResultOf(resolver.mx(b"example.org")).clear()
        self.assertEqual(len(self.successResultOf(resolver.addresses(b"b.example.org"))), 1)
        self.assertEqual(len(self.successResultOf(resolver.mx(b"example.org"))), 2)
