"""What is due when: message numbers ordered by time, for queues of a million messages.

An entry is one integer, the time in front and the message number in the low 64 bits, which costs 52 bytes and
compares without calling any code of ours. Entries of the same time come out in the order of their numbers.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from qtwisted.schedule.jobs import EXAMINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from qtwisted.schedule.jobs import Arrival

#: the queues of the two channels; the others are no deliveries
CHANNELS = (0, 1)

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

    def of(self, numbers: Collection[int]) -> list[tuple[int, int]]:
        """List the entries of some messages, as (time, number); it costs a look at every entry."""
        return [(entry >> _BITS, entry & _NUMBER) for entry in self._heap if entry & _NUMBER in numbers]

    def remove(self, numbers: Collection[int]) -> None:
        """Forget the entries of some messages; it costs a look at every entry."""
        self._heap = [entry for entry in self._heap if entry & _NUMBER not in numbers]
        heapify(self._heap)

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
    """The queues by time, and the messages whose entries have to wait.

    A message in memory (``held``) waits until its files count. One that is ``parked`` comes up on no channel,
    whatever becomes due, until it is taken from the park; those ``on_hold`` are parked because an administrator
    said so.
    """

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self.dues = (Due(), Due(), Due(), Due())
        self.held: dict[int, Arrival] = {}
        self.parked: dict[int, list[tuple[int, int]]] = {}
        self.on_hold: set[int] = set()

    def add(self, which: int, number: int, at: int) -> None:
        """Have a message come up on a channel (or for ENDING or EXAMINE) at a time.

        A message whose files are being written comes up only when that is over: until todo/N is gone nothing
        that the files say would survive a crash.
        """
        if self.parked and number in self.parked and which in CHANNELS:
            self.parked[number].append((which, at))
            return
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
            self.add(which, arrival.number, at)

    # Some messages, as an administrator names them

    def entries_of(self, numbers: Collection[int]) -> dict[int, list[tuple[int, int]]]:
        """List on which channels some messages come up, and when; a parked one as if it were not."""
        found: dict[int, list[tuple[int, int]]] = {number: list(self.parked.get(number, ())) for number in numbers}
        for channel in CHANNELS:
            for at, number in self.dues[channel].of(numbers):
                found[number].append((channel, at))
        for number in numbers:
            arrival = self.held.get(number)
            if arrival is not None:
                found[number] += [entry for entry in arrival.later if entry[0] in CHANNELS]
        return found

    def take_out(self, numbers: Collection[int]) -> dict[int, list[tuple[int, int]]]:
        """Remove the entries of some messages for the channels, and give them."""
        found = self.entries_of(numbers)
        if any(found.values()):
            for channel in CHANNELS:
                self.dues[channel].remove(numbers)
        for number in numbers:
            if number in self.parked:
                self.parked[number] = []
            arrival = self.held.get(number)
            if arrival is not None:
                arrival.later = [entry for entry in arrival.later if entry[0] not in CHANNELS]
        return found

    def park(self, numbers: Collection[int]) -> None:
        """Let some messages come up on no channel from now on."""
        new = {number for number in numbers if number not in self.parked}
        if new:
            self.parked.update(self.take_out(new))

    def park_new(self, number: int) -> None:
        """The same for a message that is on no queue yet, which costs no look at the others."""
        self.parked.setdefault(number, [])

    def unpark(self, number: int, at: int | None = None) -> None:
        """Let a message come up again: at the times that were known, or all *at* one time."""
        self.on_hold.discard(number)
        for which, then in self.parked.pop(number, ()):
            self.add(which, number, then if at is None else at)

    def forget(self, number: int) -> None:
        """A message is gone, and its number may belong to another one soon."""
        self.on_hold.discard(number)
        self.parked.pop(number, None)
        if len(self.dues[EXAMINE]):
            self.dues[EXAMINE].remove((number,))

    def entries(self, channel: int) -> list[tuple[int, int]]:
        """List everything that waits for a channel, as (time, number), parked or not."""
        waiting = self.dues[channel].entries()
        for number, entries in self.parked.items():
            waiting += [(at, number) for which, at in entries if which == channel]
        return waiting

    def earliest(self, ready: tuple[bool, bool, bool, bool]) -> int | None:
        """Tell the time of the first entry, of those queues that could be served."""
        times = [due.earliest() for due, is_ready in zip(self.dues, ready, strict=True) if is_ready]
        known = [at for at in times if at is not None]
        return min(known) if known else None

    def hurry(self, now: int) -> None:
        """Make both channels' entries due now, or as soon as they come up (ALRM)."""
        for channel in CHANNELS:
            self.dues[channel].all_at(now)
        for arrival in self.held.values():
            arrival.later = [(which, now if which in CHANNELS else at) for which, at in arrival.later]

    def shift(self, by: int) -> None:
        """Move every entry in time."""
        for due in self.dues:
            due.shift(by)
        for arrival in self.held.values():
            arrival.later = [(which, at + by) for which, at in arrival.later]
        for number, entries in self.parked.items():
            self.parked[number] = [(which, at + by) for which, at in entries]
