"""The addresses of this host."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.interfaces import ipv4_addresses


class InterfaceTests(SynchronousTestCase):
    """What the kernel says."""

    def test_loopback(self) -> None:
        """127.0.0.1 is one of ours, 0.0.0.0 and the rest of 127 are not; each has four bytes."""
        found = ipv4_addresses()
        self.assertIn(bytes([127, 0, 0, 1]), found)
        self.assertFalse(found & {bytes(4), bytes([127, 0, 0, 2])})
        self.assertEqual({len(address) for address in found}, {4})
