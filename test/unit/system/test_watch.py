"""Noticing that files have changed."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.watch import DirectoryWatch


class WatchTests(SynchronousTestCase):
    """A directory with a file ``a``."""

    def setUp(self) -> None:
        """Make the directory and watch it."""
        self.path = Path(self.mktemp())
        self.path.mkdir()
        (self.path / "a").write_text("1")
        self.clock = Clock()
        self.watch = DirectoryWatch(str(self.path), ["a", "b"], self.clock.seconds)
        self.addCleanup(self.watch.close)

    def test_quiet(self) -> None:
        """While nothing changes, nothing is reported."""
        self.assertFalse(self.watch.has_changed())
        self.clock.advance(2)
        self.assertFalse(self.watch.has_changed())

    def test_changes(self) -> None:
        """Each kind of change is reported at once, and once."""
        for change in (
            lambda: (self.path / "a").write_text("2"),
            lambda: (self.path / "a").write_text("2"),
            lambda: (self.path / "b").write_text("2"),
            lambda: os.rename(self.path / "b", self.path / "a"),
            lambda: (self.path / "a").unlink(),
        ):
            change()
            self.assertTrue(self.watch.has_changed())
            self.assertFalse(self.watch.has_changed())

    def test_behind_a_link(self) -> None:
        """What changes behind a symbolic link is reported within a second."""
        target = Path(self.mktemp())
        target.write_text("1")
        os.symlink(target.absolute(), self.path / "b")
        self.watch.has_changed()
        target.write_text("22")
        self.clock.advance(1)
        self.assertTrue(self.watch.has_changed())

    def test_directory_replaced(self) -> None:
        """A directory that is put in the place of the old one is watched."""
        os.rename(self.path, self.mktemp())
        self.path.mkdir()
        self.assertTrue(self.watch.has_changed())
        (self.path / "a").write_text("2")
        self.assertTrue(self.watch.has_changed())

    def test_directory_missing(self) -> None:
        """A directory that is not there yet is found when it is."""
        path = Path(self.mktemp())
        watch = DirectoryWatch(str(path), ["a"], self.clock.seconds)
        self.addCleanup(watch.close)
        self.assertFalse(watch.has_changed())
        path.mkdir()
        (path / "a").write_text("1")
        self.clock.advance(1)
        self.assertTrue(watch.has_changed())
        (path / "a").write_text("1")
        self.assertTrue(watch.has_changed())
