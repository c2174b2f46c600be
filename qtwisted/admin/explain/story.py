"""The story of one address: what is done with it, step by step, which file and line decides, and how it ends.

Text in a story is for people: whatever comes from elsewhere is made harmless before it goes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.ctl.screen import shown

if TYPE_CHECKING:
    from typing import Any

REFUSED = "refused"
"""It is not taken from the client; the text is the very reply."""
DELIVERED = "delivered"
SENT = "sent"
"""It goes to another host, whose word it is then."""
FORWARDED = "forwarded"
"""It goes back into the queue for other addresses, and nothing else is done with it here."""
DISCARDED = "discarded"
"""It counts as delivered, though it is kept nowhere."""
DEPENDS = "depends"
"""Programs decide; the text says how."""
LATER = "later"
"""It stays in the queue, and is tried again."""
BOUNCED = "bounced"
"""It goes back to the sender with this text."""
UNKNOWN = "unknown"
"""We cannot see it; the text says why."""

_BY_LETTER = {b"K": DELIVERED, b"Z": LATER, b"D": BOUNCED}


class Verdict(NamedTuple):
    """How it ends."""

    outcome: str
    text: str


class Step(NamedTuple):
    """One thing that is done, or looked at; ``file`` and ``line`` say where that is written."""

    stage: str
    text: str
    file: str | None = None
    line: int | None = None

    @property
    def place(self) -> str:
        """Where it is written, as one says it."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file} line {self.line}"


class Story(NamedTuple):
    """All that is told of one address; ``onward`` are the stories of those it is forwarded to."""

    address: str
    steps: list[Step]
    verdict: Verdict
    onward: list[Story]

    def value(self) -> dict[str, Any]:
        """The story as JSON has it."""
        return {
            "address": self.address,
            "steps": [step._asdict() for step in self.steps],
            "verdict": self.verdict._asdict(),
            "onward": [story.value() for story in self.onward],
        }


def of_report(report: bytes) -> Verdict:
    """The verdict in a report of an agent: its letter, and its text in one line."""
    return Verdict(_BY_LETTER.get(report[:1], UNKNOWN), one_line(report[1:]))


def one_line(text: bytes) -> str:
    """A text of several lines in one."""
    return shown(b" ".join(text.split()))
