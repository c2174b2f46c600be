"""The end of a message: its bounce, if anybody failed, and the removal of its files.

Order of removal: the bounce is in the queue, bounce/N goes, info/N goes and that is durable, then the door
removes the message itself. So no crash leaves an info file that could be taken for that of a later message of
the same number.
"""

from __future__ import annotations

from qtwisted.model import alerts, events
from qtwisted.schedule import bounces as bounce
from qtwisted.schedule.jobs import ENDING
from qtwisted.schedule.retry import SYSTEM_TROUBLE_FOR
from qtwisted.store.kinds.ledger import CHANNELS, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from qtwisted.model.submission import Result
    from qtwisted.schedule.bounces import Bounces
    from qtwisted.schedule.cleaner import Cleaner
    from qtwisted.schedule.due import Agenda
    from qtwisted.schedule.jobs import Arrival, Settings
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.times import Times
    from qtwisted.store.kinds.ledger import Ledger
    from qtwisted.store.kinds.together import GroupSync

    class Keeper(Protocol):
        """Whoever writes down messages that are in memory, or lets go of them."""

        def keep(self, arrival: Arrival) -> None:
            """Have its files written."""

        def let_go(self, arrival: Arrival) -> None:
            """Forget a message that has left the queue."""


#: messages looked at in one turn
MESSAGES_A_TURN = 20

_PIECE = 32768


class Endings:
    """Brings messages to their end."""

    def __init__(
        self,
        ledger: Ledger,
        sync: GroupSync,
        agenda: Agenda,
        times: Times,
        log: Log,
        cleaner: Cleaner,
        bounces: Bounces,
        settings: Settings,
    ) -> None:
        """Take the parts; ``keeper`` must be set before the first message ends."""
        self._ledger = ledger
        self._sync = sync
        self._agenda = agenda
        self._times = times
        self._log = log
        self._cleaner = cleaner
        self._bounces = bounces
        self._settings = settings
        self.keeper: Keeper | None = None
        self._bouncing: set[int] = set()
        self.ended: Callable[[int], None] = lambda number: None
        self.tells_nobody: Callable[[int], bool] = lambda number: False

    def is_bouncing(self, number: int) -> bool:
        """Is the bounce of a message on its way into the queue?"""
        return number in self._bouncing

    # Messages that have files

    def step(self) -> bool:
        """Look at some messages that are believed to be finished; say whether there are more."""
        now = self._times.now()
        for _ in range(MESSAGES_A_TURN):
            if not self._bounces.has_room():
                return False
            number = self._agenda.dues[ENDING].take(now)
            if number is None:
                return False
            arrival = self._agenda.held.get(number)
            if arrival is None:
                self._end(number)
            elif not arrival.ending and arrival.is_settled():
                self.complete(arrival)
        return True

    def _end(self, number: int) -> None:
        """End a message if it is finished indeed (qmail-send.c messdone)."""
        if number in self._bouncing:
            return
        kind = "local"
        try:
            for kind in (*CHANNELS, "todo"):
                if self._ledger.exists(kind, number):
                    return
            kind = "info"
            if not self._ledger.exists(kind, number):
                self.ended(number)
                return
        except OSError:
            self._log.say(alerts.CannotStatYet(self._ledger.file(kind, number)))
            self._again(number)
            return
        try:
            if self._ledger.exists("bounce", number):
                self._bounce(number)
                return
        except OSError:
            self._log.say(alerts.CannotStat(self._ledger.file("bounce", number)))
            self._again(number)
            return
        self._remove(number)

    def _again(self, number: int) -> None:
        """Look at a message again in a while."""
        self._agenda.add(ENDING, number, self._times.now() + SYSTEM_TROUBLE_FOR)

    def _bounce(self, number: int) -> None:
        """Send the bounce of a message, then remove it."""
        if self.tells_nobody(number):
            self._bounced(number)
            return
        try:
            sender = bounce.return_address(self._ledger.info(number)[0])
        except Trouble:
            self._again(number)
            return
        if sender == bounce.DOUBLE_BOUNCE_SENDER:
            self._log.say(events.TripleBounce(number))
            self._bounced(number)
            return

        def answered(result: Result | None) -> None:
            """Go on when the bounce is in the queue."""
            self._bouncing.discard(number)
            if self._told(number, result):
                self._bounced(number)
            else:
                self._again(number)

        self._bouncing.add(number)
        self._inject(number, sender, lambda: self._read("bounce", number), answered)

    def _bounced(self, number: int) -> None:
        """Remove the text of the bounce, and then the message."""
        try:
            self._ledger.unlink("bounce", number)
        except Trouble as trouble:
            self._log.say(trouble.event)
            self._again(number)
            return
        self._remove(number)

    def _remove(self, number: int) -> None:
        """Remove what is left of a message."""
        self._log.say(events.MessageEnded(number))
        try:
            self._ledger.unlink("info", number, later=True)
        except Trouble as trouble:
            self._log.say(trouble.event)
            self._again(number)
            return
        name = b"foop/%d" % number
        release = self._cleaner.hold(number)

        def synced(ok: bool) -> None:
            """Have the message removed; whatever fails now is left to the clean-up scan."""
            self.ended(number)
            release()
            self._cleaner.clean(name, lambda done: None if done else self._log.say(alerts.CannotCleanUp(name)))

        self._sync.add((), [self._ledger.directory("info", number)], synced)

    # Messages in memory

    def complete(self, arrival: Arrival) -> None:
        """End a message that never had files: every recipient was settled by the first attempt."""
        arrival.ending = True
        arrival.wanted = False
        if not arrival.text or self.tells_nobody(arrival.number):
            self._forget(arrival)
            return
        sender = bounce.return_address(arrival.sender)
        number = arrival.number
        if sender == bounce.DOUBLE_BOUNCE_SENDER:
            self._log.say(events.TripleBounce(number))
            self._forget(arrival)
        elif self._bounces.has_room():

            def answered(result: Result | None) -> None:
                """Go on when the bounce is in the queue."""
                self._handed_in(arrival, result)

            self._inject(number, sender, lambda: iter((arrival.text,)), answered)
        else:
            self._put_off(arrival, 0)

    def _handed_in(self, arrival: Arrival, result: Result | None) -> None:
        """Go on when the bounce of a message in memory is in the queue, or write the message down if it is not."""
        if self._told(arrival.number, result):
            self._forget(arrival)
        else:
            self._put_off(arrival, SYSTEM_TROUBLE_FOR)

    def _put_off(self, arrival: Arrival, wait_for: int) -> None:
        """Write a message down that needs a bounce, and try again later."""
        assert self.keeper is not None
        arrival.ending = False
        self.keeper.keep(arrival)
        self._agenda.add(ENDING, arrival.number, self._times.now() + wait_for)

    def _forget(self, arrival: Arrival) -> None:
        """Have a message removed that is nowhere but in todo."""
        self._log.say(events.MessageEnded(arrival.number))
        if not arrival.remains:
            self._clean(arrival)
            return
        # files were begun and given up: they must be gone for good before todo/N goes
        try:
            changed = self._ledger.remove_remains(arrival.number)
        except Trouble as trouble:
            self._log.say(trouble.event)
            self._cleaner.later(lambda: self._forget(arrival))
        else:
            self._sync.add((), changed, lambda ok: self._clean(arrival))

    def _clean(self, arrival: Arrival) -> None:
        """Have the door remove the message; while it cannot, we keep it in mind, so that it is not repeated."""
        number = arrival.number

        def answered(done: bool) -> None:
            """Let go of the message when it is gone."""
            if done:
                arrival.cleaned = True
                assert self.keeper is not None
                self.keeper.let_go(arrival)
                self.ended(number)
            else:
                self._log.say(alerts.CannotCleanUp(b"todo/%d" % number))
                self._cleaner.later(lambda: self._clean(arrival))

        self._cleaner.clean(b"done/%d" % number, answered)

    # What both have in common

    def _told(self, number: int, result: Result | None) -> bool:
        """Log how handing in a bounce ended; say whether it is in the queue."""
        if result is not None and result.ok:
            self._log.say(events.BounceQueued(number, result.qp))
            return True
        self._log.say(alerts.TroubleInjectingBounce())
        return False

    def _inject(
        self,
        number: int,
        sender: bytes,
        paragraphs: Callable[[], Iterator[bytes]],
        done: Callable[[Result | None], None],
    ) -> None:
        """Hand in the bounce of a message."""

        def text() -> Iterator[bytes]:
            """Give the bounce piece by piece."""
            yield bounce.head(sender, self._settings, self._times.now())
            yield from paragraphs()
            yield bounce.middle(sender)
            yield from self._read("mess", number)

        self._bounces.inject(text, bounce.envelope(sender, self._settings), done)

    def _read(self, kind: str, number: int) -> Iterator[bytes]:
        """Read a file of a message piece by piece."""
        disk = self._ledger.disk
        fd = disk.open(self._ledger.name(kind, number))
        try:
            while piece := disk.read(fd, _PIECE):
                yield piece
        finally:
            disk.close(fd)
