"""Tests of locks on open files."""

from __future__ import annotations

import fcntl
import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system import lock


class LockTests(SynchronousTestCase):
    """A lock belongs to one open file at a time."""

    def setUp(self) -> None:
        """Open a file twice."""
        name = self.mktemp()
        self.one, self.two = (os.open(name, os.O_RDWR | os.O_CREAT) for _ in range(2))
        self.addCleanup(os.close, self.two)

    def test_exclusive(self) -> None:
        """While one has it the other does not get it; released or closed, it is free."""
        self.assertTrue(lock.try_exclusive(self.one))
        self.assertFalse(lock.try_exclusive(self.two))
        lock.release(self.one)
        lock.wait_exclusive(self.one)
        self.assertFalse(lock.try_exclusive(self.two))
        os.close(self.one)
        self.assertTrue(lock.try_exclusive(self.two))

    def test_trouble(self) -> None:
        """Other trouble is not taken for a lock of somebody else."""
        os.close(self.one)
        self.patch(fcntl, "flock", self.fail_with_io)
        self.assertRaises(OSError, lock.try_exclusive, self.two)

    def fail_with_io(self, fd: int, how: int) -> None:
        """Fail as a broken disk does."""
        raise OSError(5, "input/output error")
