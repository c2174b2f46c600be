"""The scheduler as a whole: events come in, orders, commands to the door, bounces and log lines go out.

It knows no descriptor and no reactor: whatever it needs from outside is handed in, so that weeks of retries
pass in a test in milliseconds. Everything is done in turns. An event (a report, a notice, a signal, a moment
that has come) changes what is known and asks for a turn; the turn starts what can be started, a bounded
amount of everything, and ends by writing the log. If work is left over, another turn follows at once, after
the reactor has looked for events.
"""

from __future__ import annotations

from qtwisted.model import alerts, events
from qtwisted.schedule.arrivals import Arrivals
from qtwisted.schedule.attempts import Attempts
from qtwisted.schedule.bounces import Bounces
from qtwisted.schedule.cleaner import Cleaner
from qtwisted.schedule.cleanups import Cleanups
from qtwisted.schedule.due import Agenda
from qtwisted.schedule.endings import Endings
from qtwisted.schedule.loading import Loading
from qtwisted.schedule.plans import Plans
from qtwisted.schedule.requests.wishes import Wishes
from qtwisted.schedule.settle import Settler
from qtwisted.schedule.slots import Channel
from qtwisted.store.kinds.ledger import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from qtwisted.model.events import Event
    from qtwisted.schedule.cleaner import Clean
    from qtwisted.schedule.jobs import Arrival, Settings
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.route import Router
    from qtwisted.schedule.times import Times
    from qtwisted.store.interface import Intake
    from qtwisted.store.kinds.ledger import Ledger
    from qtwisted.store.kinds.together import Call, Clock, GroupSync

    class Outside(Protocol):
        """What the scheduler needs of the world beyond the queue."""

        def order(self, channel: int, order: bytes) -> None:
            """Send bytes to a spawner."""

        def clean(self, command: bytes, answer: Callable[[bytes], None]) -> None:
            """Send a command to the door."""

        def arm(self) -> None:
            """Make the trigger ready, before todo is looked through."""

        def reread(self) -> Router | Event | None:
            """Read locals and virtualdomains again: the new tables, or what went wrong."""

        def stop(self) -> None:
            """End the process; everything is done."""


#: longest time without a turn (qmail-send.c SLEEP_FOREVER)
LONGEST_SLEEP = 86400
#: how often a note on the clocks is left for a later run
STAMP_EVERY = 600
#: so many messages may be done with and not yet removed, each a duplicate if we die now; then deliveries wait
REMOVALS_MAX = 100
#: how long the end waits for the door and the disk once no delivery runs any more
PARTING_FOR = 20.0


class Scheduler:
    """Puts the parts together and passes events to them."""

    def __init__(
        self,
        clock: Clock,
        outside: Outside,
        ledger: Ledger,
        sync: GroupSync,
        intake: Intake,
        log: Log,
        times: Times,
        agenda: Agenda,
        settings: Settings,
        router: Router,
        limits: Sequence[int],
        widths: Sequence[int] = (1, 1),
    ) -> None:
        """Make all parts; nothing happens before ``start``. *limits* and *widths* are those of the channels."""
        self._clock = clock
        self._outside = outside
        self._ledger = ledger
        self._sync = sync
        self._log = log
        self._times = times
        self.agenda = agenda
        self.router = router
        seconds = clock.seconds
        lifetime_for = settings.lifetime_for
        clean: Clean = outside.clean
        self.cleaner = Cleaner(clock, clean)
        self.bounces = Bounces(clock, intake)
        self.plans = Plans(ledger, sync, agenda, log, self.cleaner, seconds)
        self.endings = Endings(ledger, sync, agenda, times, log, self.cleaner, self.bounces, settings)
        self.endings.keeper = self.plans
        channels = [
            Channel(limit, self._line(number), width)
            for number, (limit, width) in enumerate(zip(limits, widths, strict=True))
        ]
        self.settler = Settler(ledger, sync, log)
        self.attempts = Attempts(
            ledger, agenda, times, log, self.settler, lifetime_for, channels, self._tables, seconds
        )
        self.attempts.report_to(self)
        self.attempts.is_held_back = lambda: self.cleaner.unanswered >= REMOVALS_MAX
        self.arrivals = Arrivals(
            ledger, agenda, times, log, self.attempts, self.plans, self.endings, self.cleaner, self._tables, seconds
        )
        self.loading = Loading(ledger, agenda, times, log, lifetime_for, seconds)
        self.cleanups = Cleanups(ledger, agenda, times, log, self.cleaner, seconds)
        self.cleaner.removed = self._removed
        self.cleaner.tried = self._ask_for_turn
        self.bounces.answered = self._ask_for_turn
        sync.finished = self._ask_for_turn
        self.plans.gave_up = self.arrivals.gave_up
        self.wishes = Wishes(self, ledger, sync, times, log)
        self._turn: Call | None = None
        self._wake: Call | None = None
        self._wake_at = 0.0
        self._stamp_at = 0.0
        self._armed_for: float | None = None
        self._is_exiting = False
        self._door_is_lost = False
        self._exit_at: float | None = None
        self._is_over = False

    def _line(self, number: int) -> Callable[[bytes], None]:
        """Make what sends orders to one spawner."""
        return lambda order: self._outside.order(number, order)

    def _tables(self) -> Router:
        """Give the rewriting tables of the moment."""
        return self.router

    # What decides about messages in memory

    def keep(self, arrival: Arrival) -> None:
        """Have a message written down."""
        self.plans.keep(arrival)

    def complete(self, arrival: Arrival) -> None:
        """End a message whose recipients are all settled."""
        self.endings.complete(arrival)

    # Events

    def start(self) -> None:
        """Say that we are there, and begin."""
        self.attempts.status()
        self._ask_for_turn()

    def arrived(self, number: int, size: int, record: bytes | None) -> None:
        """Hear of a durable message."""
        self.bounces.tell(lambda: self._hear_of(number, size, record))

    def _hear_of(self, number: int, size: int, record: bytes | None) -> None:
        """Take up a message."""
        self.arrivals.arrived(number, size, record)
        self._ask_for_turn()

    def reported(self, channel: int, slot: int, report: bytes) -> None:
        """Hear how a delivery ended."""
        self.attempts.reported(channel, slot, report)
        self._ask_for_turn()

    def triggered(self) -> None:
        """Hear that somebody wrote to todo."""
        self.arrivals.scan_soon()
        self._ask_for_turn()

    def spawner_lost(self, channel: int) -> None:
        """Hear that a spawner is gone: finish what the other one has in hand, and end."""
        if self._is_over:
            return
        if not self._is_exiting or self.attempts.channels[channel].is_busy():
            self._log.say(alerts.LostSpawner())
        self.attempts.lost(channel)
        self.terminate()

    def door_lost(self) -> None:
        """Hear that the door is gone: nothing can be removed any more; finish what is in hand, and end.

        Unlike 1.02: this is noticed at once, not at the next command.
        """
        if self._is_over:
            return
        if not self._is_exiting or not self.cleaner.is_idle:
            self._log.say(alerts.LostClean())
        self._door_is_lost = True
        self.terminate()

    def terminate(self) -> None:
        """Start nothing more, and end when nothing is in flight (TERM)."""
        if not self._is_exiting:
            self._is_exiting = True
            self.attempts.exit()
            self.arrivals.exit()
            self.loading.exit()
        self._ask_for_turn()

    def alarm(self) -> None:
        """Try everything now (ALRM)."""
        self.agenda.hurry(self._times.now())
        self._ask_for_turn()

    @property
    def is_ending(self) -> bool:
        """Is nothing started any more?"""
        return self._is_exiting

    def look_around(self) -> None:
        """Hear that something has been asked for that needs a turn."""
        self._ask_for_turn()

    def pause(self, is_paused: bool) -> None:
        """Start no delivery, or go on (as an administrator asks)."""
        self.attempts.is_paused = is_paused
        self._ask_for_turn()

    def hangup(self) -> None:
        """Read locals and virtualdomains again (HUP)."""
        found = self._outside.reread()
        if isinstance(found, events.Event):
            self._log.say(found)
        elif found is not None:
            self.router = found
        self._ask_for_turn()

    def _removed(self, number: int) -> None:
        """Hear that the door has answered."""
        self.arrivals.removed(number)
        self._ask_for_turn()

    # Turns

    def _ask_for_turn(self) -> None:
        """Have a turn as soon as the reactor has passed on the events it knows of."""
        if self._turn is None:
            self._turn = self._clock.callLater(0, self._take_turn)

    def _take_turn(self) -> None:
        """Do a bounded amount of everything."""
        self._turn = None
        if self._is_over:
            return
        more = self._part() if self._is_exiting else self._work()
        self._log.flush()
        if more:
            self._ask_for_turn()
        elif not self._is_over:
            self._sleep()

    def _work(self) -> bool:
        """Start what can be started; say whether there is more to do at once."""
        if self._clock.seconds() >= self._stamp_at:
            self._ledger.set_stamp(*self._times.stamp())
            self._stamp_at = self._clock.seconds() + STAMP_EVERY
        if self._armed_for != self.arrivals.scan_at:
            self._outside.arm()
            self._armed_for = self.arrivals.scan_at
        self.arrivals.sweep()
        steps = (
            self.arrivals.step(),
            self.wishes.sentences.step(),
            self.attempts.advance(),
            self.plans.step(),
            self.endings.step(),
            self.loading.step(),
            self.loading.step_again(),
            self.cleanups.step(),
        )
        return any(steps)

    def _sleep(self) -> None:
        """Ask for a turn at the next moment that is known to matter."""
        seconds = self._clock.seconds()
        wake_at = min(self._moments(seconds), default=seconds + LONGEST_SLEEP)
        if self._wake is not None and self._wake.active():
            if self._wake_at == wake_at:
                return
            self._wake.cancel()
        self._wake_at = wake_at
        self._wake = self._clock.callLater(max(0.0, wake_at - seconds), self._ask_for_turn)

    def _moments(self, seconds: float) -> list[float]:
        """List the moments that matter."""
        if self._is_exiting:
            return [] if self._exit_at is None else [self._exit_at]
        moments = [self._stamp_at, self.cleanups.scan_at]
        at = self.agenda.earliest((*self.attempts.is_open(), self.bounces.has_room(), True))
        for each in (at, self.wishes.sentences.wake_at()):
            if each is not None:
                moments.append(seconds + max(0, each - self._times.now()))
        if not self.loading.is_over:
            moments.append(self.loading.wait_until)
        for other in (self.arrivals.wake_at(), self.arrivals.sweep_at):
            if other is not None:
                moments.append(other)
        return moments

    # The end

    def _part(self) -> bool:
        """Go on towards the end; say whether there is more to do at once."""
        self.arrivals.keep_settled()
        if not self.attempts.are_over():
            more = self.plans.step()
            return self.endings.step() or more
        if self._exit_at is None:
            self._exit_at = self._clock.seconds() + PARTING_FOR
            self.endings.step()
        if self.plans.step():
            return True
        self._sync.hurry()
        if self._is_done() or self._clock.seconds() >= self._exit_at:
            self._end()
        return False

    def _is_done(self) -> bool:
        """Is everything durable, and every command answered that can be?"""
        if not self._sync.is_idle:
            return False
        return self._door_is_lost or (self.cleaner.is_idle and self.plans.is_idle and self.bounces.is_idle)

    def _end(self) -> None:
        """Keep the schedule on the files, say good-bye, and stop."""
        self._is_over = True
        for channel in (0, 1):
            for at, number in self.agenda.entries(channel):
                if number not in self.agenda.held:
                    self._keep_time(channel, number, at)
        self._ledger.set_stamp(*self._times.stamp())
        if self._wake is not None and self._wake.active():
            self._wake.cancel()
        self._log.say(events.Exiting())
        self._log.farewell()
        self._outside.stop()

    def _keep_time(self, channel: int, number: int, at: int) -> None:
        """Note on a recipient file when it is due."""
        try:
            self._ledger.set_retry(channel, number, self._times.to_file(at))
        except Trouble as trouble:
            self._log.say(trouble.event)
