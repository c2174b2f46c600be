"""The role ``log``: carry log lines to standard output or to a program, and never let them hold up mail.

Every role writes its lines into one pipe; this process empties it at once, whatever becomes of the lines.
They go to the standard output that the master was started with or, with the option ``command``, to the
standard input of that program, which is started here and started again when it ends.

With the option ``dress``, the name of a module whose ``dressed(lines, at)`` writes lines in another way, they
leave in that way; the module is named by the master, since nothing here knows what the lines mean.

If whoever should take the lines does not, up to a megabyte of them waits. What comes beyond is dropped, and
as soon as there is room again a line says how many were lost.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import time

from qtwisted.system.backoff import Backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

    from qtwisted.system.start import Opened

    Dress = Callable[[bytes, float], bytes]

ROOM = 1 << 20
PIECE = 65536
AT_ONCE = 4096
"""A pipe that polls as writable takes this many bytes without blocking (PIPE_BUF)."""
FAREWELL_FOR = 5.0
SAID_FOR = 60.0
"""How long the operator need not be told again that the program cannot be run."""


class Backlog:
    """Lines on their way out: bounded, whole lines only, the dropped ones counted."""

    __slots__ = ("_dress", "_dropped", "_half", "_lines", "room")

    def __init__(self, room: int = ROOM, dress: Dress | None = None) -> None:
        """Begin empty, with *room* bytes; lines come out as *dress* writes them."""
        self.room = room
        self._dress = dress
        self._lines = bytearray()
        self._half = b""
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take what came out of the pipe; what does not fit is dropped line by line."""
        whole, feed, self._half = (self._half + data).rpartition(b"\n")
        if len(self._half) > AT_ONCE:  # no role writes such a line: do not collect it for ever
            whole, feed, self._half = whole + feed + self._half, b"\n", b""
        if feed:
            self._take(whole + feed)

    def _take(self, lines: bytes) -> None:
        """Keep complete *lines* as far as there is room."""
        if self._dress is not None:
            lines = self._dress(lines, time.time())
        free = self.room - len(self._lines)
        if self._dropped:
            lost = b"warning: %d log lines lost\n" % self._dropped
            if self._dress is not None:
                lost = self._dress(lost, time.time())
            if free >= len(lines) + len(lost):
                self._lines += lost
                self._dropped = 0
                free -= len(lost)
        if len(lines) > free:
            fits = lines.rfind(b"\n", 0, max(free, 0)) + 1
            self._dropped += lines.count(b"\n", fits)
            lines = lines[:fits]
        self._lines += lines

    def finish(self) -> None:
        """The pipe has ended: complete a last line that has no end."""
        if self._half:
            self.add(b"\n")

    def head(self) -> bytes:
        """What to write next."""
        return bytes(self._lines[:AT_ONCE])

    def written(self, count: int) -> None:
        """The first *count* bytes have left."""
        del self._lines[:count]

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._lines)


class Output:
    """The standard output we were given: it may be anything, and others may share it, so its flags stay as
    they are.
    """

    restarts = False

    def __init__(self, fd: int) -> None:
        """Write to *fd*."""
        self.fd = fd
        self._socket = socket.socket(fileno=os.dup(fd)) if stat.S_ISSOCK(os.fstat(fd).st_mode) else None

    def write(self, data: bytes) -> int:
        """Write part of *data*, without waiting; raises OSError when nobody is there any more."""
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        return os.write(self.fd, data)

    def open(self, now: float) -> int:
        """The descriptor to write to."""
        return self.fd

    def lost(self, now: float) -> None:
        """Nobody reads any more, and nobody ever will."""

    def wakes_at(self) -> float | None:
        """Nothing happens here by time."""
        return None

    def close(self) -> None:
        """All is written."""


class Program:
    """A program that takes the lines on its standard input, started again whenever it ends."""

    restarts = True

    def __init__(self, words: list[str]) -> None:
        """Run *words*, found along PATH."""
        self._words = words
        self._child: Popen[bytes] | None = None
        self._pipe = -1
        self._backoff = Backoff()
        self._started_at = 0.0
        self._start_at = 0.0
        self._say_at = 0.0

    def open(self, now: float) -> int:
        """The descriptor to write to; -1 while the program is not running."""
        if self._child is None and now >= self._start_at:
            self._start(now)
        return self._pipe

    def _start(self, now: float) -> None:
        """Start the program with a pipe that never makes us wait."""
        import subprocess

        self._started_at = now
        try:
            self._child = subprocess.Popen(self._words, stdin=subprocess.PIPE)
        except OSError as trouble:
            self._start_at = now + self._backoff.after(0.0)
            self._complain(trouble, now)
            return
        assert self._child.stdin is not None
        self._pipe = self._child.stdin.fileno()
        os.set_blocking(self._pipe, False)

    def _complain(self, trouble: OSError, now: float) -> None:
        """Call the operator, once a minute at most, where there is still somebody to hear it: standard error."""
        if now < self._say_at:
            return
        self._say_at = now + SAID_FOR
        try:
            os.write(2, f"alert: cannot run {self._words[0]}: {trouble.strerror}\n".encode("utf-8", "replace"))
        except OSError:
            pass

    def write(self, data: bytes) -> int:
        """Write part of *data*, without waiting; raises OSError when the program is gone."""
        return os.write(self._pipe, data)

    def lost(self, now: float) -> None:
        """The program reads no more: end it and start it again after a pause."""
        self.close()
        self._start_at = now + self._backoff.after(now - self._started_at)

    def wakes_at(self) -> float | None:
        """When the program is to be started again, if it is not running."""
        return self._start_at if self._child is None else None

    def close(self) -> None:
        """Let the program read to the end and exit; after some seconds it is ended."""
        child, self._child, self._pipe = self._child, None, -1
        if child is None or child.stdin is None:
            return
        child.stdin.close()
        for nudge in (None, signal.SIGTERM, signal.SIGKILL):
            if nudge is not None:
                child.send_signal(nudge)
            try:
                child.wait(FAREWELL_FOR)
                return
            except Exception as trouble:
                if type(trouble).__name__ != "TimeoutExpired":
                    raise


def patience(output: Output | Program, now: float) -> float | None:
    """How long poll may wait, in milliseconds; None is for ever."""
    wakes_at = output.wakes_at()
    return None if wakes_at is None else max(0.0, wakes_at - now) * 1000 + 1


def carry(source: int, output: Output | Program, dress: Dress | None = None) -> None:
    """Carry lines from *source* to *output* until *source* ends and everything is written."""
    backlog = Backlog(dress=dress)
    ended = False
    deaf = False
    give_up_at: float | None = None
    while not ended or (backlog and not deaf):
        now = time.monotonic()
        if give_up_at is not None and now >= give_up_at:
            return
        sink = -1 if deaf else output.open(now)
        poll = select.poll()
        if not ended:
            poll.register(source, select.POLLIN)
        if sink >= 0:
            # Without lines to write only the death of the reader is of interest.
            poll.register(sink, select.POLLOUT if backlog else 0)
        wait = patience(output, now) if not deaf else None
        if give_up_at is not None:
            wait = min(wait if wait is not None else 1000.0, 1000.0)
        for fd, events in poll.poll(wait):
            if fd == source:
                data = os.read(source, PIECE)
                if data:
                    backlog.add(data)
                else:
                    ended = True
                    backlog.finish()
                    give_up_at = now + FAREWELL_FOR
            elif not write(backlog, output, events):
                output.lost(time.monotonic())
                deaf = not output.restarts
        if deaf:
            backlog = Backlog()


def write(backlog: Backlog, output: Output | Program, events: int) -> bool:
    """Write what fits; False when nobody reads any more."""
    try:
        if events & select.POLLOUT:
            backlog.written(output.write(backlog.head()))
            return True
    except BlockingIOError:
        return True
    except OSError:
        return False
    return not events & (select.POLLERR | select.POLLHUP | select.POLLNVAL)


def main(opened: Opened) -> None:
    """Run the role."""
    output: Output | Program = Output(1)
    if "command" in opened.options:
        import shlex

        output = Program(shlex.split(opened.options["command"]))
    dress: Dress | None = None
    if "dress" in opened.options:
        from importlib import import_module

        dress = import_module(opened.options["dress"]).dressed
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends when everyone who could still write has ended
    carry(opened.fds["lines"], output, dress)
    output.close()
