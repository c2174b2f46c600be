"""UNIX sockets in a home whose path may be longer than a socket address.

An address holds 107 bytes; a home can lie deeper than that. So both sides name a socket through a descriptor
of its directory: ``/proc/self/fd/N/NAME`` is always short.
"""

from __future__ import annotations

import os
import socket

BACKLOG = 512


def lock_home(directory: str) -> int:
    """Hold *directory* for us alone and return the descriptor that holds it; BlockingIOError when another has
    it.

    The lock ends with the process, whatever ends it, so there is nothing to clean up.
    """
    import fcntl

    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


class _Directory:
    """A directory held open while a socket in it is named."""

    def __init__(self, path: str) -> None:
        """Remember which directory."""
        self.path = path
        self.fd = -1

    def __enter__(self) -> _Directory:
        """Open it; the last component must be a real directory and not a link to one."""
        self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *details: object) -> None:
        """Close it."""
        os.close(self.fd)

    def name(self, name: str) -> str:
        """An address for the entry *name*, short whatever the path."""
        return f"/proc/self/fd/{self.fd}/{name}"


def connect_unix(directory: str, name: str, within: float | None = None) -> socket.socket:
    """A blocking stream connection to the socket *name* in *directory*; raises OSError as connect(2) does.

    With *within*, it is made in so many seconds or not at all, and each later call may take as long.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(within)
    try:
        with _Directory(directory) as held:
            connection.connect(held.name(name))
    except BaseException:
        connection.close()
        raise
    return connection


def listen_unix(directory: str, name: str, mode: int) -> socket.socket:
    """A listening stream socket *name* in *directory*, in place of one left by an earlier run, with mode
    *mode*.

    It is bound under another name and renamed, so that callers never find a name that is gone or whose mode
    is not set yet. The caller sees to it that he is the only one here (``lock_home``).
    """
    from qtwisted.system.disk import Disk

    disk = Disk()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _Directory(directory) as held:
            fresh = f".{name}.new"
            if os.path.lexists(held.name(fresh)):
                disk.unlink(held.name(fresh))  # a run that was killed between the two names
            listener.bind(held.name(fresh))
            os.chmod(held.name(fresh), mode)
            listener.listen(BACKLOG)
            disk.rename(held.name(fresh), held.name(name))
    except BaseException:
        listener.close()
        raise
    return listener
