"""Puts a new version of a file in place of the old one; a reader and a power cut meet one or the other, whole."""

from __future__ import annotations

import os

from qtwisted.system.disk import Disk


class ReplaceError(Exception):
    """A step failed: OPEN or WRITE of the new version, or MOVE to its place; the old version is as it was."""

    OPEN = "open"
    WRITE = "write"
    MOVE = "move"

    def __init__(self, step: str, errno: int | None) -> None:
        """Take the step and the reason."""
        super().__init__(step, errno)
        self.step = step
        self.errno = errno


def replace(tmp: str, path: str, data: bytes, disk: Disk | None = None) -> None:
    """Write ``data`` to ``tmp``, make it durable, and give it the name ``path``, in the same directory.

    Unlike 1.02: the directory is synced too, so that the new version is there after a power cut.
    """
    disk = Disk() if disk is None else disk
    step = ReplaceError.OPEN
    try:
        file = disk.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        step = ReplaceError.WRITE
        try:
            disk.write_all(file, data)
            disk.fsync(file)
        finally:
            disk.close(file)
        step = ReplaceError.MOVE
        disk.rename(tmp, path)
        disk.fsync_dir(os.path.dirname(path) or ".")
    except OSError as error:
        raise ReplaceError(step, error.errno) from None
