"""Tests: having files removed."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from qtwisted.schedule.cleaner import Cleaner
from qtwisted.schedule.scheduler import REMOVALS_MAX
from test.unit.schedule.desk import Desk


class Commands(TestCase):
    """Commands to the door."""

    def setUp(self):
        """Take notes of what is sent."""
        self.clock = Clock()
        self.sent = []
        self.cleaner = Cleaner(self.clock, lambda command, answer: self.sent.append((command, answer)))

    def test_answers(self):
        """Only a plus says that it was done; several commands may be open."""
        heard = []
        for number, word in enumerate((b"+", b"!", b"x", b"", b"++")):
            self.cleaner.clean(b"foop/%d" % number, heard.append)
            self.sent[-1][1](word)
        self.assertEqual(heard, [True, False, False, False, False])
        self.assertEqual([command for command, _ in self.sent], [b"foop/%d" % number for number in range(5)])

    def test_numbers_being_removed(self):
        """A number is being removed until every command about it is answered."""
        removed = []
        self.cleaner.removed = removed.append
        release = self.cleaner.hold(7)
        self.cleaner.clean(b"done/7", lambda done: None)
        self.sent[0][1](b"+")
        self.assertTrue(self.cleaner.is_removing(7))
        self.assertEqual(removed, [7])
        release()
        self.assertFalse(self.cleaner.is_removing(7))
        self.assertTrue(self.cleaner.is_idle)

    def test_later(self):
        """What failed is tried again after 123 seconds."""
        heard = []
        self.cleaner.tried = lambda: heard.append("tried")
        self.cleaner.later(lambda: heard.append("again"))
        self.clock.advance(122)
        self.assertEqual(heard, [])
        self.clock.advance(1)
        self.assertEqual(heard, ["again", "tried"])


class HeldBack(TestCase):
    """Messages that are done with and still in the queue are each a duplicate if the power fails."""

    def test_deliveries_wait_for_removals(self):
        """When the door has many removals to answer no delivery begins, and all go on when it has."""
        desk = Desk(self.mktemp())
        desk.start()
        desk.door.held = []
        for _ in range(REMOVALS_MAX + 5):
            desk.arrive(b"a@remote.example")
            if desk.orders and len(desk.orders) > len(desk.door.commands):
                desk.report(b"K")
        self.assertEqual((len(desk.orders), len(desk.door.commands)), (REMOVALS_MAX, REMOVALS_MAX))
        desk.door.release()
        desk.settle()
        self.assertEqual(len(desk.orders), REMOVALS_MAX + 5)
