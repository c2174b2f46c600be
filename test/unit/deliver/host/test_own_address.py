"""Tests: qtwisted.deliver.host.own_address."""

from __future__ import annotations

import errno

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host import own_address
from qtwisted.deliver.host.own_address import is_ours


class Kernel:
    """Stands for the module ``socket``: addresses in a set can be bound."""

    AF_INET, AF_INET6, SOCK_DGRAM = 2, 10, 2

    def __init__(self, *addresses: str, trouble: int = errno.EADDRNOTAVAIL) -> None:
        """Have these addresses."""
        self.addresses = addresses
        self.trouble = trouble

    def socket(self, family: int, kind: int) -> Kernel:
        """Open a socket."""
        return self

    def __enter__(self) -> Kernel:
        """Use it."""
        return self

    def __exit__(self, *problem: object) -> None:
        """Close it."""

    def bind(self, address: tuple[str, int]) -> None:
        """Bind it, if the address is ours."""
        if address[0] not in self.addresses:
            raise OSError(self.trouble, "no")


class OwnAddressTests(SynchronousTestCase):
    """Which addresses are this host's."""

    def test_rows(self) -> None:
        """Those of its interfaces, 127.0.0.1, and those that mean any."""
        bound = ("192.0.2.1", "2001:db8::1", "127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "224.0.0.1")
        self.patch(own_address, "socket", Kernel(*bound))
        for address, ours in (
            ("192.0.2.1", True), ("192.0.2.2", False), ("2001:db8::1", True), ("2001:db8::2", False),
            ("127.0.0.1", True), ("127.0.0.2", False), ("0.0.0.0", True), ("::1", True), ("::", True),
            ("224.0.0.1", False),
        ):
            self.assertEqual(is_ours(address), ours, address)

    def test_no_ipv6(self) -> None:
        """On a host without IPv6 no IPv6 address is its own."""
        self.patch(own_address, "socket", Kernel(trouble=errno.EAFNOSUPPORT))
        self.assertFalse(is_ours("2001:db8::1"))

    def test_trouble(self) -> None:
        """Want of descriptors is told, and is no answer."""
        self.patch(own_address, "socket", Kernel(trouble=errno.EMFILE))
        self.assertRaises(OSError, is_ours, "192.0.2.1")
