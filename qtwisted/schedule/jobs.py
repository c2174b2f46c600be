"""What is being worked on: new messages still in memory, the readers of recipient files, jobs and deliveries.

A message that has just arrived has no files of ours. Its recipient files exist in memory only, byte for byte
as they would be written: the same reader reads them, and marking a recipient as done changes the same byte.
So a message whose first attempt settles everything never costs a file, and one that must be kept is written
down as it stands.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TO_DO = b"T"
DONE = b"D"

#: which queue an entry belongs to, beside the two channels
ENDING = 2
EXAMINE = 3

_READ = 16384


class Arrival:
    """A message that is still in todo.

    ``images`` are its recipient files, None where a channel has none (any more). Its life is told by four
    words: ``wanted``: its files shall be written; ``written``: they are, but do not count yet; ``ending``:
    all recipients are settled; ``cleaned``: todo/N is gone, and either the files count or the message is no
    more. One that ``is_long`` has no images: its recipients go from todo to the files directly.
    """

    __slots__ = (
        "again_at",
        "born_at",
        "cleaned",
        "ending",
        "images",
        "is_long",
        "later",
        "number",
        "remains",
        "seen_at",
        "sender",
        "started_at",
        "text",
        "touched",
        "wanted",
        "written",
    )

    def __init__(self, number: int, sender: bytes, born_at: int, seen_at: float) -> None:
        """Begin without recipients; *born_at* is for files, *seen_at* is a reading of the reactor's clock."""
        self.number = number
        self.sender = sender
        self.born_at = born_at
        self.seen_at = seen_at
        self.started_at: float | None = None
        self.again_at = 0.0
        self.images: list[bytearray | None] = [None, None]
        self.text = b""
        self.later: list[tuple[int, int]] = []
        self.touched = False
        self.wanted = False
        self.written = False
        self.ending = False
        self.cleaned = False
        self.remains = False
        self.is_long = False

    def add(self, channel: int, recipient: bytes) -> None:
        """Add a rewritten recipient."""
        image = self.images[channel]
        if image is None:
            image = self.images[channel] = bytearray()
        image += b"T%s\0" % recipient

    def is_settled(self) -> bool:
        """Is there no recipient left? Of a long message that is not known."""
        return self.images[0] is None and self.images[1] is None and not self.is_long


class Records:
    """Reads a recipient file from front to end, record by record."""

    __slots__ = ("_at", "_base", "_buffer", "_close", "_read")

    def __init__(self, start: bytes, read: Callable[[int], bytes], close: Callable[[], None]) -> None:
        """Begin with bytes already known; *read* gives more, none at the end; *close* is called by ``close``."""
        self._buffer = start
        self._base = 0
        self._at = 0
        self._read = read
        self._close = close

    def next(self) -> tuple[int, bytes, bytes] | None:
        """Give offset, letter and address of the next record, None at the end; a partial last record is no record."""
        while (end := self._buffer.find(b"\0", self._at)) < 0:
            more = self._read(_READ)
            if not more:
                return None
            self._base += self._at
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        begin, self._at = self._at, end + 1
        record = self._buffer[begin:end]
        return self._base + begin, record[:1], record[1:]

    def close(self) -> None:
        """Let go of the file."""
        self._close()


class Job:
    """One message on one channel, from the opening of its recipient file until nothing of it is in flight.

    ``to_do`` counts recipients that were seen undone and are not settled; ``at_end`` says that all were seen.
    """

    __slots__ = (
        "_arrival",
        "at_end",
        "channel",
        "is_dying",
        "number",
        "references",
        "retry_at",
        "sender",
        "to_do",
    )

    def __init__(self, number: int, channel: int, sender: bytes, arrival: Arrival | None) -> None:
        """Begin with one reference, that of the pass."""
        self.number = number
        self.channel = channel
        self.sender = sender
        self._arrival = arrival
        self.retry_at = 0
        self.is_dying = False
        self.to_do = 0
        self.at_end = False
        self.references = 1

    @property
    def arrival(self) -> Arrival | None:
        """The message in memory, None when its files are what counts."""
        arrival = self._arrival
        return None if arrival is None or arrival.cleaned else arrival


class Delivery:
    """One recipient handed to a spawner."""

    __slots__ = ("ident", "job", "offset", "recipient", "started_at")

    def __init__(self, ident: int, job: Job, offset: int, recipient: bytes, started_at: float = 0.0) -> None:
        """Take the delivery's number for the log, where in the file its recipient stands, and the clock."""
        self.ident = ident
        self.job = job
        self.offset = offset
        self.recipient = recipient
        self.started_at = started_at


class Settings:
    """What the control files say that does not change while the scheduler runs."""

    __slots__ = ("bouncefrom", "bouncehost", "doublebounce", "lifetime_for")

    def __init__(
        self, lifetime_for: int, bouncefrom: bytes, bouncehost: bytes, doublebounce: Sequence[bytes]
    ) -> None:
        """Take queuelifetime, bouncefrom, bouncehost, and doublebounceto with doublebouncehost."""
        self.lifetime_for = lifetime_for
        self.bouncefrom = bouncefrom
        self.bouncehost = bouncehost
        self.doublebounce = b"@".join(doublebounce)
