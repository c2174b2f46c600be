"""What is in a Maildir: its messages in order, and the remains in ``tmp/`` that may go.

The rules are those of maildir.c, used by maildir2mbox, maildirwatch and qmail-pop3d:

* A name that begins with a dot is not a message.
* A file changed in this very second may still grow in somebody's eyes and is left for the next look.
* Messages come in the order of their modification times.
* A file in ``tmp/`` that nobody has read for 36 hours belongs to a delivery that died.

Unlike 1.02: what is not a regular file, and a symbolic link, is not a message; opening one never waits.
"""

from __future__ import annotations

import os
import stat

from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: seconds after which a file in tmp/ is given up (maildir.c)
STALE_FOR = 129600


class Message(NamedTuple):
    """One message: ``path`` below the Maildir (``new/NAME`` or ``cur/NAME``), when it came, its size in bytes."""

    path: bytes
    changed_at: float
    size: int


def clean(maildir: bytes, now: float) -> None:
    """Remove the remains of dead deliveries from ``tmp/``; trouble is left to the next time."""
    try:
        entries = list(os.scandir(os.path.join(maildir, b"tmp")))
    except OSError:
        return
    for entry in entries:
        try:
            if not entry.name.startswith(b".") and now > entry.stat(follow_symlinks=False).st_atime + STALE_FOR:
                os.unlink(entry.path)
        except OSError:
            pass


def scan(maildir: bytes, folder: bytes, now: float) -> list[Message]:
    """List the messages in ``new`` or ``cur``, unordered; raise OSError where the folder cannot be read."""
    return list(look(maildir, folder, now))


def look(maildir: bytes, folder: bytes, now: float) -> Iterator[Message]:
    """Do as ``scan`` does, one message at a time."""
    with os.scandir(os.path.join(maildir, folder)) as entries:
        for entry in entries:
            if entry.name.startswith(b"."):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode) and int(status.st_mtime) < int(now):
                yield Message(folder + b"/" + entry.name, status.st_mtime, status.st_size)


def in_order(messages: list[Message]) -> list[Message]:
    """Put messages into the order in which they came."""
    return sorted(messages, key=lambda message: (message.changed_at, message.path))


def open_message(maildir: bytes, path: bytes) -> int:
    """Open a message for reading; give its descriptor. Raises OSError, also for what is not a regular file."""
    fd = os.open(os.path.join(maildir, path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileNotFoundError(path)
    return fd
