"""The log of the scheduler: one line for each event, written once a turn, never waiting for a reader.

The descriptor may be shared with other processes, so it stays blocking; it is asked before each write whether
it takes a piece of up to 4096 bytes, which a pipe then takes whole.

Unlike 1.02: a reader that is stuck stops nothing. What does not fit into the backlog is dropped, counted, and
the number is told when the reader goes on.
"""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.model.events import Event
    from qtwisted.store.kinds.together import Call, Clock

#: what POSIX calls PIPE_BUF on Linux: up to here a write to a pipe is all or nothing
PIECE = 4096
#: how many bytes may wait for a reader that is stuck
BACKLOG = 1 << 20
#: how long until a stuck reader is asked again
PATIENCE_FOR = 0.05
#: how long the last lines are offered before we end without having said them
FAREWELL_FOR = 2.0


class Outlet:
    """A descriptor that may be busy."""

    def __init__(self, fd: int) -> None:
        """Write to *fd*, which is not closed here."""
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, piece: bytes, within: float = 0.0) -> int | None:
        """Write a piece; give how much went out, 0 where the reader is stuck, None where there is no reader."""
        try:
            if not self._poll.poll(within * 1000):
                return 0
            return os.write(self._fd, piece)
        except BlockingIOError:
            return 0
        except OSError:
            return None


class Log:
    """Collects lines and hands them to the outlet at the end of the turn."""

    def __init__(self, clock: Clock, write: Callable[[bytes, float], int | None]) -> None:
        """Write with *write*, which behaves as Outlet.write does."""
        self._clock = clock
        self._write = write
        self._lines: list[bytes] = []
        self._waiting = b""
        self._dropped = 0
        self._timer: Call | None = None
        self._gone = False

    def say(self, event: Event) -> None:
        """Log one event."""
        self._lines.append(event.line())

    def flush(self) -> None:
        """Write what was said since the last time, as far as the reader takes it."""
        if self._lines:
            self._collect()
        if self._timer is None:
            self._offer(0.0)

    def farewell(self) -> None:
        """Write everything, waiting for the reader for a moment."""
        self._collect()
        self._offer(FAREWELL_FOR)

    def _collect(self) -> None:
        """Move the lines to what waits; drop them where that is too much already."""
        lines, self._lines = self._lines, []
        if self._gone or not lines:
            return
        if len(self._waiting) > BACKLOG:
            self._dropped += len(lines)
            return
        lines.append(b"")
        self._waiting += b"\n".join(lines)

    def _offer(self, within: float) -> None:
        """Write piece by piece until all is out or the reader is stuck."""
        while self._waiting:
            end = self._waiting.rfind(b"\n", 0, PIECE) + 1 or PIECE
            written = self._write(self._waiting[:end], within)
            if written is None:
                # nobody listens: qmail goes on without a log (qmail-send.c log1 ignores errors)
                self._gone = True
                self._waiting = b""
            elif not written:
                self._timer = self._timer or self._clock.callLater(PATIENCE_FOR, self._again)
                return
            else:
                self._waiting = self._waiting[written:]
            if not self._waiting and self._dropped:
                self._waiting = b"warning: log was stuck, %d lines lost\n" % self._dropped
                self._dropped = 0

    def _again(self) -> None:
        """Ask the reader again."""
        self._timer = None
        self._offer(0.0)
