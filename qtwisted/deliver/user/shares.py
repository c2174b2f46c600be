"""How many deliveries each user may have at a time, so that nobody's hanging programs hold up everybody's mail.

Rules this file keeps:

* A user has a share of the slots, a quarter of them but at least one. Below it his deliveries start at once.
* Above his share they start as long as one whole share stays free for others: a busy user alone gets three quarters.
* What may not start waits for a few seconds, and then is put off. If nothing of that user's has begun or ended
  for that long, his running deliveries hang, and what comes is put off at once.

Unlike 1.02: one user's deliveries that hang cannot take all the slots; further mail for him is tried again later.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_FOR = 5.0
"""Seconds a delivery waits for others of the same user."""

PUT_OFF = b"ZThis user has too many deliveries in progress. (#4.3.2)\n"


def a_quarter(slots: int) -> int:
    """The usual share of so many slots."""
    return max(1, slots // 4)


class Shares:
    """Counts the deliveries of each user, known by uid."""

    def __init__(self, slots: int, share: int, clock: Callable[[], float]) -> None:
        """Divide so many slots."""
        self._slots = slots
        self._share = share
        self._clock = clock
        self._running: dict[int, int] = {}
        self._total = 0
        self._moved_at: dict[int, float] = {}

    def may_start(self, uid: int) -> bool:
        """May another delivery of this user start now?"""
        if self._running.get(uid, 0) < self._share:
            return True
        return self._total < self._slots - self._share

    def is_stuck(self, uid: int) -> bool:
        """Has nothing of this user's begun or ended for longer than anyone should wait?"""
        return self._clock() - self._moved_at.get(uid, 0.0) > PATIENCE_FOR

    def started(self, uid: int) -> None:
        """A delivery of this user has begun."""
        self._running[uid] = self._running.get(uid, 0) + 1
        self._total += 1
        self._moved_at[uid] = self._clock()

    def ended(self, uid: int) -> None:
        """A delivery of this user is over."""
        self._total -= 1
        self._running[uid] -= 1
        self._moved_at[uid] = self._clock()
        if not self._running[uid]:
            del self._running[uid], self._moved_at[uid]
