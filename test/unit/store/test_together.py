"""Tests: making many changes durable together."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from qtwisted.store.kinds.together import GroupSync


class NotingDisk:
    """Notes what is synced; fails where the test says."""

    def __init__(self):
        """Begin."""
        self.steps = []
        self.bad = set()

    def fsync(self, fd):
        """Sync a file."""
        self.steps.append(fd)
        if fd in self.bad:
            raise OSError(5, "Input/output error")

    fsync_dir = fsync

    def close(self, fd):
        """Close a file."""
        self.steps.append(f"close {fd}")


class Groups(TestCase):
    """Groups of changes."""

    def setUp(self):
        """Sync when the test says so."""
        self.clock = Clock()
        self.disk = NotingDisk()
        self.running = []
        self.heard = []
        self.sync = GroupSync(self.disk, self.clock, lambda work, done: self.running.append((work, done)))

    def add(self, name, *fds, directories=(), within=0.0):
        """Hand over a change."""
        self.sync.add(fds, directories, lambda ok: self.heard.append((name, ok)), within)

    def work(self):
        """Let the thread do its work."""
        work, done = self.running.pop(0)
        done(work())

    def test_one_group(self):
        """What waits is synced together, files first, each directory once, and then closed and told."""
        self.add("a", 3, 4, directories=("info/1", "local/1"))
        self.add("b", 5, directories=("info/1",))
        self.clock.advance(0)
        self.work()
        self.assertEqual(self.disk.steps, [3, 4, 5, "info/1", "local/1", "close 3", "close 4", "close 5"])
        self.assertEqual(self.heard, [("a", True), ("b", True)])
        self.assertTrue(self.sync.is_idle)

    def test_next_group(self):
        """What comes while a group is synced makes the next group, which follows at once."""
        self.add("a", 3)
        self.clock.advance(0)
        self.add("b", 4, within=9)
        self.add("c", 5, within=9)
        self.clock.advance(10)
        self.assertEqual(len(self.running), 1)
        self.work()
        self.clock.advance(0)
        self.work()
        self.assertEqual(self.heard, [("a", True), ("b", True), ("c", True)])

    def test_patience(self):
        """A change that may wait waits for company, no longer than it may."""
        self.add("a", 3, within=0.03)
        self.clock.advance(0.02)
        self.assertEqual(self.running, [])
        self.add("b", 4, within=0.03)
        self.clock.advance(0.011)
        self.work()
        self.assertEqual(len(self.heard), 2)

    def test_haste(self):
        """A change that may not wait takes the others along."""
        self.add("a", 3, within=5)
        self.add("b", 4)
        self.clock.advance(0)
        self.work()
        self.assertEqual(len(self.heard), 2)
        self.clock.advance(10)
        self.assertEqual(self.running, [])

    def test_full(self):
        """Many changes do not wait."""
        for number in range(GroupSync.FULL):
            self.add(number, number, within=5)
        self.clock.advance(0)
        self.work()
        self.assertEqual(len(self.heard), GroupSync.FULL)

    def test_hurry(self):
        """At the end nothing waits."""
        self.sync.hurry()
        self.add("a", 3, within=5)
        self.sync.hurry()
        self.sync.hurry()
        self.work()
        self.assertEqual(self.heard, [("a", True)])

    def test_failures(self):
        """A failed sync fails those it concerns, and is not repeated."""
        self.disk.bad = {3, "info/2"}
        self.add("a", 3, directories=("info/1",))
        self.add("b", 4, directories=("info/1",))
        self.add("c", 5, directories=("info/2",))
        self.clock.advance(0)
        self.work()
        self.assertEqual(self.heard, [("a", False), ("b", True), ("c", False)])
        self.assertEqual(self.disk.steps.count(3), 1)
        self.assertEqual(self.disk.steps.count("info/2"), 1)

    def test_open_files(self):
        """A file that waits can be written on; once its sync has begun it cannot."""
        self.sync.add_file("local/1/1", 3, self.heard.append, 1)
        self.assertEqual((self.sync.open_file("local/1/1"), self.sync.open_file("local/1/2")), (3, None))
        self.sync.hurry()
        self.assertIsNone(self.sync.open_file("local/1/1"))

    def test_told(self):
        """Whoever keeps time is told after each group."""
        self.sync.finished = lambda: self.heard.append("finished")
        self.add("a", 3)
        self.clock.advance(0)
        self.work()
        self.assertEqual(self.heard, [("a", True), "finished"])
