"""Put things into a home in which somebody may be at work: what is there is kept, what is replaced is replaced whole.

Below ``queue`` every directory belongs to a user who is not root. He could put a symbolic link in the place of
anything, so nothing there is reached through one, and owner and mode are changed by descriptor.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from qtwisted.admin.install import hier
from qtwisted.admin.refusal import Refused

if TYPE_CHECKING:
    from qtwisted.admin.install.hier import Entry
    from qtwisted.config.conf import Ids
    from qtwisted.system.disk import Disk

_TYPES = {hier.DIRECTORY: stat.S_ISDIR, hier.FIFO: stat.S_ISFIFO, hier.FILE: stat.S_ISREG}


class Place:
    """A home, or what will be one when a package is unpacked."""

    def __init__(self, root: str, ids: Ids | None, disk: Disk) -> None:
        """It is at *root*; without *ids* owners stay as they are."""
        self.root = root
        self._ids = ids
        self._disk = disk

    def path(self, entry: Entry) -> str:
        """Where an entry is."""
        return os.path.join(self.root, entry.path) if entry.path else self.root

    def keep_or_make(self, entry: Entry) -> None:
        """Make a directory, a FIFO or a file that is not there; then see to its owner and mode, and to nothing else.

        Unlike 1.02: an installation never empties lock/sendmutex or lock/tcpto.
        """
        parent, name = self._parent(entry)
        try:
            try:
                self._make(entry, parent, name)
            except FileExistsError:
                pass
            # The home and what lies directly in it may be links of the administrator's.
            no_link = os.O_NOFOLLOW if "/" in entry.path else 0
            fd = os.open(name, os.O_PATH | os.O_CLOEXEC | no_link, dir_fd=parent)
        finally:
            os.close(parent)
        try:
            self._settle(entry, fd)
        finally:
            os.close(fd)

    def _parent(self, entry: Entry) -> tuple[int, str]:
        """A descriptor of the directory that an entry is in, and its name there."""
        *parts, name = entry.path.split("/") if entry.path else [os.path.basename(self.root)]
        fd = os.open(self.root if entry.path else os.path.dirname(self.root), os.O_PATH | os.O_CLOEXEC)
        for depth, part in enumerate(parts):
            no_link = os.O_NOFOLLOW if depth else 0
            try:
                below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | no_link, dir_fd=fd)
            except NotADirectoryError:
                raise Refused(f"{self.root}/{'/'.join(parts[:depth + 1])} is not a directory") from None
            finally:
                os.close(fd)
            fd = below
        return fd, name

    def _make(self, entry: Entry, parent: int, name: str) -> None:
        """Make one thing, closed to everybody at first."""
        if entry.kind == hier.DIRECTORY:
            os.mkdir(name, 0o700, dir_fd=parent)
        elif entry.kind == hier.FIFO:
            os.mkfifo(name, 0o600, dir_fd=parent)
        else:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=parent)
            try:
                self._disk.write_all(fd, entry.content)
                self._disk.fsync(fd)
            finally:
                os.close(fd)

    def _settle(self, entry: Entry, fd: int) -> None:
        """Give what a descriptor stands for its owner and its mode."""
        status = os.fstat(fd)
        if not _TYPES[entry.kind](status.st_mode):
            raise Refused(f"{self.path(entry)} is there, but is not a {entry.kind}")
        through = f"/proc/self/fd/{fd}"
        if self._ids is not None:
            wanted = hier.numbers(entry, self._ids)
            if (status.st_uid, status.st_gid) != wanted:
                os.chown(through, *wanted)
                status = os.fstat(fd)
        if stat.S_IMODE(status.st_mode) != entry.mode:
            os.chmod(through, entry.mode)

    def put(self, entry: Entry) -> None:
        """Put a file in the place of the one that is there, in one step; an equal one stays."""
        path = self.path(entry)
        if self._is_equal(path, entry):
            return
        fresh = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")
        self._disk.discard(fresh)
        fd = self._disk.create(fresh, 0o600)
        try:
            self._disk.write_all(fd, entry.content)
            if self._ids is not None:
                os.fchown(fd, *hier.numbers(entry, self._ids))
            os.fchmod(fd, entry.mode)
            self._disk.fsync(fd)
        finally:
            os.close(fd)
        self._disk.rename(fresh, path)

    def _is_equal(self, path: str, entry: Entry) -> bool:
        """Is a file already what it should be?"""
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != entry.mode:
                return False
            if self._ids is not None and (status.st_uid, status.st_gid) != hier.numbers(entry, self._ids):
                return False
            with open(path, "rb") as file:
                return file.read() == entry.content
        except OSError:
            return False
