"""How long to wait before something that died is started again."""

from __future__ import annotations

FIRST = 0.1
LONGEST = 60.0
LONGEST_IF_INNOCENT = 1.0
LONG_ENOUGH = 60.0


class Backoff:
    """Growing pauses between restarts: 0.1 s, doubled with every early death up to a minute.

    What has lived for a minute starts anew with the shortest pause. What has shown no fault of its own, because
    it was killed from outside (SIGKILL: the administrator, or the kernel out of memory) or ended in good order,
    waits a second at most.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        """Begin with the shortest pause."""
        self._next = FIRST

    def after(self, lived_for: float, innocent: bool = False) -> float:
        """The pause before the next start, given how long the last one lived and how it ended."""
        if lived_for >= LONG_ENOUGH:
            self._next = FIRST
        pause = min(self._next, LONGEST_IF_INNOCENT if innocent else LONGEST)
        if not innocent or self._next < LONGEST_IF_INNOCENT:
            self._next = min(self._next * 2, LONGEST)
        return pause
