"""A message on its way into the queue directories, from its first byte to the group that makes it durable.

Text and envelope are collected in memory until there is more than a little of them, so that a small message
touches the disk only when it is complete, and an abandoned one not at all. Trouble on the way is kept as the
exit code that qmail-queue has for it and told when the envelope is complete.
"""

from __future__ import annotations

import errno

from qtwisted.model import received
from qtwisted.model.envelope import Envelope, EnvelopeError, submission
from qtwisted.model.submission import result_of
from qtwisted.wire.door import NOTICE_MAX, EnvelopeReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.store.interface import DraftOwner
    from qtwisted.store.kinds.files import FileIntake
    from qtwisted.store.kinds.pool import Blank

#: this much of a text, and of an envelope, is kept in memory before it is written
IN_MEMORY = 32768

# exit codes of qmail-queue
NO_MEMORY = 51
WRITE_ERROR = 53
PID_TROUBLE = 63
MESS_TROUBLE = 64
INTD_TROUBLE = 65
TODO_TROUBLE = 66

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Refusal(Exception):
    """The queue cannot take a message now; ``code`` is the exit code of qmail-queue."""

    def __init__(self, code: int, cause: OSError) -> None:
        """Take the exit code and what the system said."""
        super().__init__(code, cause)
        self.code = code
        self.cause = cause


class FileDraft:
    """A message that is being handed in by one user."""

    __slots__ = (
        "_held",
        "_intake",
        "_is_answered",
        "_pieces",
        "_reader",
        "_records",
        "_records_size",
        "code",
        "intd",
        "mess",
        "number",
        "owner",
        "qp",
        "size",
    )

    def __init__(self, intake: FileIntake, owner: DraftOwner, uid: int) -> None:
        """Begin the message with the queue's Received line; no file is made yet."""
        self._intake = intake
        self.owner = owner
        self.qp = intake.next_qp()
        line = received.by_queue(self.qp, intake.who(uid), int(intake.now()))
        self._pieces = [line]
        self._held = self.size = len(line)
        self._records = b"u%d\0p%d\0" % (uid, self.qp)
        self._records_size = 0  # bytes of the envelope already in its file
        self._reader = EnvelopeReader()
        self._is_answered = False
        self.mess: Blank | None = None
        self.intd: Blank | None = None
        self.number = 0
        self.code: int | None = None

    # What the client says

    def write(self, piece: bytes) -> None:
        """Add to the text of the message."""
        if self.code is None:
            self._pieces.append(piece)
            self._held += len(piece)
            self.size += len(piece)
            if self._held > IN_MEMORY:
                self._attempt(self._write_text)

    def commit(self, envelope: Envelope | None = None) -> None:
        """Take the whole envelope, or its end."""
        self.envelope(b"\0" if envelope is None else submission(envelope))

    def envelope(self, data: bytes) -> None:
        """Take a piece of the envelope in submission form; the one with its final zero commits the message.

        An envelope with a fault is never complete: it is answered at once and the rest of it is ignored.
        """
        if self._is_answered or self._reader.is_complete:
            return
        try:
            records = self._reader.received(data)
        except EnvelopeError as error:
            self.refuse(error.code)
            return
        if self.code is None:
            self._records += records
            if len(self._records) > IN_MEMORY:
                self._attempt(self._write_records)
        if not self._reader.is_complete:
            return
        if self.code is None:
            self._attempt(self._publish)
        if self.code is not None:
            self.refuse(self.code)

    def abandon(self) -> None:
        """Drop the message, unless it is complete; its files go back to the pool."""
        if self._reader.is_complete:
            return
        if self.code is None:
            self.code = WRITE_ERROR
            self._drop(recycle=True)
        self._is_answered = True

    def give_up(self, code: int) -> None:
        """Drop the message and answer with ``code`` when its envelope is complete."""
        if self.code is None and not self._reader.is_complete:
            self.code = code
            self._drop(recycle=False)

    @property
    def is_complete(self) -> bool:
        """Has the whole envelope come?"""
        return self._reader.is_complete

    # What the group says

    def record(self) -> bytes | None:
        """Give the contents of todo/N, unless they are long."""
        return None if self._records_size or len(self._records) > NOTICE_MAX else self._records

    def envelope_size(self) -> int:
        """Give the size of todo/N."""
        return self._records_size or len(self._records)

    def link(self) -> bool:
        """Make the message a queued one, its text and envelope being durable; if that fails, refuse it.

        A rest in intd/ whose message is gone gives way.
        """
        assert self.intd is not None
        disk, path = self._intake.disk, f"intd/{self.number}"
        code = INTD_TROUBLE
        try:
            disk.rename(self.intd.path, path)
            self.intd.path = path
            code = TODO_TROUBLE
            disk.link(path, f"todo/{self.number}")
        except OSError as error:
            self._intake.failed(code, error)
            self.refuse(code)
            return False
        return True

    def accept(self) -> None:
        """The message is durable: say so."""
        self._close()
        self._is_answered = True
        self.owner.stored(result_of(0, self.qp))

    def refuse(self, code: int) -> None:
        """The message is not taken: remove what there is of it and say so."""
        if self.code is None:
            self.code = code
            self._drop(recycle=False)
        self._is_answered = True
        self.owner.stored(result_of(self.code, 0))

    # On disk

    def _attempt(self, step: Callable[[], None]) -> None:
        """Take a step; if it fails, keep the reason and remove everything."""
        try:
            step()
        except Refusal as refusal:
            self._fail(refusal.code, refusal.cause)
        except OSError as error:
            self._fail(WRITE_ERROR, error)
        except MemoryError:
            self._fail(NO_MEMORY, None)

    def _fail(self, code: int, cause: OSError | None) -> None:
        """Give up; if the disk is full, give back what the pool holds too."""
        self.code = code
        self._drop(recycle=False)
        if cause is not None:
            self._intake.failed(code, cause)
            if cause.errno in _FULL:
                self._intake.pool.empty()

    def _blank(self, size: int) -> Blank:
        """Get a file to write to."""
        try:
            return self._intake.pool.take(size)
        except OSError as error:
            raise Refusal(PID_TROUBLE, error) from error

    def _write_text(self) -> None:
        """Write what is held of the text."""
        pieces, self._pieces, self._held = self._pieces, [], 0
        if self.mess is None:
            self.mess = self._blank(self.size)
        self._intake.disk.write_pieces(self.mess.fd, pieces)

    def _write_records(self) -> None:
        """Write what is held of a long envelope."""
        records, self._records = self._records, b""
        if self.intd is None:
            self.intd = self._blank(len(records))
        self._intake.disk.write_all(self.intd.fd, records)
        self._records_size += len(records)

    def _publish(self) -> None:
        """Write what is left, give the text its name, and join the next group."""
        disk = self._intake.disk
        if self._pieces:
            self._write_text()
        if self.intd is None:
            self.intd = self._blank(len(self._records))
            disk.write_all(self.intd.fd, self._records)
        elif self._records:
            self._write_records()
        mess, intd = self.mess, self.intd
        assert mess is not None
        if mess.size > self.size:
            disk.truncate(mess.fd, self.size)
        if intd.size > self.envelope_size():
            disk.truncate(intd.fd, self.envelope_size())
        self.number = mess.number
        path = self._intake.mess(self.number)
        try:
            disk.rename_new(mess.path, path)
        except OSError as error:
            raise Refusal(MESS_TROUBLE, error) from error
        mess.path = path
        self._intake.groups.add(self)

    def _close(self) -> None:
        """Close both files."""
        for blank in (self.mess, self.intd):
            if blank is not None and blank.fd >= 0:
                self._intake.disk.close(blank.fd)
                blank.fd = -1

    def _drop(self, recycle: bool) -> None:
        """Remove both files, the envelope first, or give them back to the pool unclean."""
        self._close()
        for blank in (self.intd, self.mess):
            if blank is None:
                continue
            if recycle:
                self._intake.pool.retire(blank.path, blank.number, max(blank.size, self.size))
            else:
                self._intake.remove(blank.path)
        self.intd = self.mess = None
        self._pieces.clear()
