"""An intake that keeps messages in a list: for tests, and for applications that take mail without a queue."""

from __future__ import annotations

from qtwisted.model.envelope import Envelope, parse_submission
from qtwisted.model.frozen import NamedTuple
from qtwisted.model.submission import result_of
from qtwisted.store.client import fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.store.interface import DraftOwner


class Message(NamedTuple):
    """A message that was handed in: its number, envelope and text."""

    qp: int
    envelope: Envelope
    text: bytes


class MemoryIntake:
    """Takes messages and keeps them. Answers come at once, from within ``commit``."""

    def __init__(self) -> None:
        """Start empty; set ``refusal`` to an exit code of qmail-queue to have messages refused."""
        self.messages: list[Message] = []
        self.open_drafts = 0
        self.refusal = 0
        self._qp = 0

    def begin(self, owner: DraftOwner) -> MemoryDraft:
        """Start a message."""
        self.open_drafts += 1
        return MemoryDraft(self, owner)

    def keep(self, envelope: Envelope, text: bytes) -> int:
        """Add a message and give its number."""
        self._qp += 1
        self.messages.append(Message(self._qp, envelope, text))
        return self._qp


class MemoryDraft:
    """A message on its way into memory."""

    def __init__(self, intake: MemoryIntake, owner: DraftOwner) -> None:
        """Begin with no text."""
        self._intake = intake
        self._owner = owner
        self._pieces: list[bytes] = []
        self._records = b""
        self._is_open = True

    def write(self, piece: bytes) -> None:
        """Add to the text."""
        self._pieces.append(bytes(piece))

    def envelope(self, records: bytes) -> None:
        """Take records of the envelope."""
        self._records += records

    def commit(self, envelope: Envelope | None = None) -> None:
        """Keep the message, or refuse it, and tell the owner."""
        self._end()
        if envelope is None:
            envelope = parse_submission(self._records + b"\0")
        code = self._intake.refusal or fault(envelope)
        number = 0 if code else self._intake.keep(envelope, b"".join(self._pieces))
        self._owner.stored(result_of(code, number))

    def abandon(self) -> None:
        """Drop the message."""
        if self._is_open:
            self._end()

    def _end(self) -> None:
        """No more may come."""
        self._is_open = False
        self._intake.open_drafts -= 1
