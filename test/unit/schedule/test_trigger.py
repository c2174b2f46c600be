"""Tests: the trigger."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from qtwisted.schedule.trigger import Trigger
from qtwisted.system.disk import Disk


class Pipe(TestCase):
    """lock/trigger in its good and bad states."""

    def setUp(self):
        """Have a queue with a trigger."""
        self.path = self.mktemp()
        os.makedirs(f"{self.path}/lock")
        os.mkfifo(f"{self.path}/lock/trigger")
        self.pulls = 0
        self.readers = []
        self.trigger = Trigger(self, Disk(self.path), self.pulled)
        self.addCleanup(self.trigger.disarm)

    def pulled(self):
        """Count."""
        self.pulls += 1

    def addReader(self, reader):
        """Play the reactor."""
        self.readers.append(reader)

    def removeReader(self, reader):
        """Play the reactor."""
        self.readers.remove(reader)

    def pull(self, data=b"\0"):
        """Write to the pipe as qmail-queue does."""
        fd = os.open(f"{self.path}/lock/trigger", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, data)
        os.close(fd)

    def test_pull(self):
        """The pipe is drained, then told of."""
        self.trigger.arm()
        self.assertEqual(self.readers, [self.trigger])
        for _ in range(3):
            self.pull(b"x" * 5000)
        self.trigger.doRead()
        self.assertEqual(self.pulls, 1)
        self.assertRaises(BlockingIOError, os.read, self.trigger.fileno(), 1)

    def test_no_end(self):
        """Whoever closes it does not make it look closed."""
        self.trigger.arm()
        self.pull()
        self.trigger.doRead()
        self.assertRaises(BlockingIOError, os.read, self.trigger.fileno(), 1)

    def test_missing(self):
        """Without a pipe nothing is read; one that appears is used (F22)."""
        os.unlink(f"{self.path}/lock/trigger")
        self.trigger.arm()
        self.assertEqual((self.readers, self.trigger.fileno()), ([], -1))
        os.mkfifo(f"{self.path}/lock/trigger")
        self.trigger.arm()
        self.assertEqual(self.readers, [self.trigger])

    def test_ordinary_file(self):
        """An ordinary file in its place is not read (F22)."""
        self.trigger.arm()
        os.unlink(f"{self.path}/lock/trigger")
        open(f"{self.path}/lock/trigger", "w").close()
        self.trigger.arm()
        self.assertEqual(self.readers, [])

    def test_another_pipe(self):
        """Another pipe in its place is opened at the next scan."""
        self.trigger.arm()
        os.rename(f"{self.path}/lock/trigger", f"{self.path}/lock/was")
        os.mkfifo(f"{self.path}/lock/trigger")
        self.trigger.arm()
        self.pull()
        self.trigger.doRead()
        self.assertEqual(self.pulls, 1)

    def test_arm_twice(self):
        """It is opened once."""
        self.trigger.arm()
        fd = self.trigger.fileno()
        self.trigger.arm()
        self.assertEqual((self.trigger.fileno(), len(self.readers)), (fd, 1))
