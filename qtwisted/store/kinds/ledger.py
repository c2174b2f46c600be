"""The scheduler's half of the files store: info, local, remote and bounce, and reading what the door wrote.

All names are relative to HOME/queue, which the Disk resolves. Message N has info/S/N with its sender,
local/S/N and remote/S/N with a record for each recipient, ``T`` to do or ``D`` done, and bounce/N with what
failed, where S is the remainder of N by conf-split. What goes wrong is raised as Trouble, which carries the
line for the log. This file never touches mess, intd or todo: they are the door's.
"""

from __future__ import annotations

import fcntl
import os
import stat

from qtwisted.model import alerts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.model.events import Event
    from qtwisted.system.disk import Disk

#: directories of the two channels, by channel number
CHANNELS = ("local", "remote")

_SPLIT = ("mess", "info", "local", "remote")
_NUMBER_LIMIT = 1 << 64
_DIGITS_MAX = 20
_MODE = 0o600
_FILE_MODE = 0o644  # qmail-send asks for this and has a umask of 077
_INFO_MAX = 65536


class Trouble(Exception):
    """The queue cannot be read or written as wanted; ``event`` is what the log shall say."""

    def __init__(self, event: Event) -> None:
        """Take the event."""
        super().__init__(event)
        self.event = event


def message_number(name: str) -> int | None:
    """Read the name of a queue file as the number of a message; None where it is not one."""
    if not (name.isascii() and name.isdigit()) or len(name) > _DIGITS_MAX:
        return None
    number = int(name)
    return number if number < _NUMBER_LIMIT and str(number) == name else None


class Ledger:
    """The files of one queue."""

    def __init__(self, disk: Disk, split: int) -> None:
        """Work in the directory of *disk*, whose message directories are split into *split*."""
        self.disk = disk
        self.split = split
        self._mutex = -1

    # Names

    def name(self, kind: str, number: int) -> str:
        """Name a file of a message below HOME/queue."""
        if kind in _SPLIT:
            return f"{kind}/{number % self.split}/{number}"
        return f"{kind}/{number}"

    def file(self, kind: str, number: int) -> bytes:
        """Name a file as the log shows it."""
        return self.name(kind, number).encode()

    def directory(self, kind: str, number: int) -> str:
        """Name the directory that holds a file of a message."""
        return f"{kind}/{number % self.split}" if kind in _SPLIT else kind

    def directories(self, kind: str) -> list[str]:
        """List all directories of one kind."""
        return [f"{kind}/{part}" for part in range(self.split)] if kind in _SPLIT else [kind]

    # The whole queue

    def lock(self) -> None:
        """Be the only scheduler of this queue as long as this process lives (lock/sendmutex)."""
        try:
            self._mutex = self.disk.open("lock/sendmutex", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            raise Trouble(alerts.NoMutex()) from None
        try:
            fcntl.flock(self._mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Trouble(alerts.AlreadyRunning()) from None

    def stamp(self) -> tuple[int, int] | None:
        """Read what an earlier run believed of the clocks: the two times of lock/sendmutex."""
        try:
            found = self.disk.stat("lock/sendmutex")
        except OSError:
            return None
        return int(found.st_atime), int(found.st_mtime)

    def set_stamp(self, steady: int, now: int) -> None:
        """Leave a note on the clocks for a later run; it is not missed if it fails."""
        try:
            self.disk.utime("lock/sendmutex", steady, now)
        except OSError:
            pass

    def numbers(self, directory: str) -> Iterator[int]:
        """Go through the messages that have a file in a directory; other names are passed over.

        The directory stays open meanwhile. Trouble where it cannot be opened.
        """
        try:
            for name, _ in self.disk.names(directory):
                number = message_number(name)
                if number is not None:
                    yield number
        except OSError:
            raise Trouble(alerts.CannotOpenDirectory(directory.encode())) from None

    # Looking at one message

    def exists(self, kind: str, number: int) -> bool:
        """Does a message have this file? Raise OSError where nobody can tell."""
        return self.disk.exists(self.name(kind, number))

    def modified_at(self, kind: str, number: int) -> int | None:
        """Tell when a file was last modified, None if there is none; raise OSError where nobody can tell."""
        try:
            return int(self.disk.stat(self.name(kind, number)).st_mtime)
        except FileNotFoundError:
            return None

    def touched_at(self, kind: str, number: int) -> int:
        """Tell when a file was last read or written; raise OSError if it cannot be looked at.

        Unlike 1.02: the later of the two times counts, as reading and writing may leave no access time on file
        systems mounted with noatime or relatime.
        """
        found = self.disk.stat(self.name(kind, number))
        return int(max(found.st_atime, found.st_mtime))

    def size(self, number: int) -> int:
        """Tell the size of a message's text."""
        try:
            return self.disk.stat(self.name("mess", number)).st_size
        except OSError:
            raise Trouble(alerts.CannotStat(self.file("mess", number))) from None

    def open_todo(self, number: int) -> int | None:
        """Open todo/N for reading; None where the message is no longer there."""
        try:
            return self.disk.open(self.name("todo", number), os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError:
            raise Trouble(alerts.CannotOpen(self.file("todo", number))) from None

    def todo_changed(self, number: int) -> tuple[int, int, int] | None:
        """Tell what would show that todo/N is not the file it was; None where it cannot be looked at."""
        try:
            found = self.disk.stat(self.name("todo", number))
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns

    def read_todo(self, number: int, fd: int, count: int) -> bytes:
        """Read a piece of todo/N."""
        try:
            return self.disk.read(fd, count)
        except OSError:
            raise Trouble(alerts.TroubleReading(self.file("todo", number))) from None

    def has_remains(self, number: int) -> bool:
        """Did an earlier scheduler begin to write files of this message? It is asked of messages still in todo."""
        try:
            return any(self.exists(kind, number) for kind in ("info", "local", "remote", "bounce"))
        except OSError:
            return True

    def info(self, number: int) -> tuple[bytes, int]:
        """Read the sender of a message and the time of its birth."""
        try:
            fd = self.disk.open(self.name("info", number))
            try:
                born_at = int(self.disk.fstat(fd).st_mtime)
                record, zero, _ = self.disk.read(fd, _INFO_MAX).partition(b"\0")
            finally:
                self.disk.close(fd)
        except OSError:
            raise Trouble(alerts.TroubleOpening(self.file("info", number))) from None
        if not zero or not record.startswith(b"F"):
            raise Trouble(alerts.TroubleOpening(self.file("info", number)))
        return record[1:], born_at

    def is_held(self, number: int) -> bool:
        """Has an administrator put a message on hold? Raise OSError where nobody can tell.

        Unlike 1.02: info/N of a message on hold is executable for its owner. So the hold survives a restart, ends
        with the message, and is nothing to other programs, which look at no modes.
        """
        return bool(self.disk.stat(self.name("info", number)).st_mode & stat.S_IXUSR)

    def set_held(self, number: int, is_held: bool) -> int:
        """Put a message on hold or release it; give the descriptor, which waits for its sync. Raise OSError."""
        fd = self.disk.open(self.name("info", number))
        try:
            mode = stat.S_IMODE(self.disk.fstat(fd).st_mode)
            self.disk.set_mode(fd, mode | stat.S_IXUSR if is_held else mode & ~stat.S_IXUSR)
        except OSError:
            self.disk.close(fd)
            raise
        return fd

    def open_recipients(self, channel: int, number: int) -> int:
        """Open local/N or remote/N for reading."""
        kind = CHANNELS[channel]
        try:
            return self.disk.open(self.name(kind, number))
        except OSError:
            raise Trouble(alerts.TroubleOpening(self.file(kind, number))) from None

    # Changing one message

    def open_for_mark(self, channel: int, number: int) -> int:
        """Open local/N or remote/N to mark recipients in it."""
        return self.disk.open(self.name(CHANNELS[channel], number), os.O_WRONLY)

    def append_bounce(self, number: int, text: bytes) -> int:
        """Add a paragraph to bounce/N and give the descriptor, which waits for its sync.

        What cannot be written whole is taken back as far as possible, and the trouble is raised.

        Unlike 1.02: without space for the text the recipient stays to do and is tried again later; nothing
        waits.
        """
        fd = -1
        try:
            fd = self.disk.open(self.name("bounce", number), os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
            size = self.disk.fstat(fd).st_size
            try:
                self.disk.write_all(fd, text)
            except OSError:
                self.disk.truncate(fd, size)
                raise
        except OSError:
            if fd >= 0:
                self.disk.close(fd)
            raise Trouble(alerts.CannotAppendToBounce()) from None
        return fd

    def unlink(self, kind: str, number: int, later: bool = False) -> None:
        """Remove a file that is there; *later* says that the log shall promise another attempt."""
        try:
            self.disk.unlink(self.name(kind, number))
        except OSError:
            trouble = alerts.CannotUnlinkYet if later else alerts.CannotUnlink
            raise Trouble(trouble(self.file(kind, number))) from None

    def remove_remains(self, number: int) -> list[str]:
        """Remove what an earlier attempt at preprocessing left; give the directories that lost a name.

        Unlike 1.02: bounce/N goes too. A message still in todo has no failures yet; what lies there belonged
        to an earlier message of the same number, and 1.02 would have sent it to the wrong sender.
        """
        changed = []
        for kind in ("local", "remote", "info", "bounce"):
            try:
                if self.disk.discard(self.name(kind, number)):
                    changed.append(self.directory(kind, number))
            except OSError:
                raise Trouble(alerts.CannotUnlink(self.file(kind, number))) from None
        return changed

    def set_retry(self, channel: int, number: int, at: int) -> None:
        """Note on local/N or remote/N when it is due; read at the next start."""
        kind = CHANNELS[channel]
        try:
            self.disk.utime(self.name(kind, number), at, at)
        except OSError:
            raise Trouble(alerts.CannotSetTime(self.file(kind, number))) from None


class PlanFiles:
    """The files of one message while they are written: info, local and remote, and bounce if something failed
    already.

    Nothing counts before all of it is durable and todo/N is gone.
    """

    def __init__(self, ledger: Ledger, number: int) -> None:
        """Clear the ground and make info/N."""
        self._ledger = ledger
        self._disk = ledger.disk
        self._number = number
        self._fds: dict[str, int] = {}
        self._directories = dict.fromkeys(ledger.remove_remains(number))
        self._open("info")

    def _open(self, kind: str) -> int:
        """Make one of the files on first use."""
        fd = self._fds.get(kind)
        if fd is None:
            try:
                fd = self._disk.create(self._ledger.name(kind, self._number), _FILE_MODE)
            except OSError:
                raise Trouble(alerts.CannotCreate(self._ledger.file(kind, self._number))) from None
            self._fds[kind] = fd
            self._directories[self._ledger.directory(kind, self._number)] = None
        return fd

    def write(self, kind: str, records: bytes | bytearray) -> None:
        """Add records to a file."""
        fd = self._open(kind)
        try:
            self._disk.write_all(fd, bytes(records))
        except OSError:
            raise Trouble(alerts.TroubleWriting(self._ledger.file(kind, self._number))) from None

    def has(self, channel: int) -> bool:
        """Is there any recipient for a channel?"""
        return CHANNELS[channel] in self._fds

    def write_bounce(self, text: bytes) -> None:
        """Keep the text of failures that happened before the files were written."""
        self._fds["bounce"] = self._ledger.append_bounce(self._number, text)
        self._directories["bounce"] = None

    def finish(self, born_at: int) -> tuple[list[int], list[str]]:
        """Note when the message was born; give the descriptors and directories that must be synced now."""
        try:
            self._disk.utime(self._fds["info"], born_at, born_at)
        except OSError:
            raise Trouble(alerts.TroubleWriting(self._ledger.file("info", self._number))) from None
        fds, self._fds = list(self._fds.values()), {}
        return fds, list(self._directories)

    def abandon(self) -> None:
        """Close what is open; the message is still in todo, so the files do not count."""
        for fd in self._fds.values():
            self._disk.close(fd)
        self._fds = {}

