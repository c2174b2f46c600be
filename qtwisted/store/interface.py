"""What the queue promises to those who hand in mail.

The intake takes messages in; it is the door's side and, through the door, that of everybody with mail to
send. Every kind of store passes the same tests of these promises.
"""

from __future__ import annotations

from typing import Protocol

from qtwisted.model.envelope import Envelope
from qtwisted.model.submission import Result


class DraftOwner(Protocol):
    """Whoever hands in a message and wants to know what became of it."""

    def stored(self, result: Result) -> None:
        """Take the answer: exactly one after ``commit``, none otherwise.

        A good result is proof that the message survives a power cut. It may come before ``commit`` returns.
        """

    def hold(self) -> None:
        """Write nothing more for the time being."""

    def go_on(self) -> None:
        """Writing makes sense again."""


class Draft(Protocol):
    """A message on its way into the queue. Nobody sees it before it is committed."""

    def write(self, piece: bytes) -> None:
        """Add to the text of the message. Trouble is kept for the answer to ``commit``."""

    def envelope(self, records: bytes) -> None:
        """Give the next records of an envelope too long to hold, in submission form, when the text is complete.

        Their addresses must not be longer than ADDRESS_MAX. The final zero byte is left to ``commit``.
        """

    def commit(self, envelope: Envelope | None = None) -> None:
        """Say that the text is complete and who it is from and for; the owner gets the answer.

        None says that the whole envelope was given by ``envelope``.
        """

    def abandon(self) -> None:
        """Drop the message: nothing of it remains, and there is no answer. Too late after ``commit``."""


class Intake(Protocol):
    """Takes messages into the queue."""

    def begin(self, owner: DraftOwner) -> Draft:
        """Start a message; the answer will go to ``owner``."""
