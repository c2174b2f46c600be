"""Sums up a log in bounded memory: what arrived, what became of it, how long it took, and for whom.

Tables keep a bounded number of rows. When a table overflows, its smallest rows are joined in one for all others, so
that what matters is exact, or nearly so where a row was joined before it grew.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qtwisted.admin.logs.reasons import domain, reason
from qtwisted.admin.logs.stories import VERDICTS, Stories
from qtwisted.model import events
from qtwisted.model.logline import logsafe
from qtwisted.model.logreading import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qtwisted.admin.logs.stories import Attempt, Story
    from qtwisted.model.events import Event
    from qtwisted.model.logstamps import Line

ROWS_MAX = 20_000
ADDRESS_MAX = 320
OUTCOMES = (*VERDICTS.values(), "lost")


class Row:
    """What is known of one sender, recipient, domain or reason."""

    __slots__ = ("bytes", "counts", "messages", "seconds", "timed")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.messages = 0
        self.bytes = 0
        self.counts: dict[str, int] = {}
        self.seconds = 0.0
        self.timed = 0

    @property
    def weight(self) -> int:
        """How much this row matters."""
        return self.messages + sum(self.counts.values())

    def join(self, other: Row) -> None:
        """Take up another row."""
        self.messages += other.messages
        self.bytes += other.bytes
        self.seconds += other.seconds
        self.timed += other.timed
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def delivery(self, verdict: str, seconds: float | None) -> None:
        """Count a delivery."""
        self.counts[verdict] = self.counts.get(verdict, 0) + 1
        if seconds is not None:
            self.seconds += seconds
            self.timed += 1


class Table:
    """Rows by name; the smallest are joined when there are too many."""

    def __init__(self, most: int = ROWS_MAX) -> None:
        """Keep at least *most* rows."""
        self.rows: dict[str, Row] = {}
        self.others = Row()
        self.joined = 0
        self._most = most

    def row(self, name: str) -> Row:
        """The row of this name, new if it must be."""
        found = self.rows.get(name)
        if found is None:
            if len(self.rows) >= 2 * self._most:
                self._shrink()
            found = self.rows[name] = Row()
        return found

    def _shrink(self) -> None:
        """Join the smaller half."""
        ordered = sorted(self.rows.items(), key=lambda item: item[1].weight, reverse=True)
        for _, row in ordered[self._most:]:
            self.others.join(row)
            self.joined += 1
        self.rows = dict(ordered[: self._most])

    def largest(self, count: int, weight: Callable[[Row], float] = lambda row: row.weight) -> list[tuple[str, Row]]:
        """The rows that weigh most, equal ones by name; those without weight are left out."""
        weighed = sorted(((-weight(row), name) for name, row in self.rows.items()))
        return [(name, self.rows[name]) for minus, name in weighed[:count] if minus]


class Spans:
    """Times that things took: mean and maximum exact, the median to three digits."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self.sum = 0.0
        self.longest = 0.0
        self._rounded: Counter[float] = Counter()

    def add(self, seconds: float) -> None:
        """Count one."""
        self.count += 1
        self.sum += seconds
        self.longest = max(self.longest, seconds)
        self._rounded[float(f"{max(seconds, 0.0001):.3g}")] += 1

    def mean(self) -> float | None:
        """The mean, if there is any."""
        return self.sum / self.count if self.count else None

    def median(self) -> float | None:
        """The value that half of all do not exceed."""
        passed = 0
        for value in sorted(self._rounded):
            passed += self._rounded[value]
            if passed * 2 >= self.count:
                return value
        return None


class Figures:
    """Everything that is counted in a log."""

    def __init__(self, since: float | None = None, until: float | None = None, rows_max: int = ROWS_MAX) -> None:
        """Count what happened in a span of time, or everything."""
        self.totals: Counter[str] = Counter()
        self.first_at: float | None = None
        self.last_at: float | None = None
        self.delays = Spans()
        self.busy = {b"local": 0.0, b"remote": 0.0}
        self.peak = {b"local": 0, b"remote": 0}
        self.senders, self.recipients, self.domains = Table(rows_max), Table(rows_max), Table(rows_max)
        self.reasons = {verdict: Table(rows_max) for verdict in ("deferral", "failure")}
        self.troubles = Table(rows_max)
        self.stories = Stories(keep_attempts=False)
        self.stories.opened = self._opened
        self.stories.finished = self._finished
        self._since = since
        self._until = until
        self._counts = since is None and until is None

    def read(self, lines: Iterable[Line]) -> None:
        """Read a log to its end."""
        everything = self._counts
        for at, event in lines:
            if not everything:
                self._counts = (at is not None and (self._since is None or at >= self._since)
                                and (self._until is None or at < self._until))
            if self._counts:
                self._count(at, event)
            self.stories.add(at, event)

    def _count(self, at: float | None, event: Event) -> None:
        """Count a line by itself."""
        self.totals["lines"] += 1
        if at is not None:
            self.first_at = at if self.first_at is None else min(self.first_at, at)
            self.last_at = at if self.last_at is None else max(self.last_at, at)
        kind = type(event)
        if kind is events.Status:
            assert isinstance(event, events.Status)
            self.peak[b"local"] = max(self.peak[b"local"], event.local)
            self.peak[b"remote"] = max(self.peak[b"remote"], event.remote)
        elif kind in _COUNTED:
            self.totals[_COUNTED[kind]] += 1
        elif kind not in VERDICTS and kind is not events.DeliveryStarted and kind is not events.MessageInfo:
            self._trouble(event)

    def _trouble(self, event: Event) -> None:
        """Count an alert, a warning, or words."""
        line = event.line()
        if line.startswith((b"alert: ", b"warning: ")):
            self.totals[line.partition(b":")[0].decode() + "s"] += 1
            self.troubles.row(reason(line)).messages += 1
        elif isinstance(event, Words):
            self.totals["other_lines"] += 1

    def _opened(self, story: Story) -> None:
        """Count a message that has arrived."""
        if self._counts and story.info is not None:
            self.totals["bytes"] += story.info.size
            row = self.senders.row(address(story.info.sender))
            row.messages += 1
            row.bytes += story.info.size

    def _finished(self, attempt: Attempt) -> None:
        """Count a delivery that has ended."""
        if not self._counts or attempt.verdict is None:
            return
        verdict, seconds = attempt.verdict, attempt.lasted_for()
        self.totals[verdict] += 1
        self.busy[attempt.channel] += seconds or 0.0
        for table, name in ((self.recipients, address(attempt.recipient)), (self.domains, domain(attempt.recipient))):
            table.row(name).delivery(verdict, seconds)
        story = attempt.story
        if story.info is not None:
            self.senders.row(address(story.info.sender)).delivery(verdict, seconds)
        if verdict in self.reasons:
            self.reasons[verdict].row(reason(attempt.text)).delivery(verdict, seconds)
        elif verdict == "success":
            self._delivered(attempt)

    def _delivered(self, attempt: Attempt) -> None:
        """Count what has reached a recipient, and how long that took from the arrival on."""
        story = attempt.story
        if story.info is not None:
            self.totals["delivered_bytes"] += story.info.size
        if story.has_begin and story.began_at is not None and attempt.ended_at is not None:
            self.delays.add(max(0.0, attempt.ended_at - story.began_at))

    def lasted_for(self) -> float | None:
        """The time that is summed up."""
        return None if self.first_at is None or self.last_at is None else self.last_at - self.first_at

    def concurrency(self, channel: bytes) -> float | None:
        """How many deliveries ran at the same time, on the average."""
        whole = self.lasted_for()
        return self.busy[channel] / whole if whole else None


_COUNTED: dict[type[Event], str] = {
    events.NewMessage: "messages",
    events.BounceQueued: "bounces",
    events.TripleBounce: "triple_bounces",
    events.MessageEnded: "ended",
    events.Exiting: "exits",
}


def address(raw: bytes) -> str:
    """An address as a name of a row, its host in small letters."""
    local, mark, host = logsafe(raw[:ADDRESS_MAX]).rpartition(b"@")
    return (local + mark + host.lower()).decode("ascii") or "<>"
