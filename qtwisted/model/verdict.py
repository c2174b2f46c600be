"""The verdict on one recipient: delivered, try later, or refused, with the words for the log and the bounce.

Written as a report: the letter ``K``, ``Z`` or ``D``, then the text.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple

DELIVERED = b"K"
TRY_LATER = b"Z"
REFUSED = b"D"


class Verdict(NamedTuple):
    """One of the three letters and the text that goes with it."""

    letter: bytes
    text: bytes

    def report(self) -> bytes:
        """Write the verdict as a report, without the zero byte that ends it on a pipe."""
        return self.letter + self.text


def delivered(text: bytes = b"") -> Verdict:
    """Say that the recipient has the message."""
    return Verdict(DELIVERED, text)


def try_later(text: bytes) -> Verdict:
    """Say that the message could not be delivered now."""
    return Verdict(TRY_LATER, text)


def refused(text: bytes) -> Verdict:
    """Say that the message will never be delivered."""
    return Verdict(REFUSED, text)


def parse(report: bytes) -> Verdict | None:
    """Read a report; None where it is mangled, which says nothing about the recipient."""
    letter = report[:1]
    return Verdict(letter, report[1:]) if letter in (DELIVERED, TRY_LATER, REFUSED) else None
