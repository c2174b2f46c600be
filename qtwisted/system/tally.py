"""Counts things over several processes, such as the connections of each address to all fronts.

The counts lie in memory that the processes share: an anonymous file, made by the master, which each of them gets as a
descriptor. Each process has a region of its own in it, where nobody else counts; what is told is the sum over all
regions. A process that dies leaves its counts behind. They are cleared when the next one takes over its region, or
when they are in somebody's way.

What is counted is known by a hash, whose key no client knows, that picks one number in each of two rows. The lesser
of the two numbers counts, so it is never too small, and too great only for who shares both with somebody else.

The file: a page with the key, then the regions. A lock on the first byte of the file is held while a process counts,
a lock on the first byte of its region as long as it lives (fcntl(2): such locks end with their process).
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_SIZE = 16
_PAGE = 4096
#: numbers in a row
_ROW = 16384
_ROWS = 2
_NUMBER_SIZE = 4
_REGION_SIZE = _ROWS * _ROW * _NUMBER_SIZE


def create(regions: int) -> int:
    """Make the memory for so many processes; give its descriptor, which passes no exec by itself."""
    fd = os.memfd_create("tally", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, _PAGE + regions * _REGION_SIZE)
    os.pwrite(fd, os.urandom(KEY_SIZE), 0)
    # nobody can cut off the memory that others look at
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return fd


class Tally:
    """The part of one process in the counting. Whoever closes a descriptor of the file in this process ends it."""

    def __init__(self, fd: int, region: int) -> None:
        """Take over a region, cleared."""
        self._fd = fd
        size = os.fstat(fd).st_size
        self._memory = mmap.mmap(fd, size)
        self._key = self._memory[:KEY_SIZE]
        self._numbers = memoryview(self._memory).cast("I")
        self._regions = range(_PAGE, size, _REGION_SIZE)
        self._mine = self._regions[region]
        fcntl.lockf(fd, fcntl.LOCK_EX, 1, self._mine)
        self._clear(self._mine)

    def change(self, names: Sequence[bytes], by: int) -> list[int]:
        """Count each of these things up or down; give how many there are of each now, in all processes."""
        # the lock lets two who come at the same moment see different numbers
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1)
        try:
            for name in names:
                for place in self._places(name):
                    self._numbers[(self._mine + place) // _NUMBER_SIZE] += by
            return [self._count(name) for name in names]
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1)

    def clear_dead(self) -> bool:
        """Clear the counts that dead processes have left behind; were there any?"""
        found = False
        for region in self._regions:
            if region == self._mine:
                continue
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, region)
            except OSError:
                continue  # its process lives
            if self._memory[region : region + _REGION_SIZE] != bytes(_REGION_SIZE):
                found = True
                self._clear(region)
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, region)
        return found

    def _clear(self, region: int) -> None:
        """Set all numbers of a region to nothing."""
        self._memory[region : region + _REGION_SIZE] = bytes(_REGION_SIZE)

    def _places(self, name: bytes) -> list[int]:
        """Say where in a region the numbers of a thing are, one in each row."""
        hashed = hashlib.blake2b(name, digest_size=4 * _ROWS, key=self._key).digest()
        picks = [int.from_bytes(hashed[at : at + 4], "little") % _ROW for at in range(0, 4 * _ROWS, 4)]
        return [(row * _ROW + pick) * _NUMBER_SIZE for row, pick in enumerate(picks)]

    def _count(self, name: bytes) -> int:
        """Add up what all processes have counted."""
        return min(
            sum(self._numbers[(region + place) // _NUMBER_SIZE] for region in self._regions)
            for place in self._places(name)
        )
