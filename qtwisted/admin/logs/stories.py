"""Puts the lines of a log together to the stories of messages.

A story begins with ``new msg N`` and ends with ``end msg N``; the same number may be used again afterwards.
Deliveries are numbered by each qmail-send from 1 on: when a number is not greater than the last one, another
qmail-send writes, and what the former one had in flight will never be reported.

A log may begin in the middle, lack lines, or have been written by somebody hostile. What does not fit is counted and
left out, and no table here grows without a bound: the oldest message that is open has to go when there are too many.
"""

from __future__ import annotations

from collections import OrderedDict

from qtwisted.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from qtwisted.model.events import Event

    Number = int

#: messages that may be open at the same time
OPEN_MAX = 100_000
#: deliveries that may be in flight at the same time; each channel has at most 10,000
FLYING_MAX = 50_000
#: deliveries of one message that are kept
ATTEMPTS_MAX = 1000
#: wishes of administrators about one message that are kept
WISHES_MAX = 100
#: deliveries of all open messages together that are kept
KEPT_MAX = 500_000

VERDICTS = {
    events.DeliverySucceeded: "success",
    events.DeliveryPutOff: "deferral",
    events.DeliveryFailed: "failure",
    events.ReportMangled: "mangled",
}


class Attempt:
    """One delivery to one recipient; ``verdict`` is None while it runs, ``lost`` if its end was never told."""

    __slots__ = ("channel", "delivery", "ended_at", "recipient", "started_at", "story", "text", "verdict")

    def __init__(self, story: Story, event: events.DeliveryStarted, at: float | None) -> None:
        """Begin."""
        self.story = story
        self.delivery = event.delivery
        self.channel = event.channel
        self.recipient = event.recipient
        self.started_at = at
        self.ended_at: float | None = None
        self.verdict: str | None = None
        self.text = b""

    def lasted_for(self) -> float | None:
        """How long it took."""
        return None if self.started_at is None or self.ended_at is None else max(0.0, self.ended_at - self.started_at)


class Story:
    """What the log tells of one message."""

    __slots__ = ("attempts", "began_at", "begun", "delivered", "ended_at", "failed", "has_begin", "has_end", "info",
                 "is_found", "is_triple", "is_wanted", "number", "omitted", "put_off", "wishes")

    def __init__(self, number: int, at: float | None, has_begin: bool = True) -> None:
        """Begin; *has_begin* tells whether the log has the arrival."""
        self.number = number
        self.began_at = at
        self.has_begin = has_begin
        self.info: events.MessageInfo | None = None
        self.attempts: list[Attempt] = []
        self.omitted = 0
        self.delivered = 0
        self.failed = 0
        self.put_off = 0
        self.begun: list[tuple[str, int]] = []  # how, and the qp of the message that this one has begun
        self.wishes: list[tuple[float | None, events.Wished]] = []  # what administrators had done with it
        self.is_triple = False
        self.ended_at: float | None = None
        self.has_end = False
        self.is_wanted = False
        self.is_found = False

    @property
    def qp(self) -> int | None:
        """The number that the client was told."""
        return None if self.info is None else self.info.qp


class Stories:
    """The messages that are open at this place of the log.

    Whoever is interested sets what is to be called: ``opened`` when the first line with what is known of a message
    has been read, ``started`` and ``finished`` for deliveries, ``bounced``, and ``closed`` at the end of a story.
    """

    def __init__(self, keep_attempts: bool, open_max: int = OPEN_MAX) -> None:
        """Begin; without *keep_attempts* finished deliveries are not remembered."""
        self.open: OrderedDict[Number, Story] = OrderedDict()  # a plain dict finds its oldest entry slowly
        self.flying: OrderedDict[Number, Attempt] = OrderedDict()
        self.dropped = 0
        self.orphans = 0
        self.opened: Callable[[Story], None] = ignore
        self.started: Callable[[Attempt], None] = ignore
        self.finished: Callable[[Attempt], None] = ignore
        self.bounced: Callable[[Story, int], None] = ignore
        self.closed: Callable[[Story], None] = ignore
        self._keep_attempts = keep_attempts
        self._open_max = open_max
        self._kept = 0
        self._last_delivery = 0
        self._again: dict[Number, Story] = {}
        self._steps: dict[type[Event], Callable[[float | None, Any], None]] = {
            events.NewMessage: self._new,
            events.MessageInfo: self._info,
            events.DeliveryStarted: self._start,
            events.BounceQueued: self._bounce,
            events.TripleBounce: self._triple,
            events.Wished: self._wish,
            events.MessageEnded: self._end,
            events.Exiting: self._exit,
            **dict.fromkeys(VERDICTS, self._finish),
        }

    def add(self, at: float | None, event: Event) -> None:
        """Read on: the next event."""
        step = self._steps.get(type(event))
        if step is not None:
            step(at, event)

    # ---- messages

    def _new(self, at: float | None, event: events.NewMessage) -> None:
        """A message has arrived. If it had already, qmail-send has begun again with it; what follows tells."""
        former = self.open.pop(event.number, None)
        if former is not None:
            self._again[event.number] = former
        self._place(Story(event.number, at))

    def _place(self, story: Story) -> None:
        """Keep an open message; the oldest one makes room for it."""
        if len(self.open) >= self._open_max:
            oldest = self.open.popitem(last=False)[1]
            self._again.pop(oldest.number, None)
            self.dropped += 1
            self._close(oldest)
        self.open[story.number] = story

    def _of(self, number: int, at: float | None) -> Story:
        """The open message of this number; one that the log has not seen arrive begins here."""
        story = self.open.get(number)
        if story is None:
            story = Story(number, at, has_begin=False)
            self._place(story)
        return story

    def _info(self, at: float | None, event: events.MessageInfo) -> None:
        """What is known of a message: it is the former one if everything is the same."""
        story = self._of(event.number, at)
        former = self._again.pop(event.number, None)
        if former is not None and former.info == event:
            self.open[event.number] = former
            return
        if former is not None:
            self._close(former)
        story.info = event
        self.opened(story)

    def _bounce(self, at: float | None, event: events.BounceQueued) -> None:
        """The message's bounce is in the queue."""
        story = self._of(event.number, at)
        self.bounced(story, event.qp)

    def _triple(self, at: float | None, event: events.TripleBounce) -> None:
        """A bounce of a bounce is dropped."""
        self._of(event.number, at).is_triple = True

    def _wish(self, at: float | None, event: events.Wished) -> None:
        """An administrator has something done with the message."""
        wishes = self._of(event.number, at).wishes
        if len(wishes) < WISHES_MAX:
            wishes.append((at, event))

    def _end(self, at: float | None, event: events.MessageEnded) -> None:
        """The message has left the queue."""
        story = self._of(event.number, at)
        story.ended_at = at
        story.has_end = True
        del self.open[event.number]
        self._again.pop(event.number, None)
        self._close(story)

    def _close(self, story: Story) -> None:
        """Let go of a message."""
        self._kept -= len(story.attempts)
        self.closed(story)

    # ---- deliveries

    def _start(self, at: float | None, event: events.DeliveryStarted) -> None:
        """A delivery has begun."""
        if event.delivery <= self._last_delivery:
            self._lose()
        self._last_delivery = event.delivery
        attempt = Attempt(self._of(event.number, at), event, at)
        if len(self.flying) >= FLYING_MAX:
            self.flying.popitem(last=False)
            self.orphans += 1
        self.flying[event.delivery] = attempt
        if self._keep_attempts:
            self._keep(attempt)
        self.started(attempt)

    def _keep(self, attempt: Attempt) -> None:
        """Remember a delivery with its message; of very many the last ones are kept."""
        story = attempt.story
        if self._kept >= KEPT_MAX:
            story.omitted += 1
            return
        story.attempts.append(attempt)
        self._kept += 1
        if len(story.attempts) > ATTEMPTS_MAX:
            half = ATTEMPTS_MAX // 2
            del story.attempts[:half]
            story.omitted += half
            self._kept -= half

    def _finish(self, at: float | None, event: events.DeliveryEnded | events.ReportMangled) -> None:
        """A delivery has ended."""
        attempt = self.flying.pop(event.delivery, None)
        if attempt is None:
            self.orphans += 1
            return
        attempt.ended_at = at
        attempt.verdict = VERDICTS[type(event)]
        if isinstance(event, events.DeliveryEnded):
            attempt.text = event.text
        story = attempt.story
        if attempt.verdict == "success":
            story.delivered += 1
        elif attempt.verdict == "failure":
            story.failed += 1
        else:
            story.put_off += 1
        self.finished(attempt)

    def _exit(self, at: float | None, event: events.Exiting) -> None:
        """qmail-send has ended; the next one counts from 1."""
        self._lose()
        self._last_delivery = 0

    def _lose(self) -> None:
        """Nobody will tell how the deliveries in flight ended."""
        for attempt in self.flying.values():
            attempt.verdict = "lost"
            self.finished(attempt)
        self.flying.clear()


def ignore(*told: object) -> None:
    """Do nothing about it."""
