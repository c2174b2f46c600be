"""The time as the schedule sees it: wall time, but not when the wall clock jumps.

Files bear wall time, so retries and ages are counted in it. The clock of the boot tells whether wall time can
be believed: as long as both run side by side, wall time it is. When they part by more than an hour somebody
has set the clock, and until that much has really passed we go on counting from where we were.

Unlike 1.02: a clock set forward by a week expires no message, and one set back by a year stops no retry.
"""

from __future__ import annotations

from math import floor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: clocks that differ by less are both right
TOLERANCE_FOR = 3600


class Times:
    """One source of "now" for all of the schedule."""

    def __init__(
        self,
        wall: Callable[[], float],
        steady: Callable[[], float],
        stamp: tuple[int, int] | None = None,
        shifted: Callable[[int], None] = lambda by: None,
    ) -> None:
        """Take both clocks and what an earlier run believed (a reading of the steady clock, and the time
        then).

        A stamp from before the last boot has a steady reading that is usually ahead of ours; then it says
        nothing. *shifted* is called when we give in and believe the wall clock: every time kept so far is off
        by that much.
        """
        self._wall = wall
        self._steady = steady
        self._shifted = shifted
        self._offset = wall() - steady()
        if stamp is not None and 0 < stamp[0] <= steady():
            self._offset = stamp[1] - stamp[0]
        self._parted_at: float | None = None
        self._parted_by = 0.0

    def now(self) -> int:
        """Tell the time that schedule and ages are counted in."""
        wall, steady = self._wall(), self._steady()
        parted_by = wall - steady - self._offset
        if -TOLERANCE_FOR <= parted_by <= TOLERANCE_FOR:
            self._offset = wall - steady
            self._parted_at = None
            return floor(wall)
        if self._parted_at is None or abs(parted_by - self._parted_by) > TOLERANCE_FOR:
            self._parted_at, self._parted_by = steady, parted_by
        elif steady - self._parted_at >= abs(parted_by):
            self._offset = wall - steady
            self._parted_at = None
            self._shifted(round(parted_by))
            return floor(wall)
        return floor(steady + self._offset)

    def age(self, birth_at: int) -> int:
        """Tell how old a file is that says it was made at *birth_at*; of two possible ages the smaller one counts."""
        now = self.now()
        age_for = now - birth_at
        if self._parted_at is not None:
            by_wall = floor(self._wall()) - birth_at
            ages = [age for age in (age_for, by_wall) if age >= 0]
            age_for = min(ages) if ages else max(age_for, by_wall)
        return age_for if age_for >= -TOLERANCE_FOR else 0

    def to_file(self, at: int) -> int:
        """Turn a time of the schedule into what a file shall bear."""
        return at + floor(self._wall()) - self.now()

    def from_file(self, at: int) -> int:
        """Turn the time a file bears into one of the schedule."""
        return at - floor(self._wall()) + self.now()

    def stamp(self) -> tuple[int, int]:
        """Say what a later run needs to know: a reading of the steady clock, and the time we believe it is."""
        return floor(self._steady()), self.now()
