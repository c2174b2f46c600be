"""Finds out at the start what is in the queue, without waiting for the end of it.

A few hundred messages are looked at in each turn, so that the first deliveries begin at once, however many
messages there are. Of each, only its number and its next time are remembered.
"""

from __future__ import annotations

from collections import deque

from qtwisted.model import alerts
from qtwisted.schedule.jobs import ENDING, EXAMINE
from qtwisted.schedule.retry import SYSTEM_TROUBLE_FOR, longest_wait
from qtwisted.schedule.times import TOLERANCE_FOR
from qtwisted.store.kinds.ledger import CHANNELS, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.schedule.due import Agenda
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.times import Times
    from qtwisted.store.kinds.ledger import Ledger

#: messages looked at in one turn
MESSAGES_A_TURN = 200
#: how long after a failure to open a directory it is tried again
DIRECTORY_TROUBLE_FOR = 10.0


class Loading:
    """The scan of info, and later the messages that could not be looked at then."""

    def __init__(
        self,
        ledger: Ledger,
        agenda: Agenda,
        times: Times,
        log: Log,
        lifetime_for: int,
        seconds: Callable[[], float],
    ) -> None:
        """Put what is found on *agenda*."""
        self._ledger = ledger
        self._agenda = agenda
        self._times = times
        self._log = log
        self._longest_for = longest_wait(lifetime_for) + TOLERANCE_FOR
        self._seconds = seconds
        self._directories = deque(ledger.directories("info"))
        self._numbers: Iterator[int] = iter(())
        self._planned: set[int] = set()
        self.wait_until = 0.0

    @property
    def is_over(self) -> bool:
        """Has all of the queue been looked at?"""
        return not self._directories

    def planned(self, number: int) -> None:
        """Hear of a message that is on the agenda already: the scan must not add it a second time."""
        if self._directories:
            self._planned.add(number)

    def step(self) -> bool:
        """Look at some messages; say whether there are more to look at at once."""
        if not self._directories or self._seconds() < self.wait_until:
            return False
        try:
            for _ in range(MESSAGES_A_TURN):
                number = next(self._numbers, None)
                if number is not None:
                    if number not in self._planned:
                        self._examine(number)
                    continue
                if self._next_directory():
                    return False
        except Trouble as trouble:
            self._log.say(trouble.event)
            self._numbers = self._ledger.numbers(self._directories[0])
            self.wait_until = self._seconds() + DIRECTORY_TROUBLE_FOR
            return False
        return True

    def _next_directory(self) -> bool:
        """Turn to the next directory; say whether there is none."""
        if self._is_begun:
            self._directories.popleft()
        self._is_begun = True
        if not self._directories:
            self._planned.clear()
            return True
        self._numbers = self._ledger.numbers(self._directories[0])
        return False

    _is_begun = False

    def step_again(self) -> bool:
        """Look once more at a message that could not be looked at before; say whether there are more."""
        number = self._agenda.dues[EXAMINE].take(self._times.now())
        if number is None:
            return False
        try:
            is_there = self._ledger.exists("info", number)
        except OSError:
            self._trouble("info", number)
        else:
            if is_there:
                self._examine(number)
        return True

    def _examine(self, number: int) -> None:
        """Put a message where it belongs: on its channels, to be ended, or nowhere while it is still in todo."""
        found = []
        kind = "todo"
        try:
            if self._ledger.exists(kind, number):
                return
            for channel, kind in enumerate(CHANNELS):
                at = self._ledger.modified_at(kind, number)
                if at is not None:
                    found.append((channel, at))
            kind = "info"
            if self._ledger.is_held(number):
                self._agenda.park_new(number)
                self._agenda.on_hold.add(number)
        except OSError:
            self._trouble(kind, number)
            return
        now = self._times.now()
        if not found:
            self._agenda.add(ENDING, number, now)
        for channel, at in found:
            # no schedule waits longer; a file from the future was stamped by a clock that was wrong
            self._agenda.add(channel, number, min(self._times.from_file(at), now + self._longest_for))

    def _trouble(self, kind: str, number: int) -> None:
        """Have a message looked at again."""
        self._log.say(alerts.CannotStatYet(self._ledger.file(kind, number)))
        self._agenda.add(EXAMINE, number, self._times.now() + SYSTEM_TROUBLE_FOR)

    def exit(self) -> None:
        """Stop looking."""
        self._directories.clear()
