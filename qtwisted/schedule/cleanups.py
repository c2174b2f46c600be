"""Removes what died on its way into the queue: message texts that nobody owns and that are older than any
writer lives.

One scan of mess at the start, the next a day after the last one ended; some entries in each turn.
"""

from __future__ import annotations

from collections import deque

from qtwisted.model import alerts
from qtwisted.store.kinds.ledger import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.schedule.cleaner import Cleaner
    from qtwisted.schedule.due import Agenda
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.times import Times
    from qtwisted.store.kinds.ledger import Ledger

#: from the end of one scan to the beginning of the next (qmail-send.c SLEEP_CLEANUP)
SCAN_EVERY = 76431
#: a text of this age has no writer any more (qmail.h OSSIFIED); a writer lives at most a day
OSSIFIED = 129600
#: how long after a failure to open a directory it is tried again
DIRECTORY_TROUBLE_FOR = 10.0

#: entries looked at in one turn
ENTRIES_A_TURN = 50


class Cleanups:
    """The scans."""

    def __init__(
        self,
        ledger: Ledger,
        agenda: Agenda,
        times: Times,
        log: Log,
        cleaner: Cleaner,
        seconds: Callable[[], float],
    ) -> None:
        """Begin with a scan."""
        self._ledger = ledger
        self._agenda = agenda
        self._times = times
        self._log = log
        self._cleaner = cleaner
        self._seconds = seconds
        self._directories: deque[str] = deque()
        self._numbers: Iterator[int] = iter(())
        self.scan_at = seconds()

    def step(self) -> bool:
        """Look at some entries; say whether there are more to look at at once."""
        if self._seconds() < self.scan_at:
            return False
        if not self._directories:
            self._directories.extend(self._ledger.directories("mess"))
            self._numbers = self._ledger.numbers(self._directories[0])
        try:
            for _ in range(ENTRIES_A_TURN):
                number = next(self._numbers, None)
                if number is not None:
                    self._look(number)
                elif not self._next_directory():
                    return False
        except Trouble as trouble:
            self._log.say(trouble.event)
            self._numbers = self._ledger.numbers(self._directories[0])
            self.scan_at = self._seconds() + DIRECTORY_TROUBLE_FOR
            return False
        return True

    def _next_directory(self) -> bool:
        """Turn to the next directory; without one the scan is over."""
        self._directories.popleft()
        if self._directories:
            self._numbers = self._ledger.numbers(self._directories[0])
            return True
        self.scan_at = self._seconds() + SCAN_EVERY
        return False

    def _look(self, number: int) -> None:
        """Have a text removed if it is old, and neither queued nor known to us. In doubt it stays."""
        if number in self._agenda.held or self._cleaner.is_removing(number):
            return
        try:
            if self._times.age(self._ledger.touched_at("mess", number)) <= OSSIFIED:
                return
            if self._ledger.exists("info", number) or self._ledger.exists("todo", number):
                return
        except OSError:
            return
        name = b"foop/%d" % number
        self._cleaner.clean(name, lambda done: None if done else self._log.say(alerts.CannotCleanUp(name)))
