"""What is due when: message numbers ordered by time, for queues of a million messages.

An entry is one integer, the time in front and the message number in the low 64 bits, which costs 52 bytes and
compares without calling any code of ours. Entries of the same time come out in the order of their numbers.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.schedule.jobs import Arrival

_BITS = 64
_NUMBER = (1 << _BITS) - 1


class Due:
    """A queue of (time, message number), earliest first; a number may stand in it more than once."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        """Begin empty."""
        self._heap: list[int] = []

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._heap)

    def add(self, at: int, number: int) -> None:
        """Have *number* come up at the time *at*."""
        heappush(self._heap, at << _BITS | number)

    def earliest(self) -> int | None:
        """Tell the time of the first entry, None if there is none."""
        return self._heap[0] >> _BITS if self._heap else None

    def take(self, until: int) -> int | None:
        """Remove the first entry if its time has come, and give its number."""
        if not self._heap or self._heap[0] >> _BITS > until:
            return None
        return heappop(self._heap) & _NUMBER

    def all_at(self, at: int) -> None:
        """Make everything due at the same time (ALRM)."""
        self._heap = [at << _BITS | entry & _NUMBER for entry in self._heap]
        heapify(self._heap)

    def shift(self, by: int) -> None:
        """Move everything in time, when the clock that the times came from turns out to be wrong."""
        self._heap = [entry + (by << _BITS) for entry in self._heap]

    def entries(self) -> list[tuple[int, int]]:
        """List what waits, as (time, number), in no particular order."""
        return [(entry >> _BITS, entry & _NUMBER) for entry in self._heap]


class Agenda:
    """The queues by time, and the messages in memory, whose entries may have to wait until their files count."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self.dues = (Due(), Due(), Due(), Due())
        self.held: dict[int, Arrival] = {}

    def add(self, which: int, number: int, at: int) -> None:
        """Have a message come up on a channel (or for ENDING or EXAMINE) at a time.

        A message whose files are being written comes up only when that is over: until todo/N is gone nothing
        that the files say would survive a crash.
        """
        arrival = self.held.get(number)
        if arrival is not None and arrival.wanted:
            arrival.later.append((which, at))
        else:
            self.dues[which].add(at, number)

    def release(self, arrival: Arrival) -> None:
        """Let the entries of a message come up that had to wait."""
        arrival.wanted = False
        entries, arrival.later = arrival.later, []
        for which, at in entries:
            self.dues[which].add(at, arrival.number)

    def earliest(self, ready: tuple[bool, bool, bool, bool]) -> int | None:
        """Tell the time of the first entry, of those queues that could be served."""
        times = [due.earliest() for due, is_ready in zip(self.dues, ready, strict=True) if is_ready]
        known = [at for at in times if at is not None]
        return min(known) if known else None

    def hurry(self, now: int) -> None:
        """Make both channels' entries due now, or as soon as they come up (ALRM)."""
        channels = (0, 1)
        for channel in channels:
            self.dues[channel].all_at(now)
        for arrival in self.held.values():
            arrival.later = [(which, now if which in channels else at) for which, at in arrival.later]

    def shift(self, by: int) -> None:
        """Move every entry in time."""
        for due in self.dues:
            due.shift(by)
        for arrival in self.held.values():
            arrival.later = [(which, at + by) for which, at in arrival.later]
