"""Tests of choosing between one sync for each file and one for all."""

from __future__ import annotations

import errno

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store.kinds.syncing import Syncing


class TimedDisk:
    """A disk whose syncs take time."""

    def __init__(self) -> None:
        """One fsync takes a millisecond, syncfs five."""
        self.now = 0.0
        self.each = 0.001
        self.all = 0.005
        self.steps: list[str] = []
        self.trouble = 0

    def fsync(self, fd: int) -> None:
        """Sync a file."""
        self.steps.append(f"fsync {fd}")
        self.now += self.each

    def fsync_dir(self, path: str) -> None:
        """Sync a directory."""
        self.steps.append(path)
        self.now += self.each

    def syncfs(self) -> None:
        """Sync everything."""
        if self.trouble:
            raise OSError(self.trouble, "no")
        self.steps.append("all")
        self.now += self.all


class SyncingTests(SynchronousTestCase):
    """The cheaper way is taken."""

    def make(self, mode: str) -> Syncing:
        """Make one on a timed disk."""
        self.disk = TimedDisk()
        return Syncing(self.disk, mode, lambda: self.disk.now)  # type: ignore[arg-type]

    def ways(self, syncing: Syncing, count: int, times: int) -> str:
        """Which way was taken each time: f or a."""
        ways = ""
        for _ in range(times):
            self.disk.steps.clear()
            syncing.settle(range(count), ["d"])
            ways += "a" if self.disk.steps == ["all"] else "f"
        return ways

    def test_fsync(self) -> None:
        """Files come before directories, each once."""
        syncing = self.make("fsync")
        syncing.settle([7, 8], {"mess/1", "mess/0"})
        self.assertEqual(self.disk.steps, ["fsync 7", "fsync 8", "mess/0", "mess/1"])
        syncing.settle([], [])

    def test_syncfs(self) -> None:
        """One call does it; its failure is not repeated."""
        syncing = self.make("syncfs")
        syncing.settle([7], ["d"])
        self.assertEqual(self.disk.steps, ["all"])
        self.disk.trouble = errno.EIO
        self.assertRaises(OSError, syncing.settle, [7], ["d"])
        self.assertEqual(self.disk.steps, ["all"])

    def test_no_syncfs(self) -> None:
        """Where there is no such call each file is synced, now and later."""
        syncing = self.make("syncfs")
        self.disk.trouble = errno.ENOSYS
        syncing.settle([7], [])
        self.disk.trouble = 0
        syncing.settle([8], [])
        self.assertEqual(self.disk.steps, ["fsync 7", "fsync 8"])

    def test_auto(self) -> None:
        """Both ways are tried; then small groups go file by file and large ones all at once."""
        syncing = self.make("anything")
        self.assertEqual(self.ways(syncing, 1, 6), "faffff")
        self.assertEqual(self.ways(syncing, 19, 6), "aaaaaa")

    def test_trials(self) -> None:
        """When syncfs has become slow it is left; it is tried again, for a hundredth of the time at most."""
        syncing = self.make("auto")
        self.ways(syncing, 19, 2)
        self.disk.all = 1.0
        self.assertIn("aff", self.ways(syncing, 19, 10))
        self.disk.now += 1000
        ways = self.ways(syncing, 19, 10000)
        self.assertLess(ways.count("a"), 5)
        self.assertGreater(ways.count("a"), 0)
