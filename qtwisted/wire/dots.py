"""Dots: how the body of a message looks on the wire (RFC 5321 4.5.2), whatever was stored."""

from __future__ import annotations


class DotStuffing:
    """Turns a stored message, given in pieces, into the form it has on the wire.

    Stored lines end with LF; a stored CRLF is one line end.

    Unlike 1.02: a CR that is not part of a CRLF leaves as a space, before dots are doubled, so that the wire
    holds CR and LF only as CRLF.

    Unlike 1.02: a last line without newline gets one on the wire; the message is not refused.
    """

    def __init__(self) -> None:
        """Begin a message."""
        self._at_line_start = True
        self._held = b""

    def convert(self, piece: bytes) -> bytes:
        """Convert the next piece; a CR at its end is held until the byte after it is known."""
        piece = self._held + piece
        self._held = b""
        if piece.endswith(b"\r"):
            self._held = b"\r"
            piece = piece[:-1]
        if not piece:
            return b""
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b" ")
        if self._at_line_start and piece.startswith(b"."):
            piece = b"." + piece
        self._at_line_start = piece.endswith(b"\n")
        return piece.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")

    def finish(self) -> bytes:
        """Return what ends the message: the rest of an unfinished line, and the final dot."""
        rest = b" " if self._held else b""
        if rest or not self._at_line_start:
            rest += b"\r\n"
        return rest + b".\r\n"
