"""Cuts bytes into command lines, in bounded memory.

A line ends at LF; one CR right before it is dropped, any other CR stays (commands.c, which had no limit).
"""

from __future__ import annotations


class TooLong(Exception):
    """A line was longer than the limit; it has been thrown away and the next one can be read."""


class Endless(Exception):
    """A line has no end within reason."""


class Lines:
    """A buffer of bytes that gives lines.

    A line beyond ``limit`` is not kept, only counted, up to ``patience``.
    """

    __slots__ = ("_at", "_data", "_limit", "_patience", "_skipped")

    def __init__(self, limit: int, patience: int) -> None:
        """Take the longest line to give and the longest to sit through, both without their line end."""
        self._data = b""
        self._at = 0
        self._limit = limit
        self._patience = patience
        self._skipped = 0

    def add(self, data: bytes) -> None:
        """Put bytes behind those that are there."""
        if self._at < len(self._data):
            data = self._data[self._at :] + data
        self._data = data
        self._at = 0

    def line(self) -> bytes | None:
        """Give the next line without its end, or None while it is not complete."""
        start = self._at
        end = self._data.find(b"\n", start)
        if end < 0:
            self._wait_for_more()
            return None
        self._at = end + 1
        if self._skipped:
            self._skipped = 0
            raise TooLong
        if self._data[end - 1 : end] == b"\r" and end > start:
            end -= 1
        if end - start > self._limit:
            raise TooLong
        return self._data[start:end]

    def _wait_for_more(self) -> None:
        """Drop what is already too much for a line."""
        there = len(self._data) - self._at
        if self._skipped or there > self._limit + 1:
            self._skipped += there
            self.clear()
            if self._skipped > self._patience:
                raise Endless

    def clear(self) -> bytes:
        """Empty the buffer and give what was in it."""
        rest = self._data[self._at :]
        self._data = b""
        self._at = 0
        return rest

    def __len__(self) -> int:
        """Count the bytes of the line under way, thrown away or not, and of those behind it."""
        return len(self._data) - self._at + self._skipped
