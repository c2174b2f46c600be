"""Ends messages because an administrator says so: each recipient not yet settled fails, or is dropped.

This is done by passes like those of deliveries, but without deliveries: a silent pass reads a recipient file from
front to end and settles whom it finds to do. What is in flight is not interrupted; when it has reported, a pass does
the rest. After that the message ends as any other.

The order is that of all failures: bounce/N, its sync, then the mark (safety comes from ``settle``). A message that is
deleted needs no marks: its files go, info/N last, and only when that is durable is anybody told that it is done.
"""

from __future__ import annotations

from collections import deque

from qtwisted.model import alerts
from qtwisted.schedule.due import Due
from qtwisted.schedule.jobs import DONE, ENDING, TO_DO, Job, Records
from qtwisted.schedule.retry import SYSTEM_TROUBLE_FOR
from qtwisted.store.kinds.ledger import CHANNELS, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.schedule.jobs import Arrival
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.scheduler import Scheduler
    from qtwisted.schedule.times import Times
    from qtwisted.store.kinds.ledger import Ledger

    Tell = Callable[[str, str], None]

#: messages passed at the same time
SIDE_BY_SIDE = 20
#: so many messages may be done with and not yet removed; then the next ones wait
REMOVALS_MAX = 100
#: recipients that fail together
RECIPIENTS_AT_ONCE = 100
#: records looked at for them
RECORDS_AT_ONCE = 2000


class Sentence:
    """What shall become of a message. With a text its recipients fail with it; without one nobody is told."""

    __slots__ = ("tell", "text")

    def __init__(self, text: bytes | None, tell: Tell) -> None:
        """*tell* hears what came of it."""
        self.text = text
        self.tell = tell

    @property
    def verb(self) -> str:
        """How it is called."""
        return "delete" if self.text is None else "bounce"


class SilentJob(Job):
    """A pass without deliveries."""

    __slots__ = ()


class Sentences:
    """The messages that shall end, and the passes that see to it."""

    def __init__(self, scheduler: Scheduler, ledger: Ledger, times: Times, log: Log) -> None:
        """Work on the parts of *scheduler*."""
        self._scheduler = scheduler
        self._attempts = scheduler.attempts
        self._agenda = scheduler.agenda
        self._ledger = ledger
        self._times = times
        self._log = log
        self.passed: dict[int, Sentence] = {}
        self._starting: deque[int] = deque()
        self._again = Due()
        self._running = 0
        self._attempts.takes_over = self._takes_over
        scheduler.endings.tells_nobody = self._tells_nobody

    def begin(self, number: int, sentence: Sentence) -> None:
        """End a message, which comes up on no channel any more."""
        self.passed[number] = sentence
        self._starting.append(number)
        if self._attempts.interrupt(number):
            sentence.tell("waits", "a delivery is running; the rest is done when it has ended")
            sentence.tell = lambda answer, text: None

    def ended(self, number: int) -> None:
        """A message is gone for good."""
        sentence = self.passed.pop(number, None)
        if sentence is not None:
            sentence.tell("done", "")

    def lost(self, number: int) -> None:
        """A message is gone that somebody else has removed."""
        sentence = self.passed.pop(number, None)
        if sentence is not None:
            sentence.tell("not found", "somebody else has removed it")

    def planned(self, number: int) -> None:
        """A message has been written down: go on with its files."""
        if number in self.passed:
            self._starting.append(number)

    def _tells_nobody(self, number: int) -> bool:
        """Shall no bounce be sent for a message?"""
        sentence = self.passed.get(number)
        return sentence is not None and sentence.text is None

    def _takes_over(self, job: Job) -> bool:
        """A job has left somebody over: is that for us to settle?"""
        number = job.number
        if number not in self.passed or self._attempts.is_exiting:
            return False
        if isinstance(job, SilentJob):
            self._again.add(self._times.now() + SYSTEM_TROUBLE_FOR, number)
        else:
            self._starting.append(number)
        return True

    # Turns

    def wake_at(self) -> int | None:
        """Tell when to try again what met trouble."""
        return self._again.earliest()

    def step(self) -> bool:
        """Begin some passes; say whether there is more to do at once."""
        while (number := self._again.take(self._times.now())) is not None:
            self._starting.append(number)
        for _ in range(SIDE_BY_SIDE):
            if not self._starting or not self._has_room():
                return False
            self._carry_out(self._starting.popleft())
        return bool(self._starting) and self._has_room()

    def _has_room(self) -> bool:
        """May another message be passed?"""
        return self._running < SIDE_BY_SIDE and self._scheduler.cleaner.unanswered < REMOVALS_MAX

    def _carry_out(self, number: int) -> None:
        """Begin a pass on each channel that has recipients and nothing in flight."""
        arrival = self._agenda.held.get(number)
        if number not in self.passed or (arrival is not None and (arrival.ending or arrival.wanted)):
            return  # it is on its way out, or being written down: then ``planned`` will be called
        is_begun = False
        for channel in (0, 1):
            if (channel, number) in self._attempts.jobs:
                is_begun = True
                continue
            try:
                is_begun = self._begin(number, channel, arrival) or is_begun
            except Trouble as trouble:
                self._log.say(trouble.event)
                self._again.add(self._times.now() + SYSTEM_TROUBLE_FOR, number)
                return
        if not is_begun:
            self._agenda.add(ENDING, number, self._times.now())

    def _begin(self, number: int, channel: int, arrival: Arrival | None) -> bool:
        """Begin a pass; False where there is no recipient. May raise Trouble."""
        if arrival is None:
            if not self._has_file(number, channel):
                return False
            sender = self._ledger.info(number)[0]
        elif arrival.images[channel] is None:
            return False
        else:
            arrival.touched = True
            sender = arrival.sender
        job = SilentJob(number, channel, sender, arrival)
        job.retry_at = self._times.now()
        text = self.passed[number].text
        records = None if text is None else self._records(job)
        self._attempts.jobs[channel, number] = job
        if records is None or text is None:
            job.at_end = True
            self._attempts.release(job)
        else:
            self._running += 1
            self._go_on(job, records, text)
        return True

    def _has_file(self, number: int, channel: int) -> bool:
        """Has a message recipients on a channel? May raise Trouble."""
        kind = CHANNELS[channel]
        try:
            return self._ledger.exists(kind, number)
        except OSError:
            raise Trouble(alerts.CannotStatYet(self._ledger.file(kind, number))) from None

    def _records(self, job: Job) -> Records:
        """Open the recipients of a message. May raise Trouble."""
        arrival, disk = job.arrival, self._ledger.disk
        if arrival is not None:
            return Records(bytes(arrival.images[job.channel] or b""), lambda count: b"", lambda: None)
        fd = self._ledger.open_recipients(job.channel, job.number)
        return Records(b"", lambda count: disk.read(fd, count), lambda: disk.close(fd))

    # Failures

    def _go_on(self, job: Job, records: Records, text: bytes) -> None:
        """Have the next recipients fail, or end the pass."""
        found = self._next(job, records)
        if not found:
            self._end(job, records)
            return
        job.to_do += len(found)
        self._attempts.settling += 1

        def settled(ok: bool) -> None:
            """Go on when that is durable."""
            self._attempts.settling -= 1
            if ok:
                job.to_do -= len(found)
            if ok and not job.at_end and not self._attempts.is_exiting:
                self._go_on(job, records, text)
            else:
                self._end(job, records)

        self._scheduler.settler.failed_together(job, found, text, settled)

    def _next(self, job: Job, records: Records) -> list[tuple[int, bytes]]:
        """Read the next recipients to do: offsets, and addresses as the sender knows them."""
        found: list[tuple[int, bytes]] = []
        name = self._ledger.file(CHANNELS[job.channel], job.number)
        for _ in range(RECORDS_AT_ONCE):
            try:
                record = records.next()
            except OSError:
                self._log.say(alerts.TroubleReadingYet(name))
                break
            if record is None:
                job.at_end = True
                break
            offset, letter, address = record
            if letter == TO_DO:
                found.append((offset, self._scheduler.router.without_prefix(address)))
            elif letter != DONE:
                self._log.say(alerts.UnknownRecipientRecord(name))
                break
            if len(found) == RECIPIENTS_AT_ONCE:
                break
        return found

    def _end(self, job: Job, records: Records) -> None:
        """Close the file."""
        records.close()
        self._running -= 1
        self._attempts.release(job)
