"""The header of a message: where its fields begin, and where it ends and the body begins.

The rules are qmail's (headerbody.c, hfield.c), wider than RFC 5322 3.5: a header is whatever looks like one.

* A field begins with a line ``NAME:``, the name being one or more bytes from 33 to 126. Blanks may precede
  the colon.
* A line that begins with a blank continues the field before it, be it blank altogether.
* A line that begins with ``From`` and a space becomes the field ``MBOX-Line``.
* An empty line ends the header and belongs to the body. Any other line ends it too, and an empty line is put
  before it.
* A last line without LF gets one.
"""

from __future__ import annotations

#: how many bytes of header are held in memory; what is made of them takes a hundred times that at worst
LIMIT = 4 * 1024 * 1024

_NAME_BYTES = bytes(byte for byte in range(33, 127) if byte != ord(":"))
#: an unfinished line longer than this shows whether it begins a field
_TELLING = 1000


class HeaderTooLong(Exception):
    """The header goes on and on, beyond what we are willing to hold."""


def field_name(line: bytes) -> bytes:
    """Name the field that ``line`` begins, in small letters; nothing where it begins none."""
    name, colon, _ = line.partition(b":")
    name = name.rstrip(b" \t")
    return b"" if not colon or name.translate(None, _NAME_BYTES) else name.lower()


class HeaderReader:
    """Cut a message, given in pieces of any size, into the fields of its header and the start of its body."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Begin before the first byte of a message."""
        self._limit = limit
        self._held = 0
        self._unfinished = b""
        self._fields: list[list[bytes]] = []
        self.ended = False
        #: what is known of the body when the header has ended; the rest never passes through here
        self.body = b""

    def fields(self) -> list[bytes]:
        """Give the fields found so far, each with its continuation lines and its last LF."""
        return [b"".join(lines) for lines in self._fields]

    def received(self, data: bytes) -> None:
        """Take the next piece, while the header has not ended; raise HeaderTooLong if it never seems to."""
        text = self._unfinished + data
        at = 0
        while not self.ended:
            end = text.find(b"\n", at) + 1
            if not end:
                break
            self._line(text[at:end], text, end)
            at = end
        else:
            self._unfinished = b""
            return
        self._unfinished = text[at:]
        if len(self._unfinished) > _TELLING and self._held + len(self._unfinished) > self._limit:
            self._give_up_on_unfinished_line()

    def finished(self) -> None:
        """Learn that the message is over: what waits for its LF is a line as well."""
        if not self.ended and self._unfinished:
            last, self._unfinished = self._unfinished + b"\n", b""
            self._line(last, last, len(last))
        self.ended = True

    def _line(self, line: bytes, text: bytes, end: int) -> None:
        """Judge one line, which ends at ``end`` of ``text``."""
        if not self._belongs_to_header(line):
            self.body = (b"" if line == b"\n" else b"\n") + line + text[end:]
            self.ended = True
            return
        if line[:1] in b" \t":
            self._fields[-1].append(line)
        else:
            self._fields.append([b"MBOX-Line: " + line if line.startswith(b"From ") else line])
        self._held += len(line)
        if self._held > self._limit:
            raise HeaderTooLong

    def _belongs_to_header(self, line: bytes) -> bool:
        """Does this line, or this beginning of one, carry the header on?"""
        if line[:1] in (b" ", b"\t"):
            return bool(self._fields)
        return line.startswith(b"From ") or field_name(line) != b""

    def _give_up_on_unfinished_line(self) -> None:
        """Decide about a line too long to wait for: it is body already, or the header is too long."""
        if self._belongs_to_header(self._unfinished):
            raise HeaderTooLong
        self.body, self._unfinished = b"\n" + self._unfinished, b""
        self.ended = True
