"""Makes the files of a group durable by whichever way costs less: each file in turn, or the whole file
system.

fsync costs about the same for each file and directory. syncfs costs about the same for the whole group, but
waits for whatever else is being written on that file system. ``control/queuesync`` says ``fsync``, ``syncfs``
or
``auto``; with ``auto`` the times the last groups took decide, and the other way is tried again now and then,
never so often that the trials take more than a hundredth of the time.
"""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from qtwisted.system.disk import Disk

MODES = ("auto", "syncfs", "fsync")
#: weight of the newest measurement in the running average
_NEWEST = 0.2
#: a trial may begin when this many times its expected length has passed since the last
_TRIAL_SPACING = 100.0


class Syncing:
    """Knows what the two ways cost."""

    def __init__(self, disk: Disk, mode: str, ticks: Callable[[], float]) -> None:
        """Take the value of control/queuesync (anything unknown means auto) and a clock that never jumps."""
        self._disk = disk
        self._mode = mode if mode in MODES else "auto"
        self._ticks = ticks
        self._each: float | None = None  # of one fsync, in seconds
        self._all: float | None = None  # of one syncfs
        self._tried_at = ticks()

    def settle(self, fds: Collection[int], directories: Collection[str]) -> None:
        """Make files durable, then the directories their names are in; raise OSError at the first failure."""
        count = len(fds) + len(directories)
        began_at = self._ticks()
        if self._wants_syncfs(count, began_at):
            try:
                self._disk.syncfs()
            except OSError as error:
                if error.errno != errno.ENOSYS:
                    raise
                self._mode = "fsync"
            else:
                self._all = _average(self._all, self._ticks() - began_at)
                return
        for fd in fds:
            self._disk.fsync(fd)
        for directory in sorted(directories):
            self._disk.fsync_dir(directory)
        if count:
            self._each = _average(self._each, (self._ticks() - began_at) / count)

    def _wants_syncfs(self, count: int, now: float) -> bool:
        """Choose the way for a group of ``count`` files and directories."""
        if self._mode != "auto":
            return self._mode == "syncfs"
        if self._each is None or self._all is None:
            return self._each is not None
        one_by_one = self._each * count
        is_better = self._all < one_by_one
        if now - self._tried_at > _TRIAL_SPACING * max(one_by_one, self._all):
            self._tried_at = now
            return not is_better
        return is_better


def _average(old: float | None, newest: float) -> float:
    """Let a running average follow a new measurement."""
    return newest if old is None else old + (newest - old) * _NEWEST
