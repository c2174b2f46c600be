"""Notices that files of a directory have changed, at the price of one system call for each question.

The kernel tells at once what is written, replaced or removed in the directory (inotify). What it does not tell, such
as a change behind a symbolic link, is noticed within a second by looking at the files' times.
"""

from __future__ import annotations

import ctypes
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Look = tuple[tuple[int, int, int] | None, ...]

#: <sys/inotify.h>: modify, close after writing, moved from and to, create, delete, and the directory itself
_CHANGES = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x4
_LOOK_EVERY = 1.0


class DirectoryWatch:
    """One directory and the names in it that matter."""

    def __init__(self, path: str, names: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to watch; a directory that is not there is looked for every second."""
        self._path = path
        self._names = tuple(names)
        self._clock = clock
        self._notices = -1
        self._looked_at = clock()
        self._seen = self._look()
        self._open()

    def has_changed(self) -> bool:
        """Has anything changed since this was asked before?"""
        changed = self._notices >= 0 and self._read_notices()
        now = self._clock()
        if changed or now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            if self._notices < 0:
                self._open()
            seen = self._look()
            # two changes within one tick of the file system's clock look the same, so a notice counts by itself
            changed = changed or seen != self._seen
            self._seen = seen
        return changed

    def close(self) -> None:
        """Watch no longer."""
        if self._notices >= 0:
            os.close(self._notices)
            self._notices = -1

    def _open(self) -> None:
        """Ask the kernel for notices, if it gives any."""
        libc = ctypes.CDLL(None, use_errno=True)
        notices = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if notices >= 0 and libc.inotify_add_watch(notices, os.fsencode(self._path), _CHANGES) < 0:
            os.close(notices)
            notices = -1
        self._notices = notices

    def _read_notices(self) -> bool:
        """Take all notices; was there any?"""
        found = False
        try:
            while os.read(self._notices, 65536):
                found = True
        except BlockingIOError:
            pass
        if found:
            # it may have been the directory itself that went away or was replaced
            self.close()
            self._open()
        return found

    def _look(self) -> Look:
        """Look at the times and sizes of all files."""
        return tuple(map(self._look_at, self._names))

    def _look_at(self, name: str) -> tuple[int, int, int] | None:
        """Look at one file."""
        try:
            status = os.stat(os.path.join(self._path, name))
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
