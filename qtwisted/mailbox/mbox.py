"""Appends messages to mbox files, so that readers who lock see whole messages only.

Rules this file keeps:

* The file is locked with flock for at most 30 seconds of waiting; where locking does not work at all, we go on
  without. There are no lock files.
* What could not be written whole and synced is cut off again, if we hold the lock.
* A line that looks like the beginning of a message, whatever number of ``>`` it has in front, gets one more.
* Opening never waits: a FIFO without a reader is an error.

A power cut in the middle of an append can leave the beginning of a message, as with qmail; what was reported as
delivered is whole.

Unlike 1.02: when the append made the file longer than nothing, its directory is synced too, since the file may be
new.

Unlike 1.02: a line that begins with more than 65536 ``>`` is not looked at further.
"""

from __future__ import annotations

import errno
import os
import stat
from fcntl import LOCK_EX, flock

from qtwisted.system.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from qtwisted.system.disk import Disk

LOCK_FOR = 30
"""Seconds to wait for the lock."""

_FROM = b"From "
_ARROWS_MAX = 65536


class LockTimeout(Exception):
    """Somebody else has had the file locked for too long."""


class Unopened(Exception):
    """The file cannot be opened; ``trouble`` is the system's reason."""

    def __init__(self, trouble: OSError) -> None:
        """Keep the reason."""
        super().__init__(trouble)
        self.trouble = trouble


def deliver(disk: Disk, path: bytes, heading: bytes, pieces: Iterable[bytes],
            lock: Callable[[int], bool] | None = None) -> None:
    """Append a message, given in pieces, to the mbox file *path*; *heading* is its From_ line and what follows it.

    Raises Unopened, LockTimeout, OSError when it cannot be written, and whatever *pieces* raises.
    """
    try:
        fd = disk.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as trouble:
        raise Unopened(trouble) from trouble
    try:
        locked = (lock or lock_for_a_while)(fd)
        _append(disk, fd, path, heading, pieces, locked)
    finally:
        disk.close(fd)


def lock_for_a_while(fd: int) -> bool:
    """Lock a file, waiting at most LOCK_FOR seconds; say whether locking works on it at all."""
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LOCK_FOR)
    try:
        flock(fd, LOCK_EX)
    except OSError:
        return False
    else:
        return True
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _too_long(*signalled: object) -> None:
    """Give up waiting."""
    raise LockTimeout


def quoted(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The text of a message as it stands in an mbox: From_ lines quoted, the last line ended, a blank line added."""
    held, line_begins = b"", True
    for piece in pieces:
        held += piece
        end = _settled(held, line_begins)
        if end:
            yield _quote(held[:end], line_begins)
            line_begins = held[end - 1 : end] == b"\n"
            held = held[end:]
    if held:
        yield _quote(held, line_begins)
        line_begins = held.endswith(b"\n")
    yield b"\n" if line_begins else b"\n\n"


def _settled(text: bytes, line_begins: bool) -> int:
    """How much of the text can be judged: all of it but a last line that may yet become a From_ line."""
    begin = text.rfind(b"\n") + 1
    if begin == 0 and not line_begins:
        return len(text)
    last = text[begin:]
    if _FROM.startswith(last.lstrip(b">")) and len(last) <= _ARROWS_MAX:
        return begin
    return len(text)


def _quote(text: bytes, line_begins: bool) -> bytes:
    """Put ``>`` in front of the lines that look like From_ lines, quoted or not."""
    if _FROM not in text:
        return text
    first, *rest = text.split(b"\n")
    lines = [_quote_line(first) if line_begins else first]
    lines += [_quote_line(line) for line in rest]
    return b"\n".join(lines)


def _quote_line(line: bytes) -> bytes:
    """One whole line, or the beginning of one that shows what it is."""
    return b">" + line if line.lstrip(b">").startswith(_FROM) else line


def _append(disk: Disk, fd: int, path: bytes, heading: bytes, pieces: Iterable[bytes], locked: bool) -> None:
    """Write the message at the end of an open file and make it durable, or leave the file as it was."""
    length = _length(disk, fd)
    try:
        disk.write_all(fd, heading)
        for piece in quoted(pieces):
            disk.write_all(fd, piece)
        disk.fsync(fd)
        if length == 0:
            _sync_name(disk, path)
    except BaseException:
        if locked and length >= 0:
            _cut(disk, fd, length)
        raise


def _sync_name(disk: Disk, path: bytes) -> None:
    """Make the name of a file durable, unless its directory cannot be opened or synced by us at all."""
    try:
        disk.fsync_dir(os.path.dirname(path) or b".")
    except OSError as trouble:
        if trouble.errno not in (errno.EACCES, errno.EINVAL):
            raise


def _length(disk: Disk, fd: int) -> int:
    """How long the file is, or -1 for something that has no length, like a device or a FIFO."""
    found = disk.fstat(fd)
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def _cut(disk: Disk, fd: int, length: int) -> None:
    """Take back what was appended, as far as that is possible."""
    try:
        disk.truncate(fd, length)
    except OSError:
        pass
