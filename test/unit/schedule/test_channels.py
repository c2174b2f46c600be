"""Tests: the lines to the spawners."""

from __future__ import annotations

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase

from qtwisted.schedule.channels import Spawner


class Line(TestCase):
    """One line."""

    def setUp(self):
        """Take notes of what is heard."""
        self.heard = []
        self.spawner = Spawner(1, self)

    def reported(self, channel, slot, report):
        """Note a report."""
        self.heard.append((channel, slot, report))

    def spawner_lost(self, channel):
        """Note the loss."""
        self.heard.append(channel)

    def test_reports(self):
        """Reports come out whole, wherever they are cut; number 0 ends none (SND-18)."""
        data = b"\0Kone\n\0" + b"\x05\0" + b"\x4dZtwo\0"
        for size in range(1, len(data) + 1):
            self.setUp()
            for at in range(0, len(data), size):
                self.spawner.dataReceived(data[at : at + size])
            self.assertEqual(self.heard, [(1, 0, b"Kone\n"), (1, 5, b""), (1, 77, b"Ztwo")])

    def test_endless_report(self):
        """Of an endless report the beginning is kept (SND-16)."""
        self.spawner.dataReceived(b"\0D" + b"x" * 20000)
        self.spawner.dataReceived(b"y" * 20000 + b"\0\1K\0")
        self.assertEqual(self.heard, [(1, 0, b"D" + b"x" * 9998), (1, 1, b"K")])

    def test_orders_and_loss(self):
        """Orders go out as they are; the loss of the spawner is told."""
        transport = StringTransport()
        self.spawner.makeConnection(transport)
        self.spawner.order(b"\0order\0")
        self.assertEqual(transport.value(), b"\0order\0")
        self.spawner.connectionLost()
        self.assertEqual(self.heard, [1])
