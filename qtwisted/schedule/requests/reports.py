"""The last report about each recipient that was put off, as far as we remember.

Only so many are kept, of those messages that were tried most recently; after a restart none is known. (What is said
about recipients that failed stands in bounce/N.)
"""

from __future__ import annotations

from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: reports kept
REPORTS_MAX = 10000
#: bytes kept of each
TEXT_MAX = 200

Reports = dict[bytes, tuple[int, bytes]]


class LastReports:
    """Reports by message and recipient."""

    def __init__(self) -> None:
        """Begin with none."""
        self._messages: OrderedDict[int, Reports] = OrderedDict()
        self._count = 0

    def note(self, number: int, recipient: bytes, at: int, text: bytes) -> None:
        """Keep a report, and drop those of the messages that were not heard of for longest."""
        reports = self._messages.setdefault(number, {})
        self._messages.move_to_end(number)
        if len(reports) >= REPORTS_MAX:
            self._count -= len(reports)
            reports.clear()
        self._count += recipient not in reports
        reports[recipient] = (at, text[:TEXT_MAX])
        while self._count > REPORTS_MAX:
            self._count -= len(self._messages.popitem(last=False)[1])

    def forget(self, number: int) -> None:
        """A message is gone."""
        if number in self._messages:
            self._count -= len(self._messages.pop(number))

    def of(self, number: int) -> Iterator[tuple[bytes, int, bytes]]:
        """Give recipient, moment and text of each report about a message."""
        for recipient, (at, text) in self._messages.get(number, {}).items():
            yield recipient, at, text
