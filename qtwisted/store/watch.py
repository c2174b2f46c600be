"""Watches the queue from the inside: hears of every new message and has finished ones removed.

This is the scheduler's connection to the door. It takes the place of two things of 1.02: the trigger, for
mail that came through the door, and the pipes to qmail-clean.
"""

from __future__ import annotations

from twisted.internet.protocol import Protocol

from qtwisted.wire.door import COMMAND, DONE, FROM_DOOR, NOTICE, WATCH, FrameError, FrameReader, frame, read_notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from typing import Protocol as Interface

    from twisted.python.failure import Failure

    class Watcher(Interface):
        """Whoever is told what happens in the queue."""

        def arrived(self, number: int, size: int, record: bytes | None) -> None:
            """Hear of a durable message: the size of its text, and todo/N as it stands, or None if that is long."""

        def door_lost(self) -> None:
            """Hear that the door is gone; commands still open will not be answered."""


#: the door's word that a command was carried out
CARRIED_OUT = b"+"

_IDS = 1 << 32


class Watch(Protocol):
    """The connection itself; subscribes when it is made."""

    transport: Any

    def __init__(self, watcher: Watcher) -> None:
        """Tell *watcher* everything."""
        self._watcher = watcher
        self._frames = FrameReader(FROM_DOOR)
        self._open: dict[int, Callable[[bytes], None]] = {}
        self._last = 0
        self._lost = False

    def connectionMade(self) -> None:
        """Ask for notices."""
        self.transport.write(frame(WATCH, 0))

    def clean(self, command: bytes, answer: Callable[[bytes], None]) -> None:
        """Have the door remove files: ``todo/N``, ``foop/N`` or ``done/N``; *answer* gets ``+``, ``!`` or
        ``x``.

        Any number of commands may be open; the door carries them out in order. After the door is lost nothing
        is ever answered.
        """
        if self._lost:
            return
        self._last = (self._last + 1) % _IDS
        self._open[self._last] = answer
        self.transport.write(frame(COMMAND, self._last, command + b"\0"))

    def dataReceived(self, data: bytes) -> None:
        """Pass on notices and answers; a door that breaks the protocol is no door."""
        try:
            for letter, ident, payload in self._frames.received(data):
                if letter == NOTICE:
                    self._watcher.arrived(*read_notice(payload))
                elif letter == DONE:
                    self._answered(ident, payload)
                else:
                    raise FrameError(f"unexpected letter {letter!r}")
        except FrameError:
                self.transport.abortConnection()

    def _answered(self, ident: int, payload: bytes) -> None:
        """Give an answer to whoever waits for it."""
        answer = self._open.pop(ident, None)
        if answer is None:
            raise FrameError("answer to no question")
        answer(payload)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Tell the watcher; the commands still open are forgotten."""
        self._lost = True
        self._open.clear()
        self._watcher.door_lost()
