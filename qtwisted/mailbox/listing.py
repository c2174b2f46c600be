"""All messages of a Maildir in order, in little memory: a hundred thousand of them take about ten megabytes."""

from __future__ import annotations

import os

from qtwisted.mailbox import contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.mailbox.contents import Message

_NUMBER = 8
_MICROSECONDS = 1_000_000
_NUMBER_MAX = (1 << 63) - 1


class Listing:
    """The messages as they were at one moment, counted from 0."""

    __slots__ = ("_records",)

    def __init__(self, maildir: bytes, now: float) -> None:
        """Look into ``new`` and ``cur``; raise OSError where one of them cannot be read."""
        records = [_record(message) for message in contents.look(maildir, b"new", now)]
        records.extend(_record(message) for message in contents.look(maildir, b"cur", now))
        records.sort()
        self._records = records

    def __len__(self) -> int:
        """Count them."""
        return len(self._records)

    def path(self, at: int) -> bytes:
        """Say where one lies below the Maildir."""
        return self._records[at][_NUMBER:-_NUMBER]

    def name(self, at: int) -> bytes:
        """Give the name of its file, without the directory."""
        return os.path.basename(self.path(at))

    def size(self, at: int) -> int:
        """Say how many bytes it had."""
        return int.from_bytes(self._records[at][-_NUMBER:], "big")


def _record(message: Message) -> bytes:
    """Put a message into one string of bytes; records sort as their messages do (``contents.in_order``)."""
    changed = min(max(int(message.changed_at * _MICROSECONDS), 0), _NUMBER_MAX)
    return changed.to_bytes(_NUMBER, "big") + message.path + message.size.to_bytes(_NUMBER, "big")
