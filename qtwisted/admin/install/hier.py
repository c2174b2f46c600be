"""What a home consists of: every directory and file, with owner, group and mode (INTERNALS; qmail-hier.c)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.config.conf import Conf, Ids

DIRECTORY, FIFO, FILE = "directory", "fifo", "file"
TCPTO_SIZE = 1024


class Entry(NamedTuple):
    """One thing in a home: what it is, where, whose, its mode, and what a file holds."""

    kind: str
    path: str
    user: str
    group: str
    mode: int
    content: bytes = b""


def directory(path: str, user: str, mode: int, group: str = "qmail") -> Entry:
    """A directory of *user*."""
    return Entry(DIRECTORY, path, user, group, mode)


def top() -> Iterator[Entry]:
    """The directories of a home, the queue left out.

    Unlike 1.02: there is HOME/run for the sockets of the running system and HOME/conf for what was fixed when
    qmail was built.
    """
    for name in ("", "control", "users", "bin", "conf", "run"):
        yield directory(name, "root", 0o755)
    yield directory("alias", "alias", 0o2755)


def queue(split: int) -> Iterator[Entry]:
    """The queue: who may write where is what keeps the roles apart."""
    yield directory("queue", "qmailq", 0o750)
    for name, user, mode in (("pid", "qmailq", 0o700), ("intd", "qmailq", 0o700), ("todo", "qmailq", 0o750),
                             ("bounce", "qmails", 0o700), ("lock", "qmailq", 0o750)):
        yield directory(f"queue/{name}", user, mode)
    for name, user, mode in (("mess", "qmailq", 0o750), ("info", "qmails", 0o700), ("local", "qmails", 0o700),
                             ("remote", "qmails", 0o700)):
        yield directory(f"queue/{name}", user, mode)
        for number in range(split):
            yield directory(f"queue/{name}/{number}", user, mode)
    yield Entry(FILE, "queue/lock/sendmutex", "qmails", "qmail", 0o600)
    yield Entry(FIFO, "queue/lock/trigger", "qmails", "qmail", 0o622)
    yield Entry(FILE, "queue/lock/tcpto", "qmailr", "qmail", 0o644, b"\0" * TCPTO_SIZE)


def home(conf: Conf) -> Iterator[Entry]:
    """Everything in a home, parents first."""
    yield from top()
    yield from queue(conf.split)


def make(root: str, entry: Entry, ids: Ids, change_owner: bool) -> None:
    """Make one thing below *root*; it must not exist, but for the home itself."""
    path = os.path.join(root, entry.path) if entry.path else root
    if entry.kind == DIRECTORY:
        os.makedirs(path, 0o700, exist_ok=not entry.path)
    elif entry.kind == FIFO:
        os.mkfifo(path, 0o600)
    else:
        write(path, entry.content, 0o600)
    if change_owner:
        own(path, entry, ids)
    os.chmod(path, entry.mode)


def numbers(entry: Entry, ids: Ids) -> tuple[int, int]:
    """The uid and gid that *entry* must have."""
    return getattr(ids, entry.user + "_uid"), getattr(ids, entry.group + "_gid")


def own(path: str, entry: Entry, ids: Ids) -> None:
    """Give *path* to the user and group of *entry*."""
    os.chown(path, *numbers(entry, ids))


def write(path: str, content: bytes, mode: int) -> None:
    """Write a new file; an existing one is never touched."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
