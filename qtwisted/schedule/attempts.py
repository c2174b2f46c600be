"""Deliveries: which recipient goes out next, on which slot, and what its report means.

A channel reads the recipient file of one message at a time, in file order, and starts a delivery for each
recipient as slots permit; the file of the next message is opened when the first one has been read to its end.
What a message holds together is its job: when nothing of it is in flight any more, the message is either
finished on this channel or due again at the time that was computed when its file was opened (qmail-send.c
pass_dochan, del_dochan, job_close).

The remote spawner may say of a delivery that it has lent its slot: it only waits, and another may start in its place.
It is not counted any more, and reported when it is over.

Unlike 1.02: jobs are not limited in number, so a channel on hold (concurrency 0) never takes a place from the
other.
"""

from __future__ import annotations

from qtwisted.model import alerts, events
from qtwisted.model.address import verp
from qtwisted.schedule.jobs import DONE as DONE_MARK
from qtwisted.schedule.jobs import ENDING, TO_DO, Delivery, Job, Records
from qtwisted.schedule.retry import SYSTEM_TROUBLE_FOR, is_dying, next_retry
from qtwisted.store.kinds.ledger import CHANNELS, Trouble
from qtwisted.wire.spawn import LENT, Order, order_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from qtwisted.schedule.due import Agenda
    from qtwisted.schedule.jobs import Arrival
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.route import Router
    from qtwisted.schedule.settle import Settler
    from qtwisted.schedule.slots import Channel
    from qtwisted.schedule.times import Times
    from qtwisted.store.kinds.ledger import Ledger

    class Outcome(Protocol):
        """Whoever decides what happens to a message in memory after its first attempt."""

        def keep(self, arrival: Arrival) -> None:
            """Have its files written: some recipient must be tried again."""

        def complete(self, arrival: Arrival) -> None:
            """Bring it to its end: every recipient is settled."""


#: records read in one turn, so that a file of a hundred thousand settled recipients does not hold up reports
RECORDS_A_TURN = 1000

LAST_WORDS = b"I'm not going to try again; this message has been in the queue too long.\n"

#: what is left of a report of the greatest length when the sentence above is added (qmail-send.c del_dochan)
_CUT_BEFORE_LAST_WORDS = 9997

_NAMES = (b"local", b"remote")
_LETTERS = (b"K", b"Z", b"D")

_ENDS = {b"K": events.DeliverySucceeded, b"Z": events.DeliveryPutOff, b"D": events.DeliveryFailed}


def _outcome(ident: int, letter: bytes, text: bytes) -> events.Event:
    """Say what became of a delivery."""
    end = _ENDS.get(letter)
    return events.ReportMangled(ident) if end is None else end(ident, text)


class Attempts:
    """Both channels."""

    def __init__(
        self,
        ledger: Ledger,
        agenda: Agenda,
        times: Times,
        log: Log,
        settler: Settler,
        lifetime_for: int,
        channels: Sequence[Channel],
        router: Callable[[], Router],
        seconds: Callable[[], float],
    ) -> None:
        """Work from *agenda*; *router* gives the tables of the moment, *seconds* the reactor's clock."""
        self._ledger = ledger
        self._agenda = agenda
        self._times = times
        self._log = log
        self._settler = settler
        self._lifetime_for = lifetime_for
        self.channels = tuple(channels)
        self._router = router
        self._seconds = seconds
        self._delivery = 0
        self._outcome: Outcome | None = None
        self.settling = 0
        self.is_exiting = False
        self.is_paused = False
        self.ended = dict.fromkeys(("success", "deferral", "failure"), 0)
        self.jobs: dict[tuple[int, int], Job] = {}
        self.takes_over: Callable[[Job], bool] = lambda job: False
        self.put_off: Callable[[Delivery, bytes], None] = lambda delivery, text: None
        self.is_held_back: Callable[[], bool] = lambda: False

    def report_to(self, outcome: Outcome) -> None:
        """Let *outcome* decide about messages in memory."""
        self._outcome = outcome

    # Starting deliveries

    def advance(self) -> bool:
        """Start what can be started; say whether there is more to do at once."""
        if self.is_exiting:
            return False
        local, remote = self._advance(0), self._advance(1)
        return local or remote

    def _advance(self, number: int) -> bool:
        """Go on with one channel."""
        channel = self.channels[number]
        for _ in range(RECORDS_A_TURN):
            if not self._can_start(channel) or (channel.job is None and not self._open(number)):
                return False
            self._step(channel)
        return True

    def is_open(self) -> tuple[bool, bool]:
        """Say which channels could take up a message that becomes due."""
        local, remote = (each.job is None and self._can_start(each) and not self.is_exiting for each in self.channels)
        return local, remote

    def _can_start(self, channel: Channel) -> bool:
        """Can this channel take a delivery, and does nothing hold back all of them?"""
        return channel.can_deliver() and not self.is_paused and not self.is_held_back()

    def _open(self, number: int) -> bool:
        """Open the recipient file of the next message that is due, if there is one."""
        now = self._times.now()
        due = self._agenda.dues[number]
        while (message := due.take(now)) is not None:
            arrival = self._agenda.held.get(message)
            if arrival is None:
                if self._open_file(number, message, now):
                    return True
            elif arrival.wanted:
                arrival.later.append((number, now))
            elif arrival.images[number] is not None:
                self._open_memory(number, arrival, now)
                return True
        return False

    def _open_file(self, number: int, message: int, now: int) -> bool:
        """Open a recipient file on disk."""
        disk = self._ledger.disk
        try:
            fd = self._ledger.open_recipients(number, message)
            try:
                sender, born_at = self._ledger.info(message)
            except Trouble:
                disk.close(fd)
                raise
        except Trouble as trouble:
            self._log.say(trouble.event)
            self._agenda.add(number, message, now + SYSTEM_TROUBLE_FOR)
            return False
        records = Records(b"", lambda count: disk.read(fd, count), lambda: disk.close(fd))
        self._begin(Job(message, number, sender, None), records, born_at, now)
        return True

    def _open_memory(self, number: int, arrival: Arrival, now: int) -> None:
        """Open the image of a recipient file."""
        image = bytes(arrival.images[number] or b"")
        records = Records(image, lambda count: b"", lambda: None)
        if arrival.started_at is None:
            arrival.started_at = self._seconds()
        self._begin(Job(arrival.number, number, arrival.sender, arrival), records, arrival.born_at, now)

    def _begin(self, job: Job, records: Records, born_at: int, now: int) -> None:
        """Begin a pass: now it is decided when the next one will be, and whether there will be one."""
        age_for = self._times.age(born_at)
        job.retry_at = next_retry(now - age_for, now, job.channel)
        job.is_dying = is_dying(age_for, self._lifetime_for)
        channel = self.channels[job.channel]
        channel.job, channel.records = job, records
        self.jobs[job.channel, job.number] = job

    def _step(self, channel: Channel) -> None:
        """Read one record of the open file and start its delivery if it is to be done."""
        job, records = channel.job, channel.records
        assert job is not None and records is not None
        kind = CHANNELS[job.channel]
        try:
            record = records.next()
        except OSError:
            self._log.say(alerts.TroubleReadingYet(self._ledger.file(kind, job.number)))
            self._end_pass(channel)
            return
        if record is None:
            job.at_end = True
            self._end_pass(channel)
        elif record[1] == TO_DO:
            self._start(channel, job, record[0], record[2])
        elif record[1] != DONE_MARK:
            self._log.say(alerts.UnknownRecipientRecord(self._ledger.file(kind, job.number)))
            self._end_pass(channel)

    def _end_pass(self, channel: Channel) -> None:
        """Close the file."""
        job, records = channel.job, channel.records
        assert job is not None and records is not None
        records.close()
        channel.job = channel.records = None
        self.release(job)

    def _start(self, channel: Channel, job: Job, offset: int, recipient: bytes) -> None:
        """Hand one recipient to the spawner."""
        slot = channel.take()
        self._delivery += 1
        job.to_do += 1
        job.references += 1
        channel.slots[slot] = Delivery(self._delivery, job, offset, recipient, self._seconds())
        number = job.number
        messid = b"%d/%d" % (number % self._ledger.split, number)
        channel.order(order_bytes(Order(slot, messid, verp(job.sender, recipient), recipient), channel.width))
        self._log.say(events.DeliveryStarted(self._delivery, number, _NAMES[job.channel], recipient))
        self.status()

    def status(self) -> None:
        """Log how many deliveries run."""
        local, remote = self.channels
        counts = (local.used, local.limit, remote.used, remote.limit)
        self._log.say(events.Status(*counts, is_exiting=self.is_exiting))

    # Reports

    def reported(self, number: int, slot: int, report: bytes) -> None:
        """Take a spawner's report: a letter and its text. Silence, garbage and death never end a delivery."""
        channel = self.channels[number]
        delivery = channel.slots[slot] if slot < len(channel.slots) else None
        if delivery is None:
            self._log.say(alerts.ReportOutOfRange())
            return
        if report == LENT and channel.width > 1:
            channel.lend(slot)
            return
        job = delivery.job
        letter, text = report[:1], report[1:]
        if letter == b"Z" and job.is_dying:
            letter, text = b"D", text[:_CUT_BEFORE_LAST_WORDS] + LAST_WORDS
        arrival = job.arrival
        if arrival is not None and letter in _LETTERS:
            arrival.touched = True
        channel.give_back(slot)
        outcome = _outcome(delivery.ident, letter, text)
        if outcome.words:
            self.ended[outcome.words.decode()] += 1
        self._log.say(outcome)
        self.status()
        self._judge(delivery, letter, text)

    def _judge(self, delivery: Delivery, letter: bytes, text: bytes) -> None:
        """Act upon a verdict."""
        job = delivery.job
        if letter == b"D":
            self._fail(delivery, text)
            return
        if letter == b"K":
            self._settler.delivered(job, delivery.offset)
            job.to_do -= 1
        else:
            self.put_off(delivery, text)
        self.release(job)

    def _fail(self, delivery: Delivery, text: bytes) -> None:
        """Keep what the sender will be told; the job waits until that is durable."""
        job = delivery.job
        self.settling += 1

        def settled(ok: bool) -> None:
            """Count the recipient as done if it is."""
            self.settling -= 1
            job.to_do -= ok
            self.release(job)

        recipient = self._router().without_prefix(delivery.recipient)
        self._settler.failed(job, delivery.offset, recipient, text, settled)

    # Ends

    def interrupt(self, number: int) -> bool:
        """Start no more deliveries of a message before it comes up again; say whether any of it is in flight."""
        for channel in self.channels:
            if channel.job is not None and channel.job.number == number:
                channel.job.retry_at = self._times.now()
                self._end_pass(channel)
        return any((channel, number) in self.jobs for channel in (0, 1))

    def release(self, job: Job) -> None:
        """Drop one reference; the last one ends the job."""
        job.references -= 1
        if job.references:
            return
        self.jobs.pop((job.channel, job.number), None)
        if job.at_end and not job.to_do:
            self._finished(job)
        else:
            self._left_over(job)

    def _left_over(self, job: Job) -> None:
        """Somebody must be tried again: keep the message for later."""
        if self.takes_over(job):
            return
        arrival = job.arrival
        if arrival is not None and not arrival.wanted:
            if self.is_exiting and not arrival.touched:
                return  # it is still in todo, as if it had arrived after us
            assert self._outcome is not None
            self._outcome.keep(arrival)
        self._agenda.add(job.channel, job.number, job.retry_at)

    def _finished(self, job: Job) -> None:
        """Every recipient of this channel is settled."""
        arrival = job.arrival
        if arrival is not None:
            arrival.images[job.channel] = None
            if not arrival.written:
                if arrival.is_settled():
                    assert self._outcome is not None
                    self._outcome.complete(arrival)
                return
        now = self._times.now()
        other = CHANNELS[1 - job.channel]
        try:
            self._ledger.unlink(CHANNELS[job.channel], job.number, later=True)
        except Trouble as trouble:
            self._log.say(trouble.event)
            if not self.takes_over(job):
                self._agenda.add(job.channel, job.number, now + SYSTEM_TROUBLE_FOR)
            return
        try:
            if self._ledger.exists(other, job.number):
                return
        except OSError:
            self._log.say(alerts.CannotStat(self._ledger.file(other, job.number)))
        self._agenda.add(ENDING, job.number, now)

    def exit(self) -> None:
        """Start nothing more; files that are open are closed."""
        self.is_exiting = True
        for channel in self.channels:
            if channel.job is not None:
                # recipients were not reached that should have been: they are due at the next start
                channel.job.retry_at = self._times.now()
                self._end_pass(channel)

    def lost(self, number: int) -> None:
        """A spawner is gone; what it had in hand will be tried again after the next start."""
        self.channels[number].is_alive = False

    def are_over(self) -> bool:
        """Is nothing in flight on a channel that lives?"""
        return not self.settling and not any(each.is_busy() for each in self.channels if each.is_alive)
