"""New messages: heard of from the door, or found in todo, and tried at once.

A message with few recipients is tried straight from todo, without files of ours. If its first attempt settles
every recipient, it leaves the queue by one command to the door; if it leaves somebody over, or takes longer
than a moment, the message is written down and life goes on as in 1.02. The log does not show the difference.

Memory is bounded: beyond some thousands of messages only their numbers are kept, and todo/N is read when
their turn comes.

Unlike 1.02: a message that can be delivered at once costs no info, local or remote file.

Unlike 1.02: an entry of todo that cannot be used is told once and then left alone for a growing time, unless
the file changes; it was told again at each scan.
"""

from __future__ import annotations

from collections import deque

from qtwisted.model import alerts, events
from qtwisted.schedule.jobs import Arrival
from qtwisted.schedule.plans import Preprocessing, TodoReader, UnknownRecord
from qtwisted.schedule.retry import SYSTEM_TROUBLE_FOR
from qtwisted.store.kinds.ledger import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.schedule.attempts import Attempts
    from qtwisted.schedule.cleaner import Cleaner
    from qtwisted.schedule.due import Agenda
    from qtwisted.schedule.endings import Endings
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.plans import Plans
    from qtwisted.schedule.route import Router
    from qtwisted.schedule.times import Times
    from qtwisted.store.kinds.ledger import Ledger

#: todo is looked through at least so often (qmail-send.c SLEEP_TODO)
SCAN_EVERY = 1500
#: and at most so often, however fast somebody pulls the trigger
SCAN_PAUSE_FOR = 1.0
#: how long after a failure to open the directory it is tried again
DIRECTORY_TROUBLE_FOR = 10.0

#: a message with more recipients is written down at once
RECIPIENTS_MAX = 20
#: and so is one whose todo file is longer
RECORD_MAX = 32768
#: messages kept in memory with their recipients
HELD_MAX = 4000
#: how long a first attempt may take before the message is written down
MOMENT = 1.0
#: how long a message may wait in memory for its first attempt
PATIENCE_FOR = 10.0
#: how often messages in memory are looked through for those that take too long
SWEEP_EVERY = 0.5

#: entries of todo looked at in one turn
ENTRIES_A_TURN = 25

_LONGEST_BACKOFF_FOR = 7872


class Arrivals:
    """Takes messages in and decides when they must be written down."""

    def __init__(
        self,
        ledger: Ledger,
        agenda: Agenda,
        times: Times,
        log: Log,
        attempts: Attempts,
        plans: Plans,
        endings: Endings,
        cleaner: Cleaner,
        router: Callable[[], Router],
        seconds: Callable[[], float],
    ) -> None:
        """Take the parts; *router* gives the tables of the moment, *seconds* the reactor's clock."""
        self._ledger = ledger
        self._agenda = agenda
        self._times = times
        self._log = log
        self._attempts = attempts
        self._plans = plans
        self._endings = endings
        self._cleaner = cleaner
        self._router = router
        self._seconds = seconds
        self._waiting: deque[int] = deque()
        self._recheck: set[int] = set()
        self._long: deque[tuple[int, int]] = deque()
        self._reading: Preprocessing | None = None
        self._scan: Iterator[int] | None = None
        self._bad: dict[int, tuple[object, float, float]] = {}
        self._is_exiting = False
        self._scanned_at = seconds() - SCAN_EVERY
        self.scan_at = seconds()
        self.sweep_at: float | None = None
        self.taken: Callable[[int], None] = lambda number: None
        self.useless: Callable[[int], None] = lambda number: None
        self.gone: Callable[[int], None] = lambda number: None

    @property
    def waiting(self) -> int:
        """How many messages are known by number only."""
        return len(self._waiting)

    # Hearing of messages

    def arrived(self, number: int, size: int, record: bytes | None) -> None:
        """Take a message that the door tells of."""
        if self._is_exiting:
            return
        if self._is_known(number):
            self._recheck.add(number)
        elif record is None or self._waiting or len(self._agenda.held) >= HELD_MAX:
            self._waiting.append(number)
        else:
            self._take(number, size, record)

    def _is_known(self, number: int) -> bool:
        """Is this message, or one of the same number, still in our hands?"""
        return number in self._agenda.held or self._cleaner.is_removing(number)

    def removed(self, number: int) -> None:
        """Look again whether there is a message of a number that was in our hands when it was seen."""
        if number in self._recheck:
            self._recheck.discard(number)
            self._waiting.append(number)

    def look_soon(self, number: int) -> None:
        """Look at an entry of todo before others, and even if it was found to be useless."""
        self._bad.pop(number, None)
        self._waiting.appendleft(number)

    def scan_soon(self) -> None:
        """Look through todo: the trigger was pulled."""
        self.scan_at = min(self.scan_at, max(self._seconds(), self._scanned_at + SCAN_PAUSE_FOR))

    def wake_at(self) -> float | None:
        """Tell when the next scan begins, None while one goes on."""
        return self.scan_at if self._scan is None else None

    # A turn

    def step(self) -> bool:
        """Look at some entries; say whether there is more to do at once."""
        if self._is_exiting:
            return False
        now = self._seconds()
        if self._scan is None and now >= self.scan_at:
            self._scan = self._ledger.numbers("todo")
            self._scanned_at = now
            self.scan_at = now + SCAN_EVERY
        more = self._step_entries()
        return self._step_long() or more

    def _step_entries(self) -> bool:
        """Look at entries that wait, then at those of the scan."""
        for _ in range(ENTRIES_A_TURN):
            if len(self._agenda.held) >= HELD_MAX:
                return False
            if self._waiting:
                self._look(self._waiting.popleft())
            elif self._scan is None:
                return False
            else:
                try:
                    number = next(self._scan, None)
                except Trouble as trouble:
                    self._log.say(trouble.event)
                    self.scan_at = self._seconds() + DIRECTORY_TROUBLE_FOR
                    number = None
                if number is None:
                    self._scan = None
                else:
                    self._look(number)
        return True

    def _look(self, number: int) -> None:
        """Look at one entry of todo."""
        if self._is_known(number):
            self._recheck.add(number)
            return
        if self._is_bad(number):
            return
        try:
            found = self._read(number)
        except Trouble as trouble:
            self._log.say(trouble.event)
            self._back_off(number)
            return
        if found is None:
            self._bad.pop(number, None)
            self.gone(number)
            return
        size, record = found
        if len(record) > RECORD_MAX or self._ledger.has_remains(number):
            self._begin_long(number, size)
        else:
            self._take(number, size, record)

    def _read(self, number: int) -> tuple[int, bytes] | None:
        """Read the size of a message and the beginning of its todo file; None if there is no such file."""
        fd = self._ledger.open_todo(number)
        if fd is None:
            return None
        try:
            return self._ledger.size(number), self._ledger.read_todo(number, fd, RECORD_MAX + 1)
        finally:
            self._ledger.disk.close(fd)

    # Trouble with an entry

    def _is_bad(self, number: int) -> bool:
        """Was this very file found to be useless a short while ago?"""
        if number not in self._bad:
            return False
        mark, until, _ = self._bad[number]
        return self._seconds() < until and mark == self._ledger.todo_changed(number)

    def _back_off(self, number: int) -> None:
        """Leave an entry alone for a while, longer each time."""
        mark = self._ledger.todo_changed(number)
        before, _, wait_for = self._bad.get(number, (None, 0.0, 0.0))
        wait_for = min(wait_for * 2, _LONGEST_BACKOFF_FOR) if wait_for and before == mark else SYSTEM_TROUBLE_FOR
        self._bad[number] = (mark, self._seconds() + wait_for, wait_for)
        self.useless(number)

    # Messages in memory

    def _take(self, number: int, size: int, record: bytes) -> None:
        """Try a message straight from todo, if it has few recipients."""
        if record.count(b"\0T") > RECIPIENTS_MAX:
            self._begin_long(number, size)
            return
        self._log.say(events.NewMessage(number))
        now = self._times.now()
        arrival = Arrival(number, b"", now, self._seconds())
        try:
            has_sender = self._fill(arrival, size, record)
        except UnknownRecord:
            self._log.say(alerts.UnknownRecord(b"todo/%d" % number))
            self._back_off(number)
            return
        if not has_sender:
            self._log.say(alerts.TroubleReading(b"todo/%d" % number))
            self._back_off(number)
            return
        if self._bad:
            self._bad.pop(number, None)
        self._agenda.held[number] = arrival
        if self.sweep_at is None:
            self.sweep_at = arrival.seen_at + SWEEP_EVERY
        if arrival.is_settled():
            self._endings.complete(arrival)
            return
        for channel in (0, 1):
            if arrival.images[channel] is not None:
                self._agenda.add(channel, number, now)
        self.taken(number)

    def _fill(self, arrival: Arrival, size: int, record: bytes) -> bool:
        """Read the envelope of a message; say whether it names a sender."""
        reader = TodoReader()
        has_sender = False
        route = self._router().route
        for is_sender, address in reader.read(record):
            if is_sender:
                # the first one counts, as it will be the first record of info/N
                arrival.sender = arrival.sender if has_sender else address
                has_sender = True
                self._log.say(events.MessageInfo(arrival.number, size, address, reader.pid, reader.uid))
            else:
                arrival.add(*route(address))
        return has_sender

    def sweep(self) -> None:
        """Have messages written down whose first attempt takes longer than a moment, or has not begun for long."""
        now = self._seconds()
        if self.sweep_at is None or now < self.sweep_at:
            return
        for arrival in self._agenda.held.values():
            if not (arrival.wanted or arrival.ending or arrival.is_settled()) and self._takes_too_long(arrival, now):
                self._plans.keep(arrival)
        self.sweep_at = now + SWEEP_EVERY if self._agenda.held else None

    def _takes_too_long(self, arrival: Arrival, now: float) -> bool:
        """Has a message been in memory long enough?"""
        if now < arrival.again_at:
            return False
        if arrival.started_at is not None and now - arrival.started_at >= MOMENT:
            return True
        waited_for = now - arrival.seen_at
        return waited_for >= PATIENCE_FOR or (waited_for >= SWEEP_EVERY and self._is_on_hold(arrival))

    def _is_on_hold(self, arrival: Arrival) -> bool:
        """Has the message recipients on a channel that starts nothing: paused, or of concurrency 0?"""
        channels = self._attempts.channels
        is_paused = self._attempts.is_paused
        return any(image is not None and (is_paused or not channel.limit) for image, channel in
                   zip(arrival.images, channels, strict=True))

    # Messages with many recipients

    def _begin_long(self, number: int, size: int) -> None:
        """Have a message written down at once, when its turn comes."""
        arrival = Arrival(number, b"", self._times.now(), self._seconds())
        arrival.wanted = arrival.is_long = True
        self._agenda.held[number] = arrival
        self._long.append((number, size))
        self.taken(number)

    def _step_long(self) -> bool:
        """Go on writing down a message with many recipients."""
        if self._reading is None and self._long:
            self._open_long(*self._long.popleft())
        if self._reading is not None:
            self._go_on(self._reading)
        return self._reading is not None or bool(self._long)

    def _open_long(self, number: int, size: int) -> None:
        """Begin with the next one."""
        arrival = self._agenda.held[number]
        try:
            reading = Preprocessing(self._ledger, self._log, self._router(), number, size, arrival)
        except Trouble as trouble:
            self._give_up(arrival, trouble)
            return
        if reading.is_gone:
            self._let_go(arrival)
            self.gone(arrival.number)
        else:
            self._reading = reading

    def _go_on(self, reading: Preprocessing) -> None:
        """Write one more piece."""
        arrival = reading.arrival
        try:
            files = reading.step()
            if files is None:
                return
            arrival.later = reading.entries(self._times.now())
            self._plans.finish(arrival, files)
        except Trouble as trouble:
            reading.abandon()
            self._give_up(arrival, trouble)
        self._reading = None

    def _give_up(self, arrival: Arrival, trouble: Trouble) -> None:
        """Leave a message in todo."""
        self._log.say(trouble.event)
        self.gave_up(arrival)

    def gave_up(self, arrival: Arrival) -> None:
        """Forget a message for the time being; the next scan will find it."""
        self._back_off(arrival.number)
        self._let_go(arrival)

    def _let_go(self, arrival: Arrival) -> None:
        """Forget a message; if it was seen once more meanwhile, look again."""
        self._plans.let_go(arrival)
        self.removed(arrival.number)

    # The end

    def exit(self) -> None:
        """Take nothing more; what is not settled stays in todo."""
        self._is_exiting = True
        self._scan = None
        self._waiting.clear()
        if self._reading is not None:
            self._reading.abandon()
            self._reading = None

    def keep_settled(self) -> None:
        """Write down every message of which something is settled, so that the next start does not repeat it."""
        for arrival in list(self._agenda.held.values()):
            if arrival.touched and not arrival.ending and not arrival.wanted:
                self._plans.keep(arrival)
