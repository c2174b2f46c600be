"""The message of one delivery: read as often as the instructions want, always from its first byte.

Rules this file keeps:

* The descriptor is read by position (pread), so nobody's reading disturbs another's.
* No program ever gets this descriptor. Queue files are written again for later messages, and whoever kept a
  descriptor could read those too. A program gets a copy, sealed where it is small enough for memory.
* At most one piece of 64 KiB is in memory at a time; the first is kept, so that a small message is read once.
"""

from __future__ import annotations

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 65536
IN_MEMORY = 1 << 20
"""Largest copy for programs that is kept in memory; larger ones are unlinked files."""

COPY_PLACES = (b"/var/tmp", b"/tmp", b".")


class Unreadable(Exception):
    """The message cannot be read; ``trouble`` is the system's reason."""

    def __init__(self, trouble: OSError) -> None:
        """Keep the reason."""
        super().__init__(trouble)
        self.trouble = trouble


class Message:
    """A message on an open, seekable descriptor, which stays the caller's to close."""

    def __init__(self, fd: int) -> None:
        """Read from *fd*."""
        self._fd = fd
        self._head: bytes | None = None
        self._copy = -1

    def pieces(self) -> Iterator[bytes]:
        """The message from its first byte to its last; raises Unreadable."""
        at = 0
        while piece := self._read(at):
            yield piece
            at += len(piece)

    def has_header_line(self, line: bytes) -> bool:
        """Does the header have exactly this line, line feed included?"""
        wanted, end_of_header = b"\n" + line, b"\n\n"
        window = b"\n"
        for piece in self.pieces():
            window += piece
            end = window.find(end_of_header)
            found = window.find(wanted)
            if found >= 0:
                return end < 0 or found < end
            if end >= 0:
                return False
            window = window[-len(wanted) :]
        return False

    def for_program(self) -> int:
        """A new descriptor of a copy of the message, at its first byte, for reading; raises OSError or Unreadable."""
        if self._copy < 0:
            self._copy = self._make_copy()
        try:
            return os.open(b"/proc/self/fd/%d" % self._copy, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # no /proc here: share one position, as 1.02 did
            os.lseek(self._copy, 0, os.SEEK_SET)
            return os.dup(self._copy)

    def forget_copy(self) -> None:
        """Close what was made for programs."""
        if self._copy >= 0:
            os.close(self._copy)
            self._copy = -1

    def _read(self, at: int) -> bytes:
        """The piece that begins at a position."""
        if at == 0 and self._head is not None:
            return self._head
        try:
            piece = os.pread(self._fd, PIECE, at)
        except OSError as trouble:
            raise Unreadable(trouble) from trouble
        if at == 0:
            self._head = piece
        return piece

    def _make_copy(self) -> int:
        """Copy the message to where a program may have it."""
        size = os.fstat(self._fd).st_size
        copy = memory() if size <= IN_MEMORY else unlinked_file()
        try:
            for piece in self.pieces():
                _write_all(copy, piece)
            os.fchmod(copy, 0o400)
            if size <= IN_MEMORY:
                fcntl.fcntl(copy, fcntl.F_ADD_SEALS,
                            fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        except BaseException:
            os.close(copy)
            raise
        return copy


def memory() -> int:
    """An empty file in memory that can be sealed."""
    return os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def unlinked_file() -> int:
    """An empty file without a name where temporary files go; in memory where there is no such place."""
    for place in COPY_PLACES:
        try:
            return os.open(place, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError:
            continue
    return os.memfd_create("message", os.MFD_CLOEXEC)


def _write_all(fd: int, data: bytes) -> None:
    """Write all of it, whatever portions the kernel takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
