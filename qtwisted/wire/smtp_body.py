r"""Turns what an SMTP client sends after 354 into the bytes to store, piece by piece, and finds its end.

Rules this file keeps (the machine of qmail-smtpd.c blast, done on whole segments):

* A line ends at CR LF and nowhere else. A LF without CR before it is an error that ends the session.
* CR LF becomes LF. One dot is removed from a line that begins with a dot; ``.`` CR before anything but LF
  keeps its dot.
* CR LF ``.`` CR LF is the end. Every other byte, NUL and 8-bit included, passes as it is.
* Cut the input anywhere: the bytes and the end are the same. At most four bytes are held back from one
  segment to the next.
* Hops are counted in the header only, on nine remembered bytes.

RFC 5321 4.5.2 (transparency), 2.3.8 (lines).
"""

from __future__ import annotations

_END = b"\r\n.\r\n"
#: counted up to here; a message that has come so far goes in circles (qmail-smtpd.c MAXHOPS)
HOPS_MAX = 100


class Body:
    """The text of one message on its way in."""

    __slots__ = ("_held", "_in_header", "_seen", "_starts", "ended", "has_bare_lf", "hops", "rest", "size")

    def __init__(self) -> None:
        """Begin at the start of a line, which is where the text stands after a line end nobody stores."""
        self._held = b"\r\n"
        self._starts = True
        self._in_header = True
        self._seen = b""
        #: was the end found; what follows it is then in ``rest``
        self.ended = False
        self.rest = b""
        #: was there a LF without CR; then nothing of this message counts
        self.has_bare_lf = False
        #: bytes to store so far
        self.size = 0
        #: lines of the header so far that say the message was received or delivered somewhere
        self.hops = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and give those to store; then look at ``has_bare_lf`` and ``ended``."""
        data = self._held + data
        end = data.find(_END)
        if end >= 0:
            text = data[: end + 2]
            self.rest = data[end + 5 :]
            self.ended = True
        else:
            held = _unfinished(data)
            text, self._held = (data[:-held], data[-held:]) if held else (data, b"")
        stored = text.replace(b"\r\n", b"\n")
        if stored.count(b"\n") != len(text) - len(stored):
            self.has_bare_lf = True
            return b""
        if self._in_header:
            self._count_hops(stored)
        if b"\n." in stored:
            stored = _without_dots(stored)
        if self._starts and stored:
            self._starts = False
            stored = stored[1:]
        self.size += len(stored)
        return stored

    def _count_hops(self, lines: bytes) -> None:
        """Count the lines that begin with ``received`` or ``delivered``, up to the first empty line."""
        seen = len(self._seen)
        lines = (self._seen + lines).lower()
        end = lines.find(b"\n\n")
        if end >= 0:
            self._in_header = False
            lines = lines[:end]
        # what was seen before is shorter than a match, so that no line counts twice
        self.hops += lines.count(b"\ndelivered") + lines.count(b"\nreceived", max(0, seen - 8))
        self._seen = lines[-9:]


def _unfinished(data: bytes) -> int:
    """Count the bytes at the end of ``data`` that may begin the end, or a line that starts with a dot."""
    if data.endswith(b"\r"):
        return 4 if data.endswith(b"\r\n.\r") else 1
    if data.endswith(b"\r\n"):
        return 2
    return 3 if data.endswith(b"\r\n.") else 0


def _without_dots(stored: bytes) -> bytes:
    """Remove the dot a line begins with, except from lines that begin ``.`` CR and go on."""
    if b"\n.\r" in stored:
        stored = stored.replace(b"\n.\r", b"\n..\r")
    return stored.replace(b"\n.", b"\n")
