"""Letters: messages on their way to one destination, each with the recipients it has there.

Recipients of the same message and sender are joined in one letter as long as it has not been begun, so that they go
out in one transaction. Each keeps its own report.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.python.failure import Failure

    from qtwisted.deliver.host.reports import Report

RECIPIENTS_MAX = 100
"""Recipients in one transaction; every server takes as many (RFC 5321 4.5.3.1.8)."""


class Message(io.FileIO):
    """The file of a message, open for reading; it knows when it was last read."""

    def __init__(self, file: int, seconds: Callable[[], float]) -> None:
        """Take over a descriptor; ``seconds`` is the clock."""
        super().__init__(file)
        self._seconds = seconds
        self.read_at = 0.0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, which is a sign of life: the server has taken what was read before."""
        self.read_at = self._seconds()
        return super().read(size) or b""


class Letter:
    """One message for one or more recipients.

    ``begun_at`` is the time when its transaction began, None while it waits.
    """

    __slots__ = ("_told", "begun_at", "body", "name", "recipients", "sender")

    def __init__(self, sender: bytes, name: bytes, body: Message) -> None:
        """``name`` is the same for the same message; the letter closes the body at its end."""
        self.sender = sender
        self.name = name
        self.body = body
        self.recipients: list[bytes] = []
        self.begun_at: float | None = None
        self._told: list[Deferred[Report]] = []

    @property
    def is_full(self) -> bool:
        """Tell whether it takes no more recipients."""
        return len(self.recipients) >= RECIPIENTS_MAX

    def add(self, recipient: bytes) -> Deferred[Report]:
        """Join another recipient, who gets a report."""
        told: Deferred[Report] = Deferred()
        self.recipients.append(recipient)
        self._told.append(told)
        return told

    def split(self, places: Sequence[int]) -> Letter:
        """Take some recipients out, and give them a letter of their own; it has the body from now on."""
        rest = Letter(self.sender, self.name, self.body)
        chosen = set(places)
        rest.recipients = [self.recipients[at] for at in places]
        rest._told = [self._told[at] for at in places]
        kept = [at for at in range(len(self.recipients)) if at not in chosen]
        self.recipients = [self.recipients[at] for at in kept]
        self._told = [self._told[at] for at in kept]
        return rest

    def rewind(self) -> None:
        """Make ready for another try."""
        self.begun_at = None
        self.body.seek(0)

    def tell(self, reports: Sequence[Report], is_over: bool = True) -> None:
        """Give each recipient the report; when all is over, the message is closed first: its file may soon hold
        another one.
        """
        if is_over:
            self.body.close()
        told, self._told = self._told, []
        for one, report in zip(told, reports, strict=True):
            one.callback(report)

    def tell_all(self, report: Report) -> None:
        """Give every recipient the same report."""
        self.tell([report] * len(self.recipients))

    def fail(self, failure: Failure) -> None:
        """Tell of a fault of ours."""
        self.body.close()
        told, self._told = self._told, []
        for one in told:
            one.errback(failure)
