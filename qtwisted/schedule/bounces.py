"""Bounces: what a sender is told about recipients that failed, and how that gets into the queue.

The format is QSBMF, which programs read: paragraphs without blank lines, one for each recipient, then the
message. Bounces enter by the same door as any other mail, a piece of text per turn, while everything else
goes on.

Unlike 1.02: a bounce is handed in without waiting, so that a slow disk or a long message delays no other
mail.
"""

from __future__ import annotations

from collections import deque

from qtwisted.model.address import quote_local, split
from qtwisted.model.date import rfc822
from qtwisted.model.envelope import Envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.model.submission import Result
    from qtwisted.schedule.jobs import Settings
    from qtwisted.store.interface import Draft, Intake
    from qtwisted.store.kinds.together import Call, Clock

    Pieces = Iterator[bytes]

#: the sender of a double bounce: what bounces to it goes nowhere
DOUBLE_BOUNCE_SENDER = b"#@[]"

_LIST_MARK = b"-@[]"


def paragraph(recipient: bytes, text: bytes) -> bytes:
    """Write the paragraph about one recipient (qmail-send.c addbounce): no blank line inside, one after it."""
    words = b"<%s>:\n%s" % (recipient.replace(b"\n", b"_"), text)
    if not words.endswith(b"\n"):
        words += b"\n"
    shown = bytearray(words)
    at = words.find(b"\n\n", 0, -1)
    while at >= 0:
        shown[at + 1] = ord("/")
        at = words.find(b"\n\n", at + 1, -1)
    return bytes(shown) + b"\n"


def return_address(sender: bytes) -> bytes:
    """Say where a bounce of a message goes: to the list's owner, if every recipient had a sender of its own."""
    return sender.removesuffix(_LIST_MARK)


def envelope(sender: bytes, settings: Settings) -> Envelope:
    """Address the bounce of a message whose (return) address is *sender*."""
    if sender:
        return Envelope(b"", (sender,))
    return Envelope(DOUBLE_BOUNCE_SENDER, (settings.doublebounce,))


def head(sender: bytes, settings: Settings, now: int) -> bytes:
    """Write what stands before the paragraphs."""
    told = (
        rfc822(now),
        quote_local(settings.bouncefrom),
        settings.bouncehost,
        _quoted(envelope(sender, settings).recipients[0]),
        settings.bouncehost,
        _TO_SENDER if sender else _TO_POSTMASTER,
    )
    return _HEAD % told


def middle(sender: bytes) -> bytes:
    """Write what stands between the paragraphs and the message."""
    return _MIDDLE % (b"a copy of the message" if sender else b"the original bounce", _quoted(sender))


def _quoted(address: bytes) -> bytes:
    """Quote an address for a header field; one without ``@`` is all local part (quote.c quote2)."""
    local, domain = split(address)
    if domain is None:
        return quote_local(address) if address else b""
    return quote_local(local) + b"@" + domain


_HEAD = b"""\
Date: %s
From: %s@%s
To: %s
Subject: failure notice

Hi. This is the qmail-send program at %s.
%s
"""

_TO_SENDER = b"""\
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.
"""

_TO_POSTMASTER = b"""\
I tried to deliver a bounce message to this address, but the bounce bounced!
"""

_MIDDLE = b"""\
--- Below this line is %s.

Return-Path: <%s>
"""


class Injection:
    """One bounce on its way into the queue."""

    def __init__(
        self,
        clock: Clock,
        intake: Intake,
        pieces: Pieces,
        addressed: Envelope,
        done: Callable[[Result | None], None],
        committed: Callable[[], None],
    ) -> None:
        """Write *pieces*, which may raise OSError; *done* gets the queue's answer, or None for lack of a text.

        *committed* is called when only the answer is missing.
        """
        self._clock = clock
        self._committed = committed
        self._pieces = pieces
        self._envelope = addressed
        self._done = done
        self._held = False
        self._is_writing = False
        self._is_over = False
        self._draft: Draft = intake.begin(self)
        self._write()

    def _write(self) -> None:
        """Write one piece and come back for the next, unless the queue wants a pause."""
        self._is_writing = False
        if self._held or self._is_over:
            return
        try:
            piece = next(self._pieces, None)
        except OSError:
            self._is_over = True
            self._draft.abandon()
            self._done(None)
            return
        if piece is None:
            self._is_over = True
            self._committed()
            self._draft.commit(self._envelope)
            return
        self._draft.write(piece)
        self._is_writing = True
        self._clock.callLater(0, self._write)

    def hold(self) -> None:
        """Pause."""
        self._held = True

    def go_on(self) -> None:
        """Go on after a pause."""
        self._held = False
        if not self._is_writing:
            self._write()

    def stored(self, result: Result) -> None:
        """Hear from the queue."""
        self._done(result)


class Bounces:
    """Hands in bounces, a few at a time, so that a dead domain's ten thousand leave room for other mail.

    ``answered`` is called whenever one is in the queue or has failed.
    """

    #: how many are under way at the same time
    SIDE_BY_SIDE = 4
    #: how long news of messages may wait for the queue's answers
    NEWS_FOR = 1.0

    def __init__(self, clock: Clock, intake: Intake) -> None:
        """Hand in to *intake*."""
        self._clock = clock
        self._intake = intake
        self._waiting: deque[tuple[Callable[[], Pieces], Envelope, Callable[[Result | None], None]]] = deque()
        self._running = 0
        self.answered: Callable[[], None] = lambda: None
        self._last = 0
        self._unanswered: dict[int, None] = {}
        self._news: deque[tuple[int, Callable[[], None]]] = deque()
        self._timer: Call | None = None

    def tell(self, news: Callable[[], None]) -> None:
        """Pass on news of a message in the queue, which may be a bounce that we do not know to be there yet.

        So that the log says first that there is a bounce and then that there is a new message, as 1.02's does, news
        waits for the answers that the queue owes us, for a moment at most.
        """
        if not self._unanswered:
            news()
            return
        self._news.append((self._last, news))
        if self._timer is None:
            self._timer = self._clock.callLater(self.NEWS_FOR, self._tell_all)

    def _tell_known(self) -> None:
        """Pass on the news that waits for no answer any more."""
        first = next(iter(self._unanswered), self._last + 1)
        while self._news and self._news[0][0] < first:
            self._news.popleft()[1]()
        if self._timer is not None and not self._news:
            self._timer.cancel()
            self._timer = None

    def _tell_all(self) -> None:
        """The answers take too long: pass on what has waited for them."""
        self._timer = None
        news, self._news = self._news, deque()
        for _, each in news:
            each()

    @property
    def is_idle(self) -> bool:
        """Is no bounce under way?"""
        return not self._running and not self._waiting

    def has_room(self) -> bool:
        """Would a bounce be handed in at once?"""
        return self._running < self.SIDE_BY_SIDE

    def inject(self, text: Callable[[], Pieces], addressed: Envelope, done: Callable[[Result | None], None]) -> None:
        """Hand in a bounce; *text* is asked for its pieces when its turn has come."""
        self._waiting.append((text, addressed, done))
        self._begin()

    def _begin(self) -> None:
        """Begin as many as may run."""
        while self._waiting and self.has_room():
            text, addressed, done = self._waiting.popleft()
            self._running += 1
            self._last += 1
            ident = self._last
            ending, committing = self._ending(ident, done), self._committing(ident)
            Injection(self._clock, self._intake, text(), addressed, ending, committing)

    def _committing(self, ident: int) -> Callable[[], None]:
        """Make what runs when a bounce is complete: from now on the queue owes an answer."""

        def committed() -> None:
            """Note it."""
            self._unanswered[ident] = None

        return committed

    def _ending(self, ident: int, done: Callable[[Result | None], None]) -> Callable[[Result | None], None]:
        """Make what runs when a bounce is handed in: tell, and begin the next."""

        def ended(result: Result | None) -> None:
            """Pass on the answer."""
            self._running -= 1
            self._unanswered.pop(ident, None)
            done(result)
            self._tell_known()
            self._begin()
            self.answered()

        return ended
