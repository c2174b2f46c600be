"""Writes a message down: from todo/N to info/N, local/N and remote/N, which is called preprocessing.

The order is what makes it safe: remains of an earlier attempt go, the files are written, everything is
durable, then the door removes todo/N, and only when that is durable do the files count. Messages are written
in groups, a few in each turn, and a message with many recipients goes piece by piece, so that reports never
wait for it.

Unlike 1.02: the directories are synced too, before todo/N goes; otherwise a power cut could lose the message.
"""

from __future__ import annotations

from collections import deque

from qtwisted.config.control import leading_number
from qtwisted.model import alerts, events
from qtwisted.schedule.jobs import ENDING, Arrival
from qtwisted.schedule.retry import SYSTEM_TROUBLE_FOR
from qtwisted.store.kinds.ledger import CHANNELS, PlanFiles, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.schedule.cleaner import Cleaner
    from qtwisted.schedule.due import Agenda
    from qtwisted.schedule.log import Log
    from qtwisted.schedule.route import Router
    from qtwisted.store.kinds.ledger import Ledger
    from qtwisted.store.kinds.together import GroupSync

#: messages written in one turn
MESSAGES_A_TURN = 8

_PIECE = 8192


class UnknownRecord(Exception):
    """A record of todo/N begins with a letter that has no meaning there, or is empty."""


class TodoReader:
    """Takes todo/N in pieces and gives senders and recipients; ``uid`` and ``pid`` are what was seen so far.

    Records come in any order, what follows the digits of a ``u`` or ``p`` record is ignored, and a last
    record without its zero byte is dropped in silence (qmail-send.c todo_do).
    """

    __slots__ = ("_rest", "pid", "uid")

    def __init__(self) -> None:
        """Begin before the first record."""
        self.uid = 0
        self.pid = 0
        self._rest = b""

    def read(self, data: bytes) -> Iterator[tuple[bool, bytes]]:
        """Give (is it the sender, the address) for each complete record; raise UnknownRecord at a bad one."""
        records = (self._rest + data).split(b"\0")
        self._rest = records.pop()
        for record in records:
            letter = record[:1]
            if letter == b"T":
                yield False, record[1:]
            elif letter == b"F":
                yield True, record[1:]
            elif letter == b"u":
                self.uid = leading_number(record[1:]) or 0
            elif letter == b"p":
                self.pid = leading_number(record[1:]) or 0
            else:
                raise UnknownRecord(record)


class Plans:
    """Messages that are to be written down, and those whose files do not count yet."""

    def __init__(
        self,
        ledger: Ledger,
        sync: GroupSync,
        agenda: Agenda,
        log: Log,
        cleaner: Cleaner,
        seconds: Callable[[], float],
    ) -> None:
        """Write through *ledger*, make durable through *sync*, remove todo/N through *cleaner*."""
        self._ledger = ledger
        self._sync = sync
        self._agenda = agenda
        self._log = log
        self._cleaner = cleaner
        self._seconds = seconds
        self._queue: deque[Arrival] = deque()
        self._open = 0
        self.planned: Callable[[int], None] = lambda number: None
        self.gave_up: Callable[[Arrival], None] = self.let_go

    @property
    def is_idle(self) -> bool:
        """Do all files count that were to be written?"""
        return not self._queue and not self._open

    def keep(self, arrival: Arrival) -> None:
        """Have a message in memory written down."""
        if not arrival.wanted:
            arrival.wanted = True
            self._queue.append(arrival)

    def let_go(self, arrival: Arrival) -> None:
        """Forget a message that is no longer in todo."""
        self._agenda.held.pop(arrival.number, None)

    def step(self) -> bool:
        """Write some messages; say whether there are more."""
        for _ in range(MESSAGES_A_TURN):
            if not self._queue:
                return False
            arrival = self._queue.popleft()
            if not arrival.ending and not arrival.written:
                self._write(arrival)
        return bool(self._queue)

    def _write(self, arrival: Arrival) -> None:
        """Write a message as it stands: recipients settled already are marked, failures are in bounce/N."""
        files = None
        try:
            files = PlanFiles(self._ledger, arrival.number)
            files.write("info", b"F%s\0" % arrival.sender)
            for kind, image in zip(CHANNELS, arrival.images, strict=True):
                if image is not None:
                    files.write(kind, image)
            if arrival.text:
                files.write_bounce(arrival.text)
            self.finish(arrival, files)
        except Trouble as trouble:
            if files is not None:
                files.abandon()
            self._log.say(trouble.event)
            self._fail(arrival)

    def finish(self, arrival: Arrival, files: PlanFiles) -> None:
        """Make complete files durable; the arrival comes up on its channels when they count. May raise Trouble."""
        fds, directories = files.finish(arrival.born_at)
        arrival.written = True
        self._open += 1

        def synced(ok: bool) -> None:
            """Have todo/N removed now that the files are durable."""
            self._open -= 1
            if ok:
                self._open += 1
                self._remove_todo(arrival)
            else:
                self._log.say(alerts.TroubleSyncing(self._ledger.file("info", arrival.number)))
                self._fail(arrival)

        self._sync.add(fds, directories, synced)

    def _remove_todo(self, arrival: Arrival) -> None:
        """Have todo/N removed; until then the files do not count."""
        name = b"todo/%d" % arrival.number

        def answered(done: bool) -> None:
            """Let the files count."""
            self._open -= 1
            if not done:
                self._log.say(alerts.CannotCleanUp(name))
                self._cleaner.later(again)
                return
            arrival.cleaned = True
            self.let_go(arrival)
            self._agenda.release(arrival)
            self.planned(arrival.number)

        def again() -> None:
            """Try once more."""
            self._open += 1
            self._remove_todo(arrival)

        self._cleaner.clean(name, answered)

    def _fail(self, arrival: Arrival) -> None:
        """Go on in memory, or leave the message in todo; the files that were begun must not survive todo/N."""
        if arrival.is_long:
            self.gave_up(arrival)
            return
        arrival.written = False
        arrival.remains = True
        arrival.again_at = self._seconds() + SYSTEM_TROUBLE_FOR
        self._agenda.release(arrival)


class Preprocessing:
    """One message read from todo/N and written down piece by piece, because it has too many recipients for memory."""

    def __init__(self, ledger: Ledger, log: Log, router: Router, number: int, size: int, arrival: Arrival) -> None:
        """Open todo/N and make info/N; may raise Trouble."""
        self.arrival = arrival
        self._ledger = ledger
        self._log = log
        self._router = router
        self._number = number
        self._size = size
        self._reader = TodoReader()
        self._has_sender = False
        self._fd: int | None = ledger.open_todo(number)
        self.is_gone = self._fd is None
        if self.is_gone:
            return
        try:
            self._files = PlanFiles(ledger, number)
        except Trouble:
            self.close()
            raise
        log.say(events.NewMessage(number))

    def close(self) -> None:
        """Close todo/N."""
        if self._fd is not None:
            self._ledger.disk.close(self._fd)
            self._fd = None

    def abandon(self) -> None:
        """Give up; the message stays in todo."""
        self.close()
        self._files.abandon()

    def step(self) -> PlanFiles | None:
        """Read a piece; at the end give the files, which are complete but not durable. May raise Trouble."""
        assert self._fd is not None
        data = self._ledger.read_todo(self._number, self._fd, _PIECE)
        if data:
            self._take(data)
            return None
        if not self._has_sender:
            raise Trouble(alerts.TroubleReading(self._ledger.file("todo", self._number)))
        self.close()
        return self._files

    def _take(self, data: bytes) -> None:
        """Write the records of one piece to where they belong."""
        lines: tuple[list[bytes], list[bytes]] = ([], [])
        try:
            for is_sender, address in self._reader.read(data):
                if is_sender:
                    self._take_sender(address)
                else:
                    channel, recipient = self._router.route(address)
                    lines[channel].append(b"T%s\0" % recipient)
        except UnknownRecord:
            raise Trouble(alerts.UnknownRecord(self._ledger.file("todo", self._number))) from None
        for kind, records in zip(CHANNELS, lines, strict=True):
            if records:
                self._files.write(kind, b"".join(records))

    def _take_sender(self, address: bytes) -> None:
        """Write the sender to info/N."""
        self._files.write("info", b"F%s\0" % address)
        self._has_sender = True
        self.arrival.sender = address
        reader = self._reader
        self._log.say(events.MessageInfo(self._number, self._size, address, reader.pid, reader.uid))

    def entries(self, now: int) -> list[tuple[int, int]]:
        """List on which channels the message comes up, or that it has no recipients."""
        channels = [(channel, now) for channel in (0, 1) if self._files.has(channel)]
        return channels or [(ENDING, now)]
