"""lock/trigger: the pipe by which programs that write the queue themselves tell us of new mail.

Mail that comes through the door needs no trigger. The pipe is drained when it is pulled, and we keep a
writing end of our own, so that it never looks closed.

Unlike 1.02: another process that holds the trigger open, or an ordinary file in its place, does not make us
spin.
"""

from __future__ import annotations

import os
import stat

from twisted.internet.abstract import FileDescriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorFDSet

    from qtwisted.system.disk import Disk

_NAME = "lock/trigger"
_READ = 4096
#: reads in one turn; whoever writes faster must not hold us up
_READS_A_TURN = 16


class Trigger(FileDescriptor):
    """The reading end."""

    def __init__(self, reactor: IReactorFDSet, disk: Disk, pulled: Callable[[], None]) -> None:
        """Call *pulled* whenever somebody wrote to the pipe; nothing is open before ``arm``."""
        super().__init__(reactor)
        self._disk = disk
        self._pulled = pulled
        self._fds: tuple[int, int] | None = None
        self._inode = (0, 0)

    def fileno(self) -> int:
        """Give the reading end, -1 where there is none."""
        return self._fds[0] if self._fds else -1

    def arm(self) -> None:
        """Open the pipe, or open it anew if another one lies there now. Without a pipe, todo is only polled."""
        try:
            found = self._disk.stat(_NAME)
        except OSError:
            self.disarm()
            return
        inode = (found.st_dev, found.st_ino)
        if self._fds is not None and inode == self._inode:
            return
        self.disarm()
        if stat.S_ISFIFO(found.st_mode) and self._open():
            self._inode = inode
            self.startReading()  # type: ignore[no-untyped-call]

    def _open(self) -> bool:
        """Open both ends; say whether that worked."""
        try:
            reading = self._disk.open(_NAME, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            writing = self._disk.open(_NAME, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            self._disk.close(reading)
            return False
        self._fds = (reading, writing)
        return True

    def disarm(self) -> None:
        """Close the pipe."""
        if self._fds is None:
            return
        self.stopReading()  # type: ignore[no-untyped-call]
        for fd in self._fds:
            self._disk.close(fd)
        self._fds = None

    def doRead(self) -> None:
        """Drain the pipe, then tell."""
        for _ in range(_READS_A_TURN):
            try:
                data = self._disk.read(self.fileno(), _READ)
            except OSError:
                break
            if len(data) < _READ:
                break
        self._pulled()

    def connectionLost(self, reason: object) -> None:
        """Close the pipe; the next scan opens it again."""
        self.disarm()
