"""A terminal that is drawn on again and again, and left as it was found, whatever happens."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType
    from typing import Any

ENTER = "\033[?1049h\033[?25l"
LEAVE = "\033[?25h\033[?1049l"
"""The other screen of the terminal without a cursor, and back (xterm; others ignore it)."""
ENDING = (signal.SIGTERM, signal.SIGHUP)


class Ended(Exception):
    """A signal has asked us to end; ``code`` is the exit code that tells which."""

    def __init__(self, number: int) -> None:
        """Take the number of the signal."""
        super().__init__(number)
        self.code = 128 + number


class Live:
    """A screen of our own while the block lasts; keys are read as they are pressed."""

    def __init__(self) -> None:
        """Use standard input and output."""
        self._keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        self._former: list[Any] | None = None
        self._signals: dict[int, Any] = {}
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wakes, False)

    def __enter__(self) -> Live:
        """Take the screen."""
        for number in ENDING:
            self._signals[number] = signal.signal(number, self._end)
        self._signals[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._pause)
        self._signals[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._wake)
        self._take()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Give it back."""
        self._give_back()
        for number, former in self._signals.items():
            signal.signal(number, former)
        os.close(self._woken)
        os.close(self._wakes)

    def _take(self) -> None:
        """Go to the other screen; keys come one by one and are not shown, Ctrl-C and Ctrl-Z still work."""
        if self._keys >= 0:
            self._former = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        sys.stdout.write(ENTER)
        sys.stdout.flush()

    def _give_back(self) -> None:
        """Go back to the screen and the settings that were there."""
        try:
            sys.stdout.write(LEAVE)
            sys.stdout.flush()
        except OSError:
            pass  # the terminal is gone
        if self._former is not None:
            try:
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._former)
            except termios.error:
                pass

    def _end(self, number: int, frame: FrameType | None) -> None:
        """Leave by the way that restores everything."""
        raise Ended(number)

    def _pause(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: stop with the screen given back, and take it again afterwards."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self._wake(number, frame)

    def _wake(self, number: int, frame: FrameType | None) -> None:
        """The size has changed: draw again."""
        try:
            os.write(self._wakes, b"x")
        except BlockingIOError:
            pass

    def draw(self, lines: Sequence[str]) -> None:
        """Show lines, as many as there is room for; the caller has cut them to the width."""
        rows = os.get_terminal_size(sys.stdout.fileno()).lines
        body = "\033[K\r\n".join(lines[:rows])
        sys.stdout.write(f"\033[H{body}\033[K\033[J")
        sys.stdout.flush()

    def wait(self, seconds: float) -> str:
        """Wait for a key, for a change of the size, or for a time: the key, or nothing."""
        watched = [self._woken] if self._keys < 0 else [self._woken, self._keys]
        ready = select.select(watched, [], [], seconds)[0]
        if self._woken in ready:
            os.read(self._woken, 100)
        if self._keys in ready:
            return os.read(self._keys, 1).decode("ascii", "replace") or "q"
        return ""
