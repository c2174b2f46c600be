"""How a stored message looks in POP3: line ends, dots, and how much of it TOP shows.

RFC 1939 3 and 7; the bytes are those of qmail-pop3d.c blast.
"""

from __future__ import annotations

#: what follows every message: an empty line, which 1.02 always adds, and the final dot
END = b"\r\n.\r\n"


class Text:
    """Turns a stored message, given in pieces, into the lines of a reply.

    Stored lines end with LF and are sent with CRLF, the last one even if it has no LF. A line that begins with a dot
    gets another. A CR in the message is passed on as it is.
    """

    __slots__ = ("_at_line_start", "_in_header", "_lines_left", "is_complete")

    def __init__(self, lines: int | None = None) -> None:
        """Begin a message; so many lines of its body are wanted, or all."""
        self._lines_left = lines
        self._in_header = True
        self._at_line_start = True
        #: has all been shown that is wanted?
        self.is_complete = False

    def convert(self, piece: bytes) -> bytes:
        """Convert the next piece."""
        if self._lines_left is not None:
            piece = piece[: self._wanted(piece)]
        if not piece:
            return b""
        if self._at_line_start and piece.startswith(b"."):
            piece = b"." + piece
        self._at_line_start = piece.endswith(b"\n")
        return piece.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")

    def finish(self) -> bytes:
        """Give what ends the reply."""
        return END if self._at_line_start else b"\r\n" + END

    def _wanted(self, piece: bytes) -> int:
        """Say how many bytes of the piece are wanted; the header is, up to the empty line and with it."""
        at = 0
        begins_line = self._at_line_start
        while at < len(piece):
            if begins_line and not self._in_header and not self._lines_left:
                self.is_complete = True
                return at
            end = piece.find(b"\n", at)
            if end < 0:
                break
            self._count(begins_line and end == at)
            at = end + 1
            begins_line = True
        return len(piece)

    def _count(self, is_empty: bool) -> None:
        """Count a line that has ended."""
        if not self._in_header:
            assert self._lines_left is not None
            self._lines_left -= 1
        elif is_empty:
            self._in_header = False
