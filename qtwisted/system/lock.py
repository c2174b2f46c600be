"""Locks on open files, of the kind qmail uses (flock): they end with the process that holds them."""

from __future__ import annotations

import errno
import fcntl


def wait_exclusive(fd: int) -> None:
    """Lock a file for ourselves alone, however long that takes (lock_ex of qmail)."""
    fcntl.flock(fd, fcntl.LOCK_EX)


def try_exclusive(fd: int) -> bool:
    """Lock a file for ourselves alone if nobody else has it now; say whether we got it (lock_exnb of qmail)."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def release(fd: int) -> None:
    """Give up a lock before the file is closed (lock_un of qmail)."""
    fcntl.flock(fd, fcntl.LOCK_UN)
