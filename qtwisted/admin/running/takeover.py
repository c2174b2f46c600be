"""A start where a master is there already: it takes over if qmail-send was told to end there, and else gives way.

An administrator of qmail stops deliveries by killing qmail-send alone, and starts them again as after a reboot
(UPGRADE, steps 3 and 9). Meanwhile the master, the door and the fronts have gone on receiving mail. The new master
has the old one end in order and waits for it; clients of the door wait, too, and nothing is lost.
"""

from __future__ import annotations

import os
import signal
import time

from qtwisted.admin.running import serving
from qtwisted.admin.running.ports import StartError
from qtwisted.system import sockets
from qtwisted.system.disk import Disk

MUTEX = "queue/lock/sendmutex"
STOPPED = "run/send.stopped"
"""Is there while qmail-send is down because it was told to end, below the home."""
PATIENCE_FOR = 60.0
"""How long a master may take to end; it gives deliveries and clients 20 seconds, and then insists."""
AGAIN_FOR = 0.05


class AlreadyRunning(StartError):
    """The home is served, and its deliveries run."""


def is_sending(home: str) -> bool:
    """Does a qmail-send, ours or another, have the queue?"""
    import fcntl

    try:
        fd = os.open(os.path.join(home, MUTEX), os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False  # without the file there is no queue to have
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def note(home: str, is_stopped: bool) -> None:
    """Keep a file that tells whether qmail-send was told to end."""
    path = os.path.join(home, STOPPED)
    disk = Disk()
    disk.discard(path)
    if is_stopped:
        os.close(disk.create(path, 0o644))


def is_stopped(home: str) -> bool:
    """Is qmail-send down because it was told to end?"""
    return os.path.exists(os.path.join(home, STOPPED))


def lock(home: str) -> int:
    """Have a home for ourselves, and give the descriptor that holds it; raise AlreadyRunning if it is served."""
    directory = os.path.join(home, "run")
    give_up_at = time.monotonic() + PATIENCE_FOR
    former: int | None = None
    was_told = False
    while time.monotonic() < give_up_at:
        try:
            return sockets.lock_home(directory)
        except BlockingIOError:
            pass
        found = serving.master(home)
        former = found if former is None else former
        if found == os.getpid() or found not in (None, former) or is_sending(home):
            break
        if former is not None and not was_told and is_stopped(home):
            _tell(former)
            was_told = True
        time.sleep(AGAIN_FOR)  # nothing of ours runs yet that could be kept waiting
    raise AlreadyRunning(f"the mail system in {home} is already running")


def _tell(master: int) -> None:
    """Have a master end."""
    try:
        os.kill(master, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise StartError(f"process {master} serves this home for another user") from None
