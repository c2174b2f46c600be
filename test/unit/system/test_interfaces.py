"""The addresses of this host."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.interfaces import ipv4_addresses, ipv6_addresses


class InterfaceTests(SynchronousTestCase):
    """What the kernel says."""

    def test_loopback(self) -> None:
        """127.0.0.1 is one of ours, 0.0.0.0 and the rest of 127 are not; each has four bytes."""
        found = ipv4_addresses()
        self.assertIn(bytes([127, 0, 0, 1]), found)
        self.assertFalse(found & {bytes(4), bytes([127, 0, 0, 2])})
        self.assertEqual({len(address) for address in found}, {4})

    def test_ipv6(self) -> None:
        """All IPv6 addresses count but those of one link only; a host without IPv6 has none."""
        path = self.mktemp()
        self.assertEqual(ipv6_addresses(path), frozenset())
        with open(path, "w", encoding="ascii") as file:
            file.write("00000000000000000000000000000001 01 80 10 80       lo\n"
                       "20010db8000000000000000000000007 02 40 00 00     eth0\n"
                       "fe80000000000000000000000000000a 02 40 20 80     eth0\n")
        self.assertEqual(ipv6_addresses(path), {bytes(15) + b"\1", bytes.fromhex("20010db8000000000000000000000007")})
