"""Tests: queues by time."""

from __future__ import annotations

import sys

from twisted.trial.unittest import TestCase

from qtwisted.schedule.due import Agenda, Due
from qtwisted.schedule.jobs import ENDING, EXAMINE, Arrival


class Queue(TestCase):
    """One queue."""

    def test_order(self):
        """Entries come out by time, and not before it."""
        due = Due()
        for at, number in ((30, 1), (10, 2), (20, 3)):
            due.add(at, number)
        self.assertEqual(due.earliest(), 10)
        self.assertIsNone(due.take(9))
        self.assertEqual([due.take(until) for until in (30, 30, 29, 30, 99)], [2, 3, None, 1, None])
        self.assertIsNone(due.earliest())

    def test_extremes(self):
        """Times before 1970 and the greatest numbers survive."""
        due = Due()
        due.add(-5, (1 << 64) - 1)
        due.add(-6, 0)
        self.assertEqual(sorted(due.entries()), [(-6, 0), (-5, (1 << 64) - 1)])
        self.assertEqual((due.take(-6), due.take(-6), due.take(-5)), (0, None, (1 << 64) - 1))

    def test_all_at_once(self):
        """All entries can be made due."""
        due = Due()
        for number in range(100):
            due.add(1000 + number, number)
        due.all_at(5)
        self.assertEqual(sorted(due.take(5) for _ in range(100)), list(range(100)))
        self.assertEqual(len(due), 0)

    def test_shift(self):
        """All entries can be moved in time, in both directions."""
        due = Due()
        due.add(100, 7)
        due.shift(-150)
        self.assertEqual(due.entries(), [(-50, 7)])
        due.shift(60)
        self.assertEqual(due.take(10), 7)

    def test_size(self):
        """An entry costs far less than a hundred bytes (F25)."""
        due = Due()
        for number in range(1000):
            due.add(1_800_000_000, 1_000_000 + number)
        size = sys.getsizeof(due._heap) + sum(sys.getsizeof(entry) for entry in due._heap)
        self.assertLess(size / 1000, 70)


class Waiting(TestCase):
    """All queues together."""

    def test_entries_wait_for_files(self):
        """A message whose files are being written comes up when they count."""
        agenda = Agenda()
        arrival = agenda.held[7] = Arrival(7, b"", 0, 0.0)
        agenda.add(0, 7, 10)
        arrival.wanted = True
        agenda.add(1, 7, 10)
        agenda.add(ENDING, 8, 10)
        self.assertEqual([len(due) for due in agenda.dues], [1, 0, 1, 0])
        agenda.release(arrival)
        self.assertEqual([len(due) for due in agenda.dues], [1, 1, 1, 0])

    def test_hurry(self):
        """ALRM makes both channels due, also what waits for files; ends and examinations keep their time."""
        agenda = Agenda()
        arrival = agenda.held[7] = Arrival(7, b"", 0, 0.0)
        arrival.wanted = True
        for which in (0, 1, ENDING):
            agenda.add(which, 7, 500)
            agenda.add(which, 8, 500)
        agenda.hurry(100)
        agenda.release(arrival)
        found = [sorted(due.entries()) for due in agenda.dues]
        self.assertEqual(found, [[(100, 7), (100, 8)], [(100, 7), (100, 8)], [(500, 7), (500, 8)], []])

    def test_shift(self):
        """When the clock was wrong everything moves, also what waits for files."""
        agenda = Agenda()
        arrival = agenda.held[7] = Arrival(7, b"", 0, 0.0)
        arrival.wanted = True
        agenda.add(1, 7, 500)
        agenda.add(1, 8, 600)
        agenda.shift(-100)
        agenda.release(arrival)
        self.assertEqual(sorted(agenda.dues[1].entries()), [(400, 7), (500, 8)])

    def test_earliest(self):
        """Queues that cannot be served do not wake anybody."""
        agenda = Agenda()
        agenda.add(0, 7, 10)
        agenda.add(1, 7, 20)
        agenda.add(ENDING, 7, 30)
        self.assertEqual(agenda.earliest((True, True, True, True)), 10)
        self.assertEqual(agenda.earliest((False, True, True, True)), 20)
        self.assertEqual(agenda.earliest((False, False, True, True)), 30)
        self.assertIsNone(agenda.earliest((False, False, False, True)))


class Park(TestCase):
    """Messages that come up on no channel."""

    def setUp(self):
        """Put three messages on the agenda."""
        self.agenda = Agenda()
        for number in (5, 6, 7):
            self.agenda.add(0, number, 100 + number)
            self.agenda.add(1, number, 200 + number)

    def test_park(self):
        """A parked message keeps its times, new ones too, and comes up when it is taken from the park."""
        self.agenda.park([6, 6])
        self.agenda.add(1, 6, 300)
        self.agenda.hurry(0)
        self.agenda.shift(1000)
        self.assertEqual([len(due) for due in self.agenda.dues], [2, 2, 0, 0])
        self.assertEqual(self.agenda.entries_of([6]), {6: [(0, 1106), (1, 1206), (1, 1300)]})
        self.assertEqual(sorted(self.agenda.entries(1)), [(1000, 5), (1000, 7), (1206, 6), (1300, 6)])
        self.agenda.unpark(6)
        self.assertEqual(sorted(self.agenda.dues[0].entries()), [(1000, 5), (1000, 7), (1106, 6)])

    def test_at_once(self):
        """It may come up at once."""
        self.agenda.park([5])
        self.agenda.unpark(5, 42)
        self.agenda.unpark(4, 42)
        self.assertEqual((self.agenda.dues[0].take(42), self.agenda.dues[0].take(42)), (5, None))

    def test_ending(self):
        """The end of a parked message is not held up."""
        self.agenda.park([5])
        self.agenda.add(ENDING, 5, 10)
        self.assertEqual(self.agenda.dues[ENDING].take(10), 5)

    def test_taken_out(self):
        """Entries can be taken out, those that wait for files as well."""
        arrival = Arrival(7, b"", 0, 0.0)
        arrival.wanted = True
        self.agenda.held[7] = arrival
        self.agenda.add(0, 7, 9)
        self.agenda.add(ENDING, 7, 10)
        self.assertEqual(self.agenda.take_out([6, 7]), {6: [(0, 106), (1, 206)], 7: [(0, 107), (1, 207), (0, 9)]})
        self.assertEqual(arrival.later, [(ENDING, 10)])
        self.assertEqual(self.agenda.entries_of([6, 7]), {6: [], 7: []})
        self.assertEqual(self.agenda.dues[1].entries(), [(205, 5)])

    def test_forgotten(self):
        """Of a message that is gone nothing is known, wherever it stood."""
        self.agenda.park([5])
        self.agenda.on_hold.add(5)
        self.agenda.add(EXAMINE, 5, 10)
        self.agenda.forget(5)
        self.assertEqual((self.agenda.parked, self.agenda.on_hold, len(self.agenda.dues[EXAMINE])), ({}, set(), 0))
