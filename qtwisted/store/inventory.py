"""Reads the queue from its files, for whoever looks at it: message by message, while it changes.

Nothing is locked. A message that leaves meanwhile is passed over or shown in part; one that qmail-send takes over
from todo meanwhile is given once. However long the queue is, the first message comes at once, and little memory is
needed.

The files belong to users who are not root. So nothing is followed or opened that is not a plain file, and no record
is longer than it may be.
"""

from __future__ import annotations

import errno
import os
import stat

from qtwisted.model.frozen import NamedTuple
from qtwisted.store.kinds.ledger import CHANNELS, Ledger, Trouble
from qtwisted.store.qstat import in_queue, not_preprocessed
from qtwisted.system.disk import Disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TODO, HELD, BOUNCING, QUEUED = "todo", "held", "bouncing", "queued"
#: what a message can be, in the order in which it is said: not preprocessed yet; on hold; with failures that its
#: sender will be told of; nothing special
STATES = (TODO, HELD, BOUNCING, QUEUED)

_PIECE = 65536
_RECORD_MAX = 65536
#: messages found in todo and remembered, so that they are not given twice
_REMEMBERED_MAX = 200_000
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW


class Recipient(NamedTuple):
    """One recipient: ``local``, ``remote`` or, before that is decided, nothing; and whether it is settled."""

    channel: str
    address: bytes
    is_done: bool


class Message(NamedTuple):
    """A message as a whole. ``sender`` is None if its file cannot be read; ``mark`` tells it from any other message
    that may get its number later.
    """

    number: int
    state: str
    sender: bytes | None
    born_at: int
    size: int
    is_held: bool
    is_bouncing: bool
    mark: int


class Inventory:
    """The queue of one home."""

    def __init__(self, queue: str, split: int) -> None:
        """Look into the directory *queue*; raise OSError if that is not possible."""
        self._disk = Disk(queue)
        self._ledger = Ledger(self._disk, split)

    def messages(self) -> Iterator[Message]:
        """Go through all messages, in no order; raise OSError where a directory cannot be read."""
        seen: set[int] = set()
        for number in self._numbers("todo"):
            message = self.message(number)
            if message is not None:
                if message.state == TODO and len(seen) < _REMEMBERED_MAX:
                    seen.add(number)
                yield message
        for directory in self._ledger.directories("info"):
            for number in self._numbers(directory):
                message = None if number in seen else self.message(number)
                if message is not None and message.state != TODO:
                    yield message

    def _numbers(self, directory: str) -> Iterator[int]:
        """Go through the messages that have a file in a directory."""
        try:
            yield from self._ledger.numbers(directory)
        except Trouble as trouble:
            cause = trouble.__context__
            raise cause if isinstance(cause, OSError) else OSError(errno.EIO, "cannot be read", directory) from None

    def message(self, number: int) -> Message | None:
        """Look at one message; None if it is not in the queue. Raise OSError where nobody can tell."""
        try:
            text = self._disk.stat(self._ledger.name("mess", number))
            if self._disk.exists(self._ledger.name("todo", number)):
                return self._in_todo(number, text)
            found = self._disk.stat(self._ledger.name("info", number))
            is_bouncing = self._disk.exists(self._ledger.name("bounce", number))
        except FileNotFoundError:
            return None
        is_held = bool(found.st_mode & stat.S_IXUSR)
        state = HELD if is_held else BOUNCING if is_bouncing else QUEUED
        return Message(number, state, self._sender("info", number), int(found.st_mtime), text.st_size, is_held,
                       is_bouncing, text.st_mtime_ns)

    def _in_todo(self, number: int, text: os.stat_result) -> Message:
        """Describe a message that is not preprocessed."""
        return Message(number, TODO, self._sender("todo", number), int(text.st_mtime), text.st_size, False, False,
                       text.st_mtime_ns)

    def _sender(self, kind: str, number: int) -> bytes | None:
        """Read the sender from todo/N or info/N."""
        try:
            for record in self._records(kind, number):
                if record.startswith(b"F"):
                    return record[1:]
        except OSError:
            pass
        return None

    def recipients(self, message: Message) -> Iterator[Recipient]:
        """Go through the recipients of a message, as far as its files can be read."""
        try:
            if message.state == TODO:
                for record in self._records("todo", message.number):
                    if record.startswith(b"T"):
                        yield Recipient("", record[1:], False)
                return
        except OSError:
            return
        for channel in CHANNELS:
            try:
                for record in self._records(channel, message.number):
                    if record[:1] in (b"T", b"D"):
                        yield Recipient(channel, record[1:], record[:1] == b"D")
            except OSError:
                continue

    def due_at(self, channel: str, number: int) -> int | None:
        """Tell what is noted on a recipient file for the next start: when it is due; None if there is no file."""
        try:
            return int(self._disk.stat(self._ledger.name(channel, number)).st_mtime)
        except OSError:
            return None

    def failures(self, number: int, most: int) -> bytes:
        """Read what the sender will be told, at most so many bytes of it."""
        return self._read("bounce", number, most)

    def text(self, number: int, most: int) -> bytes:
        """Read the beginning of the message itself."""
        return self._read("mess", number, most)

    def _read(self, kind: str, number: int, most: int) -> bytes:
        """Read the beginning of a file; nothing if there is none."""
        try:
            fd = open_plain(self._disk, self._ledger.name(kind, number))
        except OSError:
            return b""
        try:
            return self._disk.read(fd, most)
        except OSError:
            return b""
        finally:
            self._disk.close(fd)

    def _records(self, kind: str, number: int) -> Iterator[bytes]:
        """Read the records of a file."""
        return records(self._disk, self._ledger.name(kind, number))

    def counts(self) -> tuple[int, int]:
        """Count all messages, and those not preprocessed, by their names, as qmail-qstat does."""
        return in_queue(self._disk), not_preprocessed(self._disk)


def open_plain(disk: Disk, path: str) -> int:
    """Open a plain file for reading, and nothing else."""
    fd = disk.open(path, _FLAGS)
    if not stat.S_ISREG(disk.fstat(fd).st_mode):
        disk.close(fd)
        raise OSError(errno.EINVAL, "not a plain file")
    return fd


def records(disk: Disk, path: str) -> Iterator[bytes]:
    """Read the records of a file, each ended by a zero byte; the rest after the last one is none."""
    fd = open_plain(disk, path)
    try:
        rest = b""
        while piece := disk.read(fd, _PIECE):
            *found, rest = (rest + piece).split(b"\0")
            yield from found
            if len(rest) > _RECORD_MAX:
                raise OSError(errno.EFBIG, "a record without end")
    finally:
        disk.close(fd)
