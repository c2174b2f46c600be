"""Runs the programs of .qmail lines: ``/bin/sh -c COMMAND``, with its own copy of the message, within limits.

Rules this file keeps:

* A program gets three descriptors: its copy of the message, and twice the way to the report. Nothing else is open.
* It runs in a process group of its own, so that it can be ended together with what it started.
* Its exit status comes from the kernel and from nowhere else.
* It does not outlive the delivery: when this process is told to end (``end_with_us``), so are the program and its
  group.
* It has an hour. Then its group gets TERM, five seconds later KILL, and so does everything that came from it, even
  what left the group: orphans of this process are its children.

Unlike 1.02: a program that runs for more than an hour is ended and the mail is tried again later; 1.02 waited
for ever.

Unlike 1.02: a process left in the background does not delay the report by more than a second, even if it keeps the
program's output open; what it prints later is lost.
"""

from __future__ import annotations

import os
import select
import signal
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtwisted.deliver.user.output import Report

SHELL = b"/bin/sh"
TIME_LIMIT = 3600.0
GRACE_FOR = 5.0
LINGER_FOR = 1.0

_READ = 65536
_KILL_ROUNDS = 100
_DEFAULT_AGAIN = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
"""Signals a program finds as if nobody had changed them: Python ignores the first two."""


_current: list[int] = []
"""The program that runs now, if one does."""


class TimedOut(Exception):
    """The program did not end by itself in the time it has."""


def run(command: bytes, environment: Mapping[bytes, bytes], message: int, report: Report | None,
        limit: float = TIME_LIMIT) -> int:
    """Run a command on a message and return the wait status of the shell.

    What it prints goes into *report*, or where this process prints if that is None. Raises OSError when the shell
    cannot be run, and TimedOut after ending a program that took longer than *limit* seconds.
    """
    reap_orphans()
    before = children()
    if report is None:
        return _finish(_start(command, environment, message, (1, 2)), before, None, None, limit)
    mine, theirs = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            pid = _start(command, environment, message, (theirs, theirs))
        finally:
            os.close(theirs)
        return _finish(pid, before, mine, report, limit)
    finally:
        os.close(mine)


def end_with_us(number: int) -> None:
    """From now on signal *number* ends this process at once, and with it the program that runs on its behalf."""

    def end(*_: object) -> None:
        """End the program, then ourselves."""
        for pid in _current:
            _signal_group(pid, signal.SIGKILL)
        os._exit(0)

    signal.signal(number, end)


def children() -> set[int]:
    """The processes whose parent we are now, orphans we adopted among them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as listed:
            return {int(word) for word in listed.read().split()}
    except OSError:
        return set()


def reap_orphans() -> None:
    """Forget the adopted orphans that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _start(command: bytes, environment: Mapping[bytes, bytes], message: int, outputs: tuple[int, int]) -> int:
    """Start the shell in a process group of its own.

    Whoever tells us to end meanwhile waits until we know what has to end with us.
    """
    moves = [(os.POSIX_SPAWN_DUP2, message, 0)]
    moves += [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(outputs, 1)]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEFAULT_AGAIN)
    try:
        pid = os.posix_spawn(SHELL, [b"sh", b"-c", command], environment, file_actions=moves,
                             setpgroup=0, setsigmask=[], setsigdef=_DEFAULT_AGAIN)
        _current.append(pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _finish(pid: int, before: set[int], output: int | None, report: Report | None, limit: float) -> int:
    """Collect what a program prints until it ends; end it when its time is up. Returns its wait status."""
    try:
        ended = os.pidfd_open(pid)
        try:
            if not _collect(ended, output, report, limit):
                _end(pid, ended, before)
                raise TimedOut
        finally:
            os.close(ended)
    finally:
        _current.clear()
    status = os.waitpid(pid, 0)[1]
    _collect(None, output, report, LINGER_FOR)
    return status


def _collect(ended: int | None, output: int | None, report: Report | None, limit: float) -> bool:
    """Read a program's output for at most *limit* seconds, until *ended* says it is over or nobody can write more.

    Returns whether that came about in time.
    """
    poll = select.poll()
    if ended is not None:
        poll.register(ended, select.POLLIN)
    if output is not None:
        poll.register(output, select.POLLIN)
    deadline = monotonic() + limit
    while ended is not None or output is not None:
        remaining = deadline - monotonic()
        ready = [number for number, _ in poll.poll(remaining * 1000)] if remaining > 0 else []
        if not ready:
            return False
        if ended in ready:
            return True
        if output is not None and report is not None:
            said = os.read(output, _READ)
            report.add(said)
            if not said:
                poll.unregister(output)
                output = None
    return True


def _end(pid: int, ended: int, before: set[int]) -> None:
    """End a program, its group, and whatever else came from it."""
    _signal_group(pid, signal.SIGTERM)
    _collect(ended, None, None, GRACE_FOR)
    _signal_group(pid, signal.SIGKILL)
    spared = before | {_put_down(pid)}
    for _ in range(_KILL_ROUNDS):
        left = children() - spared
        if not left:
            return
        spared |= {_put_down(orphan) for orphan in left}


def _put_down(pid: int) -> int:
    """Kill a child and wait until it has ended; returns its number.

    What a set-uid program has made somebody else cannot be killed by us; it is left to end by itself.
    """
    _signal(os.kill, pid, signal.SIGKILL)
    ended = os.pidfd_open(pid)
    try:
        _collect(ended, None, None, LINGER_FOR)
    finally:
        os.close(ended)
    os.waitpid(pid, os.WNOHANG)
    return pid


def _signal_group(pid: int, number: int) -> None:
    """Signal a program and its group; the program may have left the group it was started in."""
    _signal(os.killpg, pid, number)
    _signal(os.kill, pid, number)


def _signal(send: Callable[[int, int], None], target: int, number: int) -> None:
    """Send a signal; the target may have ended, or become somebody else by a set-uid program."""
    try:
        send(target, number)
    except (ProcessLookupError, PermissionError):
        pass
