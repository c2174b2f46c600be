"""What can be asked of the scheduler, one row of a table each.

========  ==========================  ==============================================================
verb      words after it              what comes back
========  ==========================  ==============================================================
snapshot                              the scheduler's numbers, then each delivery that runs
pause                                 ``{"answer": "done"}``, or ``"already"``
cont                                  the same
flush                                 the same
========  ==========================  ==============================================================

What makes no sense is answered with one value ``{"error": TEXT}``.
"""

from __future__ import annotations

from qtwisted.model import events
from qtwisted.schedule.requests.snapshot import snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any
    from typing import Protocol as Interface

    from qtwisted.schedule.log import Log
    from qtwisted.schedule.scheduler import Scheduler
    from qtwisted.schedule.times import Times
    from qtwisted.store.kinds.together import Clock

    class Answer(Interface):
        """Where the answer to one request goes."""

        uid: int

        def say(self, value: dict[str, Any]) -> None:
            """Add one value."""

        def stream(self, values: Iterable[dict[str, Any]]) -> None:
            """Add values, which are asked for when there is room."""

        def end(self) -> None:
            """The answer is complete."""

    Act = Callable[[list[bytes], Answer], None]

VERSION = 1


class Acts:
    """Carries out requests, each within one turn of the scheduler or step by step in several."""

    def __init__(self, scheduler: Scheduler, clock: Clock, times: Times, log: Log) -> None:
        """Work on *scheduler*."""
        self._scheduler = scheduler
        self._clock = clock
        self._times = times
        self._log = log
        self._started = clock.seconds()
        self._acts: dict[bytes, Act] = {
            b"snapshot": self._snapshot,
            b"pause": self._pause,
            b"cont": self._go_on,
            b"flush": self._flush,
        }

    def greeting(self) -> dict[str, Any]:
        """What every caller hears first."""
        return {"server": "qmail-send", "version": VERSION}

    def ask(self, words: list[bytes], answer: Answer) -> None:
        """Carry out one request."""
        verb, *rest = words
        act = self._acts.get(verb)
        if act is None:
            answer.say({"error": "no such request"})
            answer.end()
        else:
            act(rest, answer)

    def _snapshot(self, words: list[bytes], answer: Answer) -> None:
        """Tell what goes on."""
        answer.stream(snapshot(self._scheduler, self._times.now(), self._clock.seconds(), self._started))
        answer.end()

    def _pause(self, words: list[bytes], answer: Answer) -> None:
        """Start no delivery until ``cont``."""
        self._switch(True, events.Paused(), answer)

    def _go_on(self, words: list[bytes], answer: Answer) -> None:
        """Start deliveries again."""
        self._switch(False, events.WentOn(), answer)

    def _switch(self, is_paused: bool, event: events.Event, answer: Answer) -> None:
        """Pause or go on, and say so in the log."""
        changed = self._scheduler.attempts.is_paused != is_paused
        if changed:
            self._log.say(event)
            self._scheduler.pause(is_paused)
        answer.say({"answer": "done" if changed else "already"})
        answer.end()

    def _flush(self, words: list[bytes], answer: Answer) -> None:
        """Make every message due now."""
        self._scheduler.alarm()
        answer.say({"answer": "done"})
        answer.end()
