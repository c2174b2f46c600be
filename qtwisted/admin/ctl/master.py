"""The master of a running mail system, found and signalled without mistaking another process for it.

The kernel tells which process made the door's socket listen. That number may have been passed on to another process
since, or belong to systemd; so the process is held by a pidfd first, and then must have HOME/run open, as only the
master does, by whose lock a home is served once only.
"""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

from qtwisted.admin.refusal import Refused
from qtwisted.admin.running import serving

if TYPE_CHECKING:
    from types import TracebackType


class Master:
    """One process, held so that a signal can reach no other."""

    def __init__(self, pid: int, fd: int) -> None:
        """Take its number and its pidfd."""
        self.pid = pid
        self._fd = fd

    def __enter__(self) -> Master:
        """Be closed at the end of a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Let go of the process."""
        os.close(self._fd)

    def signal(self, number: int) -> None:
        """Send it a signal; one that has just ended needs none."""
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            raise Refused(f"process {self.pid} serves this home for another user; ask root") from None

    def catches(self, number: int) -> bool:
        """Has it asked for a signal, which would end it otherwise?"""
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                masks = [line.split()[1] for line in file if line.startswith("SigCgt:")]
        except OSError:
            return False
        return bool(masks) and bool(int(masks[0], 16) >> (number - 1) & 1)

    def ended(self, within: float) -> bool:
        """Wait for its end for so many seconds; False if it is still there."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(within * 1000))


def find(home: str) -> Master | None:
    """The master that serves *home*; None if there is none."""
    pid = serving.master(home)
    if pid is None or pid == os.getpid():
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if _serves(pid, home):
        return Master(pid, fd)
    os.close(fd)
    return None


def _serves(pid: int, home: str) -> bool:
    """Has a process HOME/run open? Raise Refused where we may not look."""
    directory = f"/proc/{pid}/fd"
    run = os.stat(os.path.join(home, "run"))
    try:
        for fd in os.listdir(directory):
            try:
                found = os.stat(f"{directory}/{fd}")
            except FileNotFoundError:
                continue
            if (found.st_dev, found.st_ino) == (run.st_dev, run.st_ino):
                return True
    except FileNotFoundError:
        return False
    except PermissionError:
        raise Refused(f"process {pid} serves {home} for another user; ask root") from None
    return False
