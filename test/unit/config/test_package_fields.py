"""The slices of the servers of QMTP and QMQP."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import Control, ControlError
from qtwisted.config.package_fields import qmqpd, qmtpd


class SliceTests(SynchronousTestCase):
    """What is read of a home."""

    def setUp(self) -> None:
        """Make a home without control files."""
        self.home = self.mktemp()
        os.makedirs(f"{self.home}/control")
        self.control = Control(self.home)

    def put(self, name: str, text: str) -> None:
        """Write a control file."""
        with open(f"{self.home}/control/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def test_no_files(self) -> None:
        """Both load without any file; then QMTP takes everything and lets nobody relay, and QMQP serves nobody."""
        config = qmtpd(self.control)
        self.assertEqual((config.me, config.databytes, config.rcpthosts.is_open), (None, 0, True))
        self.assertFalse(config.may_relay(b"127.0.0.1"))
        self.assertFalse(qmqpd(self.control).may_submit(b"127.0.0.1"))

    def test_qmtp(self) -> None:
        """QMTP reads rcpthosts, databytes and relayclients, but not qmqpclients."""
        for name, text in (("me", "mx\n"), ("rcpthosts", "b\n"), ("databytes", "7\n"), ("relayclients", "10.\n"),
                           ("qmqpclients", "nonsense\n")):
            self.put(name, text)
        config = qmtpd(self.control)
        self.assertEqual((config.me, config.databytes), (b"mx", 7))
        self.assertEqual([config.rcpthosts.allows(b"a@b"), config.rcpthosts.allows(b"a@c")], [True, False])
        self.assertEqual([config.may_relay(b"10.1.2.3"), config.may_relay(b"11.1.2.3")], [True, False])

    def test_qmqp(self) -> None:
        """QMQP serves those whom qmqpclients lists, IPv6 addresses among them; relayclients is of no concern."""
        self.put("relayclients", "10.\n")
        self.put("qmqpclients", "192.0.2.0/24\n2001:db8:\n")
        config = qmqpd(self.control)
        addresses = (b"192.0.2.9", b"2001:db8::1", b"::ffff:192.0.2.1", b"10.1.2.3", b"unknown")
        self.assertEqual([config.may_submit(ip) for ip in addresses], [True, True, True, False, False])

    def test_nonsense(self) -> None:
        """A line that makes no sense is an error with its place."""
        self.put("qmqpclients", "# ours\nhost.example\n")
        self.assertEqual(str(self.assertRaises(ControlError, qmqpd, self.control)),
                         "control/qmqpclients line 2: is not an address, a prefix or a network")
