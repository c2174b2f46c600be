"""Clients that may relay are recognised by address, prefix or network."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import Control, ControlError
from qtwisted.config.relay import RelayClients, relayclients


class RelayTests(SynchronousTestCase):
    """control/relayclients."""

    def load(self, text: bytes) -> RelayClients:
        """Load a file."""
        home = self.mktemp()
        os.makedirs(f"{home}/control")
        with open(f"{home}/control/relayclients", "wb") as file:
            file.write(text)
        return relayclients(Control(home))

    def test_addresses(self) -> None:
        """An address stands for itself, however an IPv6 address is written."""
        clients = self.load(b"192.0.2.7\n2001:db8::7\n")
        self.assertTrue(clients.allow(b"192.0.2.7"))
        self.assertFalse(clients.allow(b"192.0.2.70"))
        self.assertTrue(clients.allow(b"2001:0db8:0:0:0:0:0:7"))
        self.assertFalse(clients.allow(b"2001:db8::8"))

    def test_prefixes(self) -> None:
        """A prefix ends with a dot or a colon and matches whole numbers only."""
        clients = self.load(b"10.\n192.168.7.\n2001:db8:\n")
        for client, allowed in (
            (b"10.255.0.1", True),
            (b"100.1.1.1", False),
            (b"192.168.7.9", True),
            (b"192.168.70.9", False),
            (b"2001:db8:ffff::1", True),
            (b"2001:db80::1", False),
        ):
            self.assertEqual(clients.allow(client), allowed, client)

    def test_networks(self) -> None:
        """Networks of any length, of both versions."""
        clients = self.load(b"192.0.2.128/25\n2001:db8:8000::/33\n")
        for client, allowed in (
            (b"192.0.2.128", True),
            (b"192.0.2.127", False),
            (b"2001:db8:8000::1", True),
            (b"2001:db8:7fff::1", False),
        ):
            self.assertEqual(clients.allow(client), allowed, client)

    def test_versions_do_not_mix(self) -> None:
        """Everything of one version is nothing of the other."""
        self.assertFalse(self.load(b"0.0.0.0/0\n").allow(b"::1"))
        self.assertFalse(self.load(b"::/0\n").allow(b"127.0.0.1"))

    def test_mapped_addresses(self) -> None:
        """An IPv4 client on an IPv6 socket is an IPv4 client."""
        self.assertTrue(self.load(b"10.\n").allow(b"::ffff:10.1.2.3"))
        self.assertFalse(self.load(b"::/0\n").allow(b"::ffff:10.1.2.3"))

    def test_interface(self) -> None:
        """The interface behind a link-local address does not matter."""
        self.assertTrue(self.load(b"fe80::/10\n").allow(b"fe80::1%eth0"))

    def test_no_address(self) -> None:
        """What is no address may never relay."""
        clients = self.load(b"0.0.0.0/0\n::/0\n")
        for client in (b"unknown", b"", b"\xff", b"10.1", b"10.0.0.1 "):
            self.assertFalse(clients.allow(client))

    def test_missing_or_empty(self) -> None:
        """Without the file, or without entries, nobody may relay."""
        self.assertFalse(relayclients(Control(self.mktemp())).allow(b"127.0.0.1"))
        self.assertFalse(self.load(b"# nobody\n").allow(b"127.0.0.1"))

    def test_nonsense(self) -> None:
        """A line that makes no sense is an error with its number: nobody may relay by a mistake."""
        for line in (b"10", b"10.0.0.1/8", b"300.", b"1.2.3.4.5.", b".", b"localhost", b"\xff", b"10.:x", b":"):
            error = self.assertRaises(ControlError, self.load, b"# c\n127.\n" + line + b"\n")
            self.assertEqual(str(error), "control/relayclients line 3: is not an address, a prefix or a network")
