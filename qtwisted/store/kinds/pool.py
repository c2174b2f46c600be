"""Inodes of queue files that are used again, because making and removing files is what costs a file system
most.

On ext4 a new inode is searched for among all those removed in the last minutes; at a high rate that takes up
to a millisecond of CPU for each file. So a file that has served is renamed into pid/ under its own inode
number, later overwritten, cut to length and renamed to where it is needed. The number of a message is still
the number of its inode, and a file left over in pid/ looks like what qmail leaves there itself.

Two rules make this safe, and both are vital:

* *Nobody still reads a file whose name was taken away.* qmail-send asks for a removal only when no delivery
has
  the message open, and no descriptor of a queue file is ever passed to a program of a user.
* *An inode is written again only when its removal is durable.* Data may reach the disk before the journal
does; a
  power cut could otherwise bring back todo/A with the envelope of B. What is taken away is unclean until a
  group of commits has begun after that and has synced the directories it left and entered.

A file is used again only if it has no other name (an administrator's hard link, say) and is not large. The
pool is bounded, and what was not needed for a while is removed little by little.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.system.disk import Disk

LARGEST = 256 * 1024
FILES_MAX = 1024
BYTES_MAX = 64 * 1024 * 1024
#: how many files at most one call of trim removes
TRIM_MAX = 64
#: the times of a file are refreshed if they are older than this when it is used again, so that the 36 hours
#: after which qmail-send takes a message without envelope for abandoned begin anew
STALE_FOR = 6 * 3600
#: how many new files in turn may have a number that is taken before we give up
COLLISIONS_MAX = 100

_WRITABLE = os.O_WRONLY | os.O_NOFOLLOW
#: begins the names that only the door gives to files in pid/; qmail's begin with a digit and have dots
OWN = "door."


class Blank:
    """A file open for writing that nobody knows yet; it may be longer than what will be written to it."""

    __slots__ = ("fd", "number", "path", "size")

    def __init__(self, fd: int, number: int, path: str, size: int) -> None:
        """Take the descriptor, the inode number, the only name, and the size before anything is written."""
        self.fd = fd
        self.number = number
        self.path = path
        self.size = size


def blocks(size: int) -> int:
    """Sort sizes by the blocks they take: one, two, up to four, up to eight, and so on."""
    return max((size - 1) // 4096, 0).bit_length()


class Pool:
    """The files in pid/ that wait for their next use."""

    def __init__(
        self,
        disk: Disk,
        now: Callable[[], float],
        is_taken: Callable[[int], bool],
        recycle: bool = True,
    ) -> None:
        """Start empty. ``is_taken`` tells of a number whose message exists; ``recycle`` False turns reuse
        off.
        """
        self._disk = disk
        self._now = now
        self._is_taken = is_taken
        self._recycle = recycle
        self._clean: dict[int, list[int]] = {}
        self._idle = 0
        self._unclean: list[int] = []
        self._unclean_dirs: set[str] = set()
        self._sizes: dict[int, int] = {}
        self._bytes = 0
        self._least_idle = 0
        self._serial = 0

    # Taking

    def take(self, size: int) -> Blank:
        """Give a file for about ``size`` bytes: a clean one of the pool or a new one.

        One that has about as many blocks is preferred, then a smaller one: to free blocks is slow.
        """
        while self._idle:
            wanted = blocks(size)
            kinds = [kind for kind, numbers in self._clean.items() if numbers]
            kind = (
                wanted
                if wanted in kinds
                else min(kinds, key=lambda kind: (kind > wanted, abs(kind - wanted)))
            )
            number = self._clean[kind].pop()
            self._idle -= 1
            self._forget(number)
            blank = self._reuse(number)
            if blank is not None:
                self._least_idle = min(self._least_idle, self._idle)
                return blank
        return self._fresh()

    def _reuse(self, number: int) -> Blank | None:
        """Open a file of the pool, if it is still what we put there."""
        path = f"pid/{number}"
        try:
            fd = self._disk.open(path, _WRITABLE)
        except OSError:
            return None
        now = self._now()
        with self._undoing(fd, path):
            found = self._disk.fstat(fd)
        if found.st_ino != number or found.st_nlink != 1 or not stat.S_ISREG(found.st_mode):
            self._disk.close(fd)
            self._disk.discard(path)
            return None
        if found.st_atime < now - STALE_FOR:
            self._disk.utime(fd, now, now)
        return Blank(fd, number, path, found.st_size)

    def _fresh(self) -> Blank:
        """Make a new file.

        Unlike 1.02: if a message already has the number of the new inode (a queue restored from a backup, a
        file system that does not keep inode numbers), the new file steps aside and another is made; the
        original refused the message.
        """
        for _ in range(COLLISIONS_MAX):
            self._serial += 1
            path = f"pid/{OWN}{os.getpid()}.{self._serial}"
            try:
                fd = self._disk.create(path)
            except FileExistsError:
                continue
            with self._undoing(fd, path):
                number = self._disk.fstat(fd).st_ino
                is_taken = self._is_taken(number)
            if not is_taken:
                return Blank(fd, number, path, 0)
            self._disk.close(fd)  # it stays, so that the next file gets another number
        raise FileExistsError(f"pid/: no free number in {COLLISIONS_MAX} files")

    @contextmanager
    def _undoing(self, fd: int, path: str) -> Iterator[None]:
        """Close and remove a file that cannot be looked at."""
        try:
            yield
        except OSError:
            self._disk.close(fd)
            with suppress(OSError):
                self._disk.discard(path)
            raise

    # Giving back

    def retire(self, path: str, number: int, size: int) -> None:
        """Take away a file that nobody needs any more; it may serve again when that is durable."""
        if not self._fits(size):
            self._disk.discard(path)
            return
        try:
            self._disk.rename(path, f"pid/{number}")
        except FileNotFoundError:
            return
        except OSError:  # no space for a name in pid/, say
            self._disk.discard(path)
            return
        self._unclean.append(number)
        self._unclean_dirs.add(path.rpartition("/")[0])
        self._sizes[number] = size
        self._bytes += size

    def _fits(self, size: int) -> bool:
        """May a file of that size be kept?"""
        return (
            self._recycle
            and size <= LARGEST
            and len(self._sizes) < FILES_MAX
            and self._bytes + size <= BYTES_MAX
        )

    def _forget(self, number: int) -> None:
        """Take a file out of the count."""
        self._bytes -= self._sizes.pop(number)

    # Becoming clean

    def removed_so_far(self) -> tuple[list[int], set[str]]:
        """Hand over what was taken away until now, with the directories that must be synced to make it clean."""
        unclean, directories = self._unclean, self._unclean_dirs
        self._unclean, self._unclean_dirs = [], set()
        if unclean:
            directories.add("pid")
        return unclean, directories

    def cleaned(self, numbers: list[int]) -> None:
        """The removal of these is durable."""
        for number in numbers:
            self._clean.setdefault(blocks(self._sizes[number]), []).append(number)
        self._idle += len(numbers)

    def voided(self, numbers: list[int]) -> None:
        """A sync failed, so nobody knows what is durable: none of these, nor any later one, is used again."""
        unclean, _ = self.removed_so_far()
        for number in numbers + unclean:
            self._remove(number)

    # Shrinking

    def trim(self) -> None:
        """Remove an eighth of what was never needed since the last call, at most 64 files."""
        for _ in range(min(-(-self._least_idle // 8), TRIM_MAX)):
            most = max(self._clean.values(), key=len)
            self._remove(most.pop(0))
            self._idle -= 1
        self._least_idle = self._idle

    def empty(self) -> None:
        """Remove all files of the pool: the disk is full, or the door closes."""
        for numbers in self._clean.values():
            for number in numbers:
                self._remove(number)
        self._clean.clear()
        self._idle = self._least_idle = 0
        self.voided([])

    def _remove(self, number: int) -> None:
        """Remove one file, whatever happened to it."""
        self._forget(number)
        try:
            self._disk.discard(f"pid/{number}")
        except OSError:
            pass
