"""Puts messages into a Maildir, so that a reader sees whole messages only and a power cut loses none.

Rules this file keeps:

* A message is written into a file of ``tmp/`` that has no name, synced, given its name in ``new/``, and ``new/``
  is synced; only then is it delivered. Where there are no nameless files it has a name in ``tmp/`` until
  then. Each step that fails undoes what came before.
* Names are ``TIME.PID.HOST``; the second and later messages of one process in one second are
  ``TIME.PID_1.HOST`` and so on. The time in names never goes back in the life of a process, so no name is ever
  given twice by it; a name somebody else has taken is passed over.

Unlike 1.02: ``new/`` is synced before a message counts as delivered.

Unlike 1.02: a message has no name in ``tmp/`` while it is written, where the file system allows that, so that a
delivery that dies leaves nothing behind.

Unlike 1.02: a process may deliver many messages in a second, which the name shows, and a slash or colon in the
host's name is written ``\\057`` or ``\\072``, as later Maildir conventions have it.

Unlike 1.02: a name that is taken is passed over at once; 1.02 waited two seconds and gave up after three tries.
"""

from __future__ import annotations

import os
from time import time

from qtwisted.model import oserrors
from qtwisted.system.disk import NO_NAMELESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qtwisted.system.disk import Disk

TRIES = 1000
"""How many names in a row may be taken before we give up."""


class NoMaildir(Exception):
    """There is no directory that could be a Maildir where one was named."""


class Names:
    """The names one process gives to messages."""

    def __init__(self, host: bytes | None = None, clock: Callable[[], float] = time) -> None:
        """Name messages after *host*, normally this machine."""
        name = os.uname().nodename.encode("utf-8", "surrogateescape") if host is None else host
        self._host = name[:64].replace(b"/", b"\\057").replace(b":", b"\\072")
        self._clock = clock
        self._second = 0
        self._count = 0

    def next(self) -> bytes:
        """A name not given before."""
        now = int(self._clock())
        if now > self._second:
            self._second, self._count = now, 0
            return b"%d.%d.%s" % (now, os.getpid(), self._host)
        self._count += 1
        return b"%d.%d_%d.%s" % (self._second, os.getpid(), self._count, self._host)


def deliver(disk: Disk, directory: bytes, names: Names, pieces: Iterable[bytes]) -> bytes:
    """Put a message, given in pieces, into the Maildir *directory*; returns the name it has in ``new/``.

    Raises NoMaildir when there is no such directory, OSError for other trouble, and whatever *pieces* raises. Then
    nothing of the message is left in ``new/``.
    """
    if not directory.endswith(b"/"):
        directory += b"/"
    try:
        fd = disk.create_nameless(directory + b"tmp", 0o600)
    except OSError as trouble:
        if trouble.errno not in NO_NAMELESS:
            _require(directory)
            raise
        return _deliver_by_name(disk, directory, names, pieces)
    try:
        _write(disk, fd, pieces)
        return _publish(disk, directory, names, lambda path: disk.give_name(fd, path))
    finally:
        disk.close(fd)


def _deliver_by_name(disk: Disk, directory: bytes, names: Names, pieces: Iterable[bytes]) -> bytes:
    """Deliver by way of a name in ``tmp/``."""
    fd, fresh = _create(disk, directory, names)
    try:
        try:
            _write(disk, fd, pieces)
        finally:
            disk.close(fd)
        return _publish(disk, directory, names, lambda path: disk.link(fresh, path))
    finally:
        _remove(disk, fresh)


def _write(disk: Disk, fd: int, pieces: Iterable[bytes]) -> None:
    """Write a message and make it durable."""
    for piece in pieces:
        disk.write_all(fd, piece)
    disk.fsync(fd)


def _create(disk: Disk, directory: bytes, names: Names) -> tuple[int, bytes]:
    """A new file below ``tmp/``: its descriptor and its path."""
    for _ in range(TRIES):
        path = directory + b"tmp/" + names.next()
        try:
            return disk.create(path, 0o600), path
        except FileExistsError:
            continue
        except OSError:
            _require(directory)
            raise
    raise FileExistsError(directory)


def _require(directory: bytes) -> None:
    """Raise NoMaildir if one cannot go into *directory* (the chdir of maildir_child in qmail-local.c)."""
    here = os.open(b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(directory)
        os.fchdir(here)
    except OSError as trouble:
        if oserrors.is_temporary(trouble.errno):
            raise
        raise NoMaildir(directory) from trouble
    finally:
        os.close(here)


def _publish(disk: Disk, directory: bytes, names: Names, link: Callable[[bytes], None]) -> bytes:
    """Let readers see a written message, for good; returns the name they see."""
    new = directory + b"new/"
    name = _link(new, names, link)
    try:
        disk.fsync_dir(new)
    except BaseException:
        _remove(disk, new + name)
        raise
    return name


def _link(new: bytes, names: Names, link: Callable[[bytes], None]) -> bytes:
    """Give the message a name in ``new/`` that nobody has there."""
    for _ in range(TRIES):
        name = names.next()
        try:
            link(new + name)
            return name
        except FileExistsError:
            continue
    raise FileExistsError(new)


def _remove(disk: Disk, path: bytes) -> None:
    """Remove a name if that is possible; one left in ``tmp/`` is no mail, and readers remove it after 36 hours."""
    try:
        disk.unlink(path)
    except OSError:
        pass
