"""Tests: qtwisted.schedule.attempts, where the remote spawner lends the slots of deliveries that only wait."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from qtwisted.wire.spawn import LENT
from test.unit.schedule.desk import Desk


class Lending(TestCase):
    """More deliveries run than there are slots, and the slots are never overdrawn."""

    def setUp(self):
        """Begin with two slots and five recipients."""
        self.desk = Desk(self.mktemp(), limits=(1, 2), widths=(1, 2)).start()
        self.number = self.desk.arrive(*[b"u%d@remote.example" % at for at in range(5)])

    def slots(self):
        """The slots of all orders so far."""
        return [order[1] for order in self.desk.orders]

    def counts(self):
        """The last status line."""
        return [line for line in self.desk.taken() if line.startswith("status: ")][-1]

    def test_lent(self):
        """For a slot that is lent another delivery starts, under a number of its own."""
        self.assertEqual(self.slots(), [0, 1])
        self.desk.report(LENT, slot=0)
        self.assertEqual(self.slots(), [0, 1, 2])
        self.assertEqual(self.counts(), "status: local 0/1 remote 2/2")

    def test_end_of_a_lent_delivery(self):
        """A delivery that has lent its slot ends like any other, and nothing starts in its place."""
        self.desk.report(LENT, slot=0)
        self.desk.report(b"Kok\n", slot=0)
        self.assertEqual(self.slots(), [0, 1, 2])
        lines = self.desk.taken()
        self.assertIn("delivery 1: success: ok/", lines)
        self.assertEqual(lines[-1], "status: local 0/1 remote 2/2")
        self.desk.report(b"K", slot=1)
        self.assertEqual(self.slots(), [0, 1, 2, 0])

    def test_all(self):
        """Every recipient is settled in the end, whatever was lent in between, and the message goes."""
        for slot in (0, 1, 2, 3):
            self.desk.report(LENT, slot=slot)
        self.assertEqual(self.slots(), [0, 1, 2, 3, 4])
        for slot in (3, 0, 4, 1, 2):
            self.desk.report(b"K", slot=slot)
        self.assertEqual(self.desk.files(self.number), [])
        self.assertEqual(self.counts(), "status: local 0/1 remote 0/2")

    def test_twice(self):
        """A slot can be lent once only."""
        self.desk.report(LENT, slot=0)
        self.desk.report(LENT, slot=0)
        self.assertEqual(self.slots(), [0, 1, 2])

    def test_nobody_there(self):
        """What is not in flight cannot lend."""
        self.desk.report(LENT, slot=7)
        self.assertEqual(self.slots(), [0, 1])
        self.assertIn("warning: internal error: delivery report out of range", self.desk.taken())

    def test_exit(self):
        """At the end deliveries that have lent their slots are waited for, too."""
        self.desk.report(LENT, slot=0)
        self.desk.scheduler.terminate()
        for slot in (1, 2):
            self.desk.report(b"K", slot=slot)
        self.assertFalse(self.desk.stopped)
        self.desk.report(b"K", slot=0)
        self.desk.wait(1)
        self.assertTrue(self.desk.stopped)

    def test_not_in_the_protocol_of_1_02(self):
        """With numbers of one byte there is no lending: such a report is mangled."""
        desk = Desk(self.mktemp(), limits=(1, 1)).start()
        desk.arrive(b"a@remote.example", b"b@remote.example")
        desk.report(LENT)
        self.assertEqual(len(desk.orders), 2)
        self.assertIn("delivery 1: report mangled, will defer", desk.taken())

    def test_numbers_above_255(self):
        """There can be a thousand slots."""
        desk = Desk(self.mktemp(), limits=(1, 1000), widths=(1, 2)).start()
        desk.arrive(*[b"u%d@remote.example" % at for at in range(1000)])
        desk.wait(1)
        self.assertEqual([order[1] for order in desk.orders], list(range(1000)))
        for slot in range(1000):
            desk.scheduler.reported(1, slot, b"K")
        desk.settle()
        self.assertEqual(desk.taken()[-1].split(" msg ")[0], "end")
