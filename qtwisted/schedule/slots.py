"""The slots of a channel: how many deliveries one spawner has in hand, and how many more it may get."""

from __future__ import annotations

from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.schedule.jobs import Delivery, Job, Records


class Channel:
    """One spawner as the scheduler sees it: its slots, and the recipient file that is open."""

    __slots__ = ("free", "is_alive", "job", "lent", "limit", "order", "records", "slots", "used", "width")

    def __init__(self, limit: int, order: Callable[[bytes], None], width: int = 1) -> None:
        """Offer *limit* slots; *order* sends bytes to the spawner, where a slot's number takes *width* bytes."""
        self.limit = limit
        self.slots: list[Delivery | None] = [None] * limit
        self.free = list(range(limit))
        self.used = 0
        self.lent: set[int] = set()
        self.order = order
        self.width = width
        self.is_alive = True
        self.job: Job | None = None
        self.records: Records | None = None

    def can_deliver(self) -> bool:
        """Is there a spawner, and a free slot?"""
        return self.is_alive and self.used < self.limit

    def is_busy(self) -> bool:
        """Is any delivery not over?"""
        return bool(self.used or self.lent)

    def take(self) -> int:
        """Take the lowest free slot; there are more than *limit* when some have been lent."""
        self.used += 1
        if self.free:
            return heappop(self.free)
        self.slots.append(None)
        return len(self.slots) - 1

    def lend(self, slot: int) -> None:
        """Count the delivery in this slot no longer, though it goes on."""
        if slot not in self.lent:
            self.lent.add(slot)
            self.used -= 1

    def give_back(self, slot: int) -> None:
        """Free a slot."""
        self.slots[slot] = None
        heappush(self.free, slot)
        if slot in self.lent:
            self.lent.discard(slot)
        else:
            self.used -= 1
