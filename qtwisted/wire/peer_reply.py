"""Peer reply: what the other side of a dialogue said, read in bounded memory.

Rules the file keeps:

* A line ends with LF, with or without CR; a code is three digits, anything else is code 0.
* The code is that of the first line; the fourth character of a line says whether another follows
  (RFC 5321 4.2.1).
* Of the text 5000 bytes are kept, without CR and with ``?`` for NUL, as qmail-remote.c does for its reports.

Unlike 1.02: a first line without a code is the whole reply, whatever its fourth character.

Unlike 1.02: a server whose reply has more than 64 KiB is not listened to any longer.
"""

from __future__ import annotations

from typing import NamedTuple

REPLY_KEPT = 5000
REPLY_MAX = 65536


class PeerReply(NamedTuple):
    """One reply of the server: its code (0 if it has none) and its text as remembered for a report."""

    code: int
    text: bytes

    @property
    def accepts(self) -> bool:
        """Tell whether the server said yes."""
        return 200 <= self.code <= 299

    @property
    def forbids(self) -> bool:
        """Tell whether the server said never."""
        return 500 <= self.code <= 599


class ReplyReader:
    """Collects one reply of the server after the other."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._clear()

    def _clear(self) -> None:
        """Forget the reply read last."""
        self._code = b""
        self._head = b""
        self._text = b""
        self._size = 0
        self._lines = 0

    def feed(self, data: bytes, start: int) -> tuple[PeerReply | None, int]:
        """Read from ``data[start:]``; return the reply if it is complete, and where its bytes ended.

        An overlong reply is never complete.
        """
        while start < len(data):
            newline = data.find(b"\n", start)
            end = len(data) if newline < 0 else newline + 1
            self._keep(data, start, end)
            start = end
            if self.is_overlong:
                break
            if newline >= 0 and self._line_is_last():
                return self._complete(), start
        return None, start

    @property
    def is_overlong(self) -> bool:
        """Tell whether the reply being read is longer than any reply may be."""
        return self._size > REPLY_MAX

    def _keep(self, data: bytes, start: int, end: int) -> None:
        """Take in a part of a line: the first four characters, and the text while there is room for it."""
        self._size += end - start
        if len(self._head) < 4:
            self._head += data[start : min(end, start + 4 - len(self._head))]
        if len(self._text) < REPLY_KEPT:
            piece = data[start : min(end, start + 2 * REPLY_KEPT)]
            piece = piece.replace(b"\r", b"").replace(b"\0", b"?")
            self._text = (self._text + piece)[:REPLY_KEPT]

    def _line_is_last(self) -> bool:
        """End a line, and tell whether it was the last of its reply."""
        if not self._lines:
            self._code = self._head[:3]
        self._lines += 1
        last = self._head[3:4] != b"-" or not self._has_code()
        self._head = b""
        return last

    def _has_code(self) -> bool:
        """Tell whether the reply began with a code."""
        return len(self._code) == 3 and self._code.isdigit()

    def _complete(self) -> PeerReply:
        """Give the reply and begin the next."""
        reply = PeerReply(int(self._code) if self._has_code() else 0, self._text)
        self._clear()
        return reply


def extensions_in(text: bytes) -> dict[bytes, bytes]:
    """Read the text of an EHLO reply: keywords in capitals, each with its parameters (RFC 5321 4.1.1.1)."""
    found = {}
    for line in text.split(b"\n")[1:]:
        keyword, _, parameters = line[4:].strip().partition(b" ")
        if keyword:
            found[keyword.upper()] = parameters
    return found
