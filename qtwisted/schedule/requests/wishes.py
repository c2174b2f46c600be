"""What an administrator wants done with some messages: retry, hold, release, bounce, delete.

Messages are in different places, and a wish may have to wait until one has come to another place:

* nowhere, or on its way out: there is nothing to wish for;
* in todo, and not yet looked at: it is looked at next, and then the wish is fulfilled;
* in memory, in its first attempt: it is written down first if what is wished must be written on its files;
* on its files.

First of all a message is parked, so that no delivery starts while its wish is fulfilled. Whoever wished hears that it
is done when a power cut could not undo it any more.
"""

from __future__ import annotations

from enum import Enum
from functools import partial

from qtwisted.model import alerts, events
from qtwisted.schedule.due import CHANNELS
from qtwisted.schedule.jobs import EXAMINE
from qtwisted.schedule.requests.reports import LastReports
from qtwisted.schedule.requests.sentences import Sentence, Sentences
from qtwisted.store.kinds import ledger as files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtwisted.schedule.attempts import Attempts
    from qtwisted.schedule.jobs import Delivery, Job
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.requests.sentences import Tell
    from qtwisted.schedule.scheduler import Scheduler
    from qtwisted.schedule.times import Times
    from qtwisted.store.kinds.ledger import Ledger
    from qtwisted.store.kinds.together import GroupSync

    Wish = Callable[[int, Tell], None]

TROUBLE = "the disk made trouble; the log tells which"


class Place(Enum):
    """Where a message is."""

    NOWHERE = "it is not in the queue"
    LEAVING = "it is leaving the queue"
    TODO = "todo"
    MEMORY = "memory"
    FILES = "files"


class Wishes:
    """Fulfils wishes, now or as soon as possible."""

    def __init__(self, scheduler: Scheduler, ledger: Ledger, sync: GroupSync, times: Times, log: Log) -> None:
        """Work on the parts of *scheduler*, and hear from them what becomes of messages."""
        self._scheduler = scheduler
        self._ledger = ledger
        self._sync = sync
        self._times = times
        self._log = log
        self._agenda = scheduler.agenda
        self._attempts: Attempts = scheduler.attempts
        self.sentences = Sentences(scheduler, ledger, times, log)
        self.reports = LastReports()
        self._waiting: dict[int, list[tuple[Wish, Tell]]] = {}
        scheduler.arrivals.taken = self._taken
        scheduler.arrivals.useless = self._useless
        scheduler.arrivals.gone = scheduler.endings.ended = self._ended
        scheduler.plans.planned = self._planned
        self._attempts.put_off = self._put_off

    # What is asked for

    def place(self, number: int) -> Place:
        """Find a message; raise OSError where nobody can tell."""
        arrival = self._agenda.held.get(number)
        if arrival is not None:
            return Place.LEAVING if arrival.ending else Place.MEMORY
        if self._scheduler.cleaner.is_removing(number):
            return Place.LEAVING
        if self._ledger.exists("todo", number):
            return Place.TODO
        return Place.FILES if self._ledger.exists("info", number) else Place.NOWHERE

    def is_marked(self, number: int, mark: int) -> bool:
        """Is a message the one that had this mark?"""
        try:
            return self._ledger.disk.stat(self._ledger.name("mess", number)).st_mtime_ns == mark
        except OSError:
            return False

    def retry(self, numbers: Sequence[int], tell: Callable[[int], Tell]) -> None:
        """Have messages tried now."""
        entries = self._agenda.take_out({number for number in numbers if number not in self._agenda.parked})
        for number, found in entries.items():
            for channel, _ in found:
                self._agenda.add(channel, number, self._times.now())
        known = {number for number, found in entries.items() if found}
        self._attend_all(partial(self._retry, known), numbers, tell)

    def hold(self, numbers: Sequence[int], uid: int, tell: Callable[[int], Tell]) -> None:
        """Start no delivery of messages until they are released."""
        self._park(numbers)
        self._attend_all(partial(self._hold, uid), numbers, tell)

    def release(self, numbers: Sequence[int], uid: int, tell: Callable[[int], Tell]) -> None:
        """Go on with messages that are on hold."""
        self._attend_all(partial(self._release, uid), numbers, tell)

    def end(self, numbers: Sequence[int], text: bytes | None, uid: int, tell: Callable[[int], Tell]) -> None:
        """Return messages to their senders with a text, or, without one, delete them."""
        self._park(numbers)
        self._attend_all(partial(self._pass, text, uid), numbers, tell)

    def _attend_all(self, wish: Wish, numbers: Sequence[int], tell: Callable[[int], Tell]) -> None:
        """Fulfil the same wish for several messages, each once."""
        for number in dict.fromkeys(numbers):
            self._attend(wish, number, tell(number))

    def _park(self, numbers: Sequence[int]) -> None:
        """Park those messages that are there."""
        self._agenda.park([number for number in numbers if self._is_here(number)])

    def _is_here(self, number: int) -> bool:
        """Is a message in memory or on files, as far as anybody can tell?"""
        try:
            return self.place(number) in (Place.MEMORY, Place.FILES)
        except OSError:
            return False

    def _attend(self, wish: Wish, number: int, tell: Tell) -> None:
        """Fulfil a wish if that is possible now, or see to it that it will be."""
        try:
            place = self.place(number)
            if place in (Place.NOWHERE, Place.LEAVING):
                tell("not found", place.value)
            elif place is Place.TODO:
                self._wait(wish, number, tell)
                self._agenda.park_new(number)
                self._scheduler.arrivals.look_soon(number)
            else:
                wish(number, tell)
        except OSError:
            self._log.say(alerts.CannotStatYet(self._ledger.file("info", number)))
            self._unpark(number)
            tell("trouble", TROUBLE)

    def _unpark(self, number: int) -> None:
        """Let a message go on as if nothing had been wished, unless it is on hold, or shall end."""
        if number not in self._agenda.on_hold and number not in self.sentences.passed:
            self._agenda.unpark(number)

    # What happens to messages

    def _wait(self, wish: Wish, number: int, tell: Tell) -> None:
        """Fulfil a wish later."""
        self._waiting.setdefault(number, []).append((wish, tell))

    def _wake(self, number: int) -> None:
        """Fulfil what had to wait for this message."""
        for wish, tell in self._waiting.pop(number, ()):
            self._agenda.park((number,))
            self._attend(wish, number, tell)

    def _taken(self, number: int) -> None:
        """A new message has come into memory. What we know of its number was meant for another one."""
        if number in self._waiting:
            self._wake(number)
        elif number in self._agenda.parked:
            self.sentences.lost(number)
            self._agenda.unpark(number)

    def _planned(self, number: int) -> None:
        """A message has been written down."""
        self._scheduler.loading.planned(number)
        self.sentences.planned(number)
        if number in self._waiting:
            self._wake(number)

    def _useless(self, number: int) -> None:
        """An entry of todo cannot be used."""
        waiting = self._waiting.pop(number, ())
        if waiting:
            self._agenda.forget(number)
        for _, tell in waiting:
            tell("trouble", TROUBLE)

    def _ended(self, number: int) -> None:
        """A message is gone, for whatever reason."""
        self._agenda.forget(number)
        self.reports.forget(number)
        self.sentences.ended(number)
        for _, tell in self._waiting.pop(number, ()):
            tell("not found", "it has left the queue meanwhile")

    def _put_off(self, delivery: Delivery, text: bytes) -> None:
        """A recipient will be tried again: remember why."""
        self.reports.note(delivery.job.number, delivery.recipient, self._times.now(), text)

    # Single wishes, for messages in memory or on files

    def _objection(self, number: int) -> str:
        """Say why a message cannot be retried or held; nothing if it can."""
        sentence = self.sentences.passed.get(number)
        return "" if sentence is None else f"it is being ended: {sentence.verb}"

    def _is_held(self, number: int) -> bool:
        """Is a message on hold, or will it be? Raise OSError where nobody can tell."""
        return number in self._agenda.on_hold or (number not in self._agenda.held and self._ledger.is_held(number))

    def _jobs(self, number: int) -> list[Job]:
        """List what is in flight of a message."""
        jobs = self._attempts.jobs
        return [jobs[channel, number] for channel in CHANNELS if (channel, number) in jobs]

    def _retry(self, known: set[int], number: int, tell: Tell) -> None:
        """Have a message tried now, if it was not found on the agenda already."""
        is_known = number in known or bool(self._agenda.parked.get(number))
        if objection := self._objection(number):
            tell("refused", objection)
        elif self._is_held(number):
            tell("refused", "it is on hold")
        elif jobs := self._jobs(number):
            for job in jobs:
                job.retry_at = self._times.now()
            tell("waits", "a delivery is running; what it leaves is tried at once")
        elif is_known or self._bring_up(number):
            tell("done", "")
        else:
            tell("already", "every recipient is settled")
        self._unpark(number)

    def _bring_up(self, number: int) -> bool:
        """Have a message come up that nobody has put on the agenda yet; False if it has no recipients to do."""
        if number in self._agenda.held:
            return True
        channels = [channel for channel in CHANNELS if self._ledger.exists(files.CHANNELS[channel], number)]
        self._scheduler.loading.planned(number)
        self._agenda.dues[EXAMINE].remove((number,))
        for channel in channels:
            self._agenda.add(channel, number, self._times.now())
        return bool(channels)

    def _hold(self, uid: int, number: int, tell: Tell) -> None:
        """Put a message on hold."""
        if objection := self._objection(number):
            tell("refused", objection)
            return
        if number not in self._agenda.on_hold:
            self._log.say(events.Wished(b"hold", number, uid))
        self._agenda.on_hold.add(number)
        self._attempts.interrupt(number)
        arrival = self._agenda.held.get(number)
        if arrival is not None:
            self._scheduler.plans.keep(arrival)
            self._wait(self._hold_written, number, tell)
        else:
            self._hold_written(number, tell)

    def _hold_written(self, number: int, tell: Tell) -> None:
        """Note the hold of a message that has files, if it was not released meanwhile."""
        if number not in self._agenda.on_hold:
            self._unpark(number)
            tell("refused", "it was released meanwhile")
        elif self._ledger.is_held(number):
            tell("already", "it is on hold")
        else:
            self._write(number, True, tell)

    def _release(self, uid: int, number: int, tell: Tell) -> None:
        """Release a message."""
        if not self._is_held(number):
            self._unpark(number)
            tell("already", "it is not on hold")
            return
        self._log.say(events.Wished(b"release", number, uid))
        if number in self._agenda.held:
            self._come_up(number)
            tell("done", "")
        else:
            self._write(number, False, tell)

    def _write(self, number: int, is_held: bool, tell: Tell) -> None:
        """Note on the files of a message that it is on hold, or not any more. May raise OSError."""
        self._scheduler.loading.planned(number)

        def synced(ok: bool) -> None:
            """Go on now that this is durable."""
            if ok and not is_held:
                self._come_up(number)
            tell("done" if ok else "trouble", "" if ok else TROUBLE)

        try:
            fd = self._ledger.set_held(number, is_held)
        except OSError:
            if is_held:
                self._agenda.on_hold.discard(number)
            raise
        self._sync.add([fd], (), synced)

    def _come_up(self, number: int) -> None:
        """Have a message that was released come up at once, even if nobody knows when it was to."""
        now = self._times.now()
        self._agenda.on_hold.discard(number)
        if number in self.sentences.passed:
            return
        is_known = bool(self._agenda.parked.get(number) or self._jobs(number)) or number in self._agenda.held
        self._agenda.unpark(number, now)
        if not is_known:
            self._agenda.add(EXAMINE, number, now)

    def _pass(self, text: bytes | None, uid: int, number: int, tell: Tell) -> None:
        """Have a message end."""
        arrival = self._agenda.held.get(number)
        if objection := self._objection(number):
            tell("already", objection)
        elif self._scheduler.endings.is_bouncing(number):
            self._unpark(number)
            tell("already", "every recipient is settled, and its bounce is being sent")
        elif arrival is not None and arrival.wanted:
            self._wait(partial(self._pass, text, uid), number, tell)
        else:
            sentence = Sentence(text, tell)
            self._scheduler.loading.planned(number)
            self._log.say(events.Wished(sentence.verb.encode(), number, uid))
            self.sentences.begin(number, sentence)
