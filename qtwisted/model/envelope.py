"""The envelope: who sent a message and who gets it, in the two forms in which it is written down.

The submission form, given to qmail-queue on descriptor 1: ``F sender NUL (T recipient NUL)* NUL``.
The todo form, kept in the queue: ``u uid NUL p pid NUL F sender NUL (T recipient NUL)*`` without a final NUL.
Addresses are not judged, only measured: an ``@`` is not needed, any byte but zero may stand in them.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple

#: longest address the queue takes (qmail-queue.c ADDR, less the final zero)
ADDRESS_MAX = 1002

TOO_LONG = 11
CUT_OFF = 54
BAD_FORMAT = 91


class EnvelopeError(Exception):
    """The envelope cannot be used; ``code`` is the exit code qmail-queue has for the reason."""

    def __init__(self, code: int) -> None:
        """Take one of TOO_LONG, CUT_OFF and BAD_FORMAT."""
        super().__init__(code)
        self.code = code


class Envelope(NamedTuple):
    """A sender, who may be empty, and the recipients in the order given, who may be none."""

    sender: bytes
    recipients: tuple[bytes, ...]


class Todo(NamedTuple):
    """What todo/N says of a message: who handed it in (uid and pid), its sender and its recipients."""

    uid: int
    pid: int
    sender: bytes
    recipients: tuple[bytes, ...]


def submission(envelope: Envelope) -> bytes:
    """Write an envelope in the form qmail-queue reads, with the final zero that says it is complete."""
    return _records(envelope) + b"\0"


def todo_record(uid: int, pid: int, envelope: Envelope) -> bytes:
    """Write an envelope in the form kept in todo/N."""
    return b"u%d\0p%d\0%s" % (uid, pid, _records(envelope))


def parse_submission(data: bytes) -> Envelope:
    """Read the submission form up to its final zero; raise EnvelopeError at the first fault."""
    sender, at = _address(data, 0, b"F")
    recipients = []
    while data[at : at + 1] != b"\0":
        recipient, at = _address(data, at, b"T")
        recipients.append(recipient)
    return Envelope(sender, tuple(recipients))


def _records(envelope: Envelope) -> bytes:
    """Write the records both forms share."""
    recipients = b"".join([b"T%s\0" % recipient for recipient in envelope.recipients])
    return b"F%s\0%s" % (envelope.sender, recipients)


def _address(data: bytes, at: int, letter: bytes) -> tuple[bytes, int]:
    """Read one record of the wanted letter; give its address and where the next record begins."""
    found = data[at : at + 1]
    if not found:
        raise EnvelopeError(CUT_OFF)
    if found != letter:
        raise EnvelopeError(BAD_FORMAT)
    start = at + 1
    end = data.find(b"\0", start, start + ADDRESS_MAX + 1)
    if end < 0:
        raise EnvelopeError(TOO_LONG if len(data) - start > ADDRESS_MAX else CUT_OFF)
    return data[start:end], end + 1
