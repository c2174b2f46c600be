"""A file is replaced whole and durably, or stays as it was."""

from __future__ import annotations

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.replace import ReplaceError, replace
from qtwisted.system.disk import Disk


class NotedDisk(Disk):
    """A disk that takes note of each step and fails at one of them."""

    def __init__(self, failing: str = "") -> None:
        """Fail at the step of that name."""
        super().__init__()
        self.failing = failing
        self.steps: list[str] = []

    def note(self, step: str) -> None:
        """Take note of a step, or let it fail."""
        if step == self.failing:
            raise OSError(errno.EIO, "failed")
        self.steps.append(step)

    def write_all(self, fd: int, data: bytes) -> None:
        """Note the write."""
        self.note("write")
        super().write_all(fd, data)

    def fsync(self, fd: int) -> None:
        """Note the sync."""
        self.note("fsync")

    def close(self, fd: int) -> None:
        """Note the close."""
        super().close(fd)
        self.note("close")

    def rename(self, source: str | bytes, target: str | bytes) -> None:
        """Note the rename."""
        self.note("rename")
        super().rename(source, target)

    def fsync_dir(self, path: str | bytes) -> None:
        """Note the sync of the directory."""
        self.note(f"fsync {os.path.basename(os.fsdecode(path))}")


class ReplaceTests(SynchronousTestCase):
    """New versions of files."""

    def setUp(self) -> None:
        """Make a directory with an old version."""
        self.path = self.mktemp()
        os.mkdir(self.path)
        self.here = f"{self.path}/file"
        with open(self.here, "wb") as file:
            file.write(b"old")

    def text(self) -> bytes:
        """Read the file."""
        with open(self.here, "rb") as file:
            return file.read()

    def test_order(self) -> None:
        """The new version is synced before it gets the name, and the directory after that."""
        disk = NotedDisk()
        replace(f"{self.path}/tmp", self.here, b"new", disk)
        directory = os.path.basename(self.path)
        self.assertEqual(disk.steps, ["write", "fsync", "close", "rename", f"fsync {directory}"])
        self.assertEqual(self.text(), b"new")

    def test_failures(self) -> None:
        """A step that fails before the rename leaves the old version, and the error tells which it was."""
        for failing, step in (("write", "write"), ("fsync", "write"), ("close", "write"), ("rename", "move")):
            tmp = f"{self.path}/tmp"
            error = self.assertRaises(ReplaceError, replace, tmp, self.here, b"new", NotedDisk(failing))
            self.assertEqual((error.step, error.errno), (step, errno.EIO))
            self.assertEqual(self.text(), b"old")

    def test_tmp_cannot_be_opened(self) -> None:
        """So does a place where nothing can be written."""
        error = self.assertRaises(ReplaceError, replace, f"{self.path}/x/tmp", self.here, b"new")
        self.assertEqual((error.step, error.errno), ("open", errno.ENOENT))

    def test_remains_are_overwritten(self) -> None:
        """What an earlier attempt left under the temporary name does not show through."""
        with open(f"{self.path}/tmp", "wb") as file:
            file.write(b"remains of an earlier attempt")
        replace(f"{self.path}/tmp", self.here, b"new")
        self.assertEqual(self.text(), b"new")
