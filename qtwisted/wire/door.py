"""The door's protocol: how mail is handed to the process that writes the queue, and how that process answers.

A frame is a letter (1 byte), an id (4 bytes), a length (4 bytes, both big endian) and as many bytes. Rules:

* a frame carries at most 65536 bytes; a longer one, and a letter the receiver does not expect, is a breach of
  the protocol and ends the connection;
* the client chooses the ids; drafts with different ids may be open at the same time on one connection;
* the envelope is complete with its final zero; the draft is then committed and gets exactly one answer,
  STORED when the message would survive a power cut, or REFUSED with an exit code of qmail-queue;
* a draft refused before its envelope was complete keeps its id until the client abandons it.

There are no numbers of processes or users in any frame: the door learns from the kernel who is calling.
"""

from __future__ import annotations

import struct

from qtwisted.model.envelope import ADDRESS_MAX, BAD_FORMAT, TOO_LONG, EnvelopeError

# client to door
PIECE = b"B"
ENVELOPE = b"E"
ABANDON = b"A"
WATCH = b"W"
COMMAND = b"C"
# door to client
STORED = b"S"
REFUSED = b"R"
HOLD = b"X"
GO_ON = b"G"
NOTICE = b"N"
DONE = b"c"

#: the letters each side may hear
FROM_CLIENT = PIECE + ENVELOPE + ABANDON + WATCH + COMMAND
FROM_DOOR = STORED + REFUSED + HOLD + GO_ON + NOTICE + DONE

LONGEST = 65536
#: a notice longer than this leaves the envelope out
NOTICE_MAX = 32768
#: shortest and longest command of qmail-clean, its final zero included (qmail-clean.c)
COMMAND_MIN = 7
COMMAND_MAX = 100

_HEADER = struct.Struct(">cII")


class FrameError(Exception):
    """The peer breaks the protocol; the text says how."""


def frame(letter: bytes, ident: int, payload: bytes = b"") -> bytes:
    """Write one frame."""
    return _HEADER.pack(letter, ident, len(payload)) + payload


def frames(letter: bytes, ident: int, data: bytes) -> bytes:
    """Write as many frames as ``data`` needs; none if it is empty."""
    if len(data) <= LONGEST:
        return frame(letter, ident, data) if data else b""
    return b"".join([frame(letter, ident, data[at : at + LONGEST]) for at in range(0, len(data), LONGEST)])


class FrameReader:
    """Cuts what a peer sends into frames, wherever it was cut on the way. At most one frame is kept."""

    def __init__(self, letters: bytes) -> None:
        """Accept only frames of these letters."""
        self._letters = letters
        self._rest = b""

    def received(self, data: bytes) -> list[tuple[bytes, int, bytes]]:
        """Take bytes, give the frames they complete; raise FrameError at the first illegal one."""
        if self._rest:
            data = self._rest + data
        found = []
        at, end = 0, len(data)
        while end - at >= _HEADER.size:
            letter, ident, length = _HEADER.unpack_from(data, at)
            if letter not in self._letters:
                raise FrameError(f"unexpected letter {letter!r}")
            if length > LONGEST:
                raise FrameError(f"frame of {length} bytes")
            begin = at + _HEADER.size
            if begin + length > end:
                break
            at = begin + length
            found.append((letter, ident, data[begin:at]))
        self._rest = data[at:]
        return found


class EnvelopeReader:
    """Follows an envelope in submission form, piece by piece, and gives the records to be written to the
    queue.

    The records are the bytes as they came, without the final zero; what follows that zero is ignored.
    """

    def __init__(self) -> None:
        """Wait for the sender."""
        self.is_complete = False
        self._letter = b"F"
        self._length = 0

    def received(self, data: bytes) -> bytes:
        """Take bytes, give those to write; raise EnvelopeError at the first fault."""
        if self.is_complete:
            return b""
        kept = 0
        parts = data.split(b"\0")
        open_part = parts.pop()
        for part in parts:
            if not self._length and not part and self._letter == b"T":
                self.is_complete = True
                return data[:kept]
            self._record(part, ended=True)
            kept += len(part) + 1
            self._letter = b"T"
            self._length = 0
        self._record(open_part, ended=False)
        return data

    def _record(self, part: bytes, ended: bool) -> None:
        """Check a further part of the record under way."""
        if not self._length and (part or ended) and part[:1] != self._letter:
            raise EnvelopeError(BAD_FORMAT)
        self._length += len(part)
        if self._length > ADDRESS_MAX + 1:
            raise EnvelopeError(TOO_LONG)


def notice(number: int, size: int, record: bytes | None) -> bytes:
    """Tell the watcher of a durable message: its number, the size of its text, and todo/N if that is short."""
    head = b"%d\0%d\0" % (number, size)
    return head + record if record and len(head) + len(record) <= NOTICE_MAX else head


def read_notice(payload: bytes) -> tuple[int, int, bytes | None]:
    """Read a notice: number, size, and the contents of todo/N or None if the watcher must read the file."""
    try:
        number, size, record = payload.split(b"\0", 2)
        return _digits(number), _digits(size), record or None
    except ValueError:
        raise FrameError("bad notice") from None


def read_command(command: bytes, verbs: tuple[bytes, ...]) -> tuple[bytes, int] | None:
    """Read a command of qmail-clean, such as ``todo/12`` and a zero; None if it must be rejected.

    Unlike 1.02: a command with a byte that is no digit is rejected once and not carried out; the original
    answered once for each such byte and then removed the file whose number stands before it.
    """
    if not COMMAND_MIN <= len(command) <= COMMAND_MAX or not command.endswith(b"\0"):
        return None
    verb, slash, number = command[:-1].partition(b"/")
    if verb not in verbs or not slash or not number.isdigit():
        return None
    return verb, int(number)


def _digits(text: bytes) -> int:
    """Read a decimal number written by us."""
    if not text.isdigit():
        raise ValueError(text)
    return int(text)
