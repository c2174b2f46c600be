"""Tests: removal of what died on its way into the queue."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from qtwisted.system.disk import Disk
from test.unit.schedule.desk import Desk

HOURS = 3600


class Stale:
    """What stat says of a file whose times the test chooses."""

    def __init__(self, found, accessed, modified):
        """Put the times in place of those of the file."""
        self.st_atime, self.st_mtime = accessed, modified
        self.st_size = found.st_size


class OldDisk(Disk):
    """A disk on which files are as old as the test says."""

    def __init__(self, at, times):
        """Give files named in *times* those two times."""
        super().__init__(at)
        self.times = times

    def stat(self, path):
        """Look at a file."""
        found = super().stat(path)
        return Stale(found, *self.times[path]) if path in self.times else found


class Scan(TestCase):
    """The scan of mess."""

    def setUp(self):
        """Prepare a queue in which texts have chosen ages."""
        self.desk = Desk(self.mktemp())
        self.ages = {}
        self.desk.disk = OldDisk(self.desk.path, self.ages)
        self.desk.begin()

    def text(self, number, *ages):
        """Have a text that was read and written some hours back."""
        name = self.desk.name("mess", number)
        self.desk.put(name, b"x")
        self.ages[name] = [self.desk.now() - hours * HOURS - 10 for hours in ages]

    def test_old(self):
        """A text that nobody owns and that is older than 36 hours goes, its envelope too."""
        self.text(31, 37, 36)
        self.desk.put("intd/31", b"x")
        self.desk.start()
        self.assertEqual((self.desk.files(), self.desk.door.commands), ([], ["foop/31"]))
        self.assertEqual(self.desk.taken(), ["status: local 0/10 remote 0/20"])

    def test_young(self):
        """A text stays if it was written or read since; one of the two says enough."""
        self.text(31, 35, 99)
        self.text(32, 99, 35)
        self.desk.start()
        self.assertEqual(self.desk.door.commands, [])

    def test_owned(self):
        """A text that is queued stays, whatever its age."""
        self.text(31, 99, 99)
        self.desk.put(self.desk.name("info", 31), b"Fs@x\0")
        self.desk.put(self.desk.name("remote", 31), b"Ta@b\0", at=self.desk.now() + 9999)
        self.desk.store(b"a@remote.example", number=32)
        self.text(32, 99, 99)
        self.desk.start()
        self.assertEqual(self.desk.door.commands, [])

    def test_doubt(self):
        """What cannot be looked at stays."""
        self.text(31, 99, 99)
        stat = self.desk.disk.stat
        self.desk.disk.stat = lambda path: self.refuse() if path.startswith("info") else stat(path)
        self.desk.start()
        self.assertEqual(self.desk.door.commands, [])

    def refuse(self):
        """Fail as a disk does."""
        raise OSError(5, "Input/output error")

    def test_next_scan(self):
        """The next scan begins 76431 seconds after the last one ended."""
        self.desk.start()
        self.text(31, 99, 99)
        self.desk.wait(76430)
        self.assertEqual(self.desk.door.commands, [])
        self.desk.wait(2)
        self.assertEqual(self.desk.door.commands, ["foop/31"])

    def test_clock_forward(self):
        """A clock set forward by days makes nothing old (F18)."""
        self.desk.start()
        self.text(31, 1, 1)
        self.desk.jump = 8 * 86400
        self.desk.wait(76432)
        self.assertEqual(self.desk.door.commands, [])

    def test_once(self):
        """A text that is being removed already is not removed a second time."""
        self.text(31, 99, 99)
        self.desk.door.held = []
        self.desk.start()
        self.desk.wait(76432)
        self.assertEqual(self.desk.door.commands, ["foop/31"])

    def test_trouble(self):
        """A text the door cannot remove is told."""
        self.text(31, 99, 99)
        self.desk.door.words = [b"!"]
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], ["warning: qmail-clean unable to clean up foop/31"])

    def test_no_directory(self):
        """A directory that cannot be opened is tried again every ten seconds."""
        self.text(31, 99, 99)
        os.rename(f"{self.desk.path}/mess/8", f"{self.desk.path}/mess/was")
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], ["alert: unable to opendir mess/8, sleeping..."])
        os.rename(f"{self.desk.path}/mess/was", f"{self.desk.path}/mess/8")
        self.desk.wait(10)
        self.assertEqual(self.desk.door.commands, ["foop/31"])
