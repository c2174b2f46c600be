"""Counts in shared memory."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system import tally


class TallyTests(SynchronousTestCase):
    """One process; several are in test.whole.test_crowd."""

    def setUp(self) -> None:
        """Make memory for three."""
        self.fd = tally.create(3)
        self.addCleanup(os.close, self.fd)

    def test_counts(self) -> None:
        """Things are counted up and down, each by itself."""
        mine = tally.Tally(self.fd, 0)
        self.assertEqual(mine.change([b"a", b"b"], 1), [1, 1])
        self.assertEqual(mine.change([b"a"], 1), [2])
        self.assertEqual(mine.change([b"a", b"b", b"c"], 0), [2, 1, 0])
        self.assertEqual(mine.change([b"a", b"b"], -1), [1, 0])

    def test_sum(self) -> None:
        """What is told is the sum of all regions."""
        one, other = tally.Tally(self.fd, 0), tally.Tally(self.fd, 2)
        one.change([b"a"], 1)
        self.assertEqual(other.change([b"a"], 1), [2])
        self.assertEqual(one.change([b"a"], -1), [1])

    def test_cleared_at_start(self) -> None:
        """Who takes over a region clears it, and no other."""
        one, other = tally.Tally(self.fd, 0), tally.Tally(self.fd, 1)
        one.change([b"a"], 1)
        other.change([b"a"], 1)
        self.assertEqual(tally.Tally(self.fd, 1).change([b"a"], 0), [1])

    def test_nothing_is_lost_in_a_crowd(self) -> None:
        """With a thousand names each is counted as it is, save for a few."""
        mine = tally.Tally(self.fd, 1)
        names = [b"192.0.%d.%d" % divmod(number, 250) for number in range(1000)]
        for name in names:
            mine.change([name], 1)
        counts = [mine.change([name], 0)[0] for name in names]
        self.assertEqual(min(counts), 1)
        # both numbers are shared with some other name once in 300 names of so many
        self.assertLess(sum(count > 1 for count in counts), 30)
        for name in names:
            mine.change([name], -1)
        self.assertEqual([mine.change([name], 0)[0] for name in names], [0] * 1000)

    def test_places_are_secret(self) -> None:
        """Where a name is counted depends on a key that is made anew for each memory."""
        other = tally.create(1)
        self.addCleanup(os.close, other)
        names = [b"%d" % number for number in range(20)]
        one, two = tally.Tally(self.fd, 0), tally.Tally(other, 0)
        self.assertNotEqual([one._places(name) for name in names], [two._places(name) for name in names])

    def test_size_is_sealed(self) -> None:
        """No process can cut the memory off that others look at."""
        self.assertRaises(PermissionError, os.ftruncate, self.fd, 0)

    def test_no_such_region(self) -> None:
        """There are as many regions as were wanted."""
        self.assertRaises(IndexError, tally.Tally, self.fd, 3)
