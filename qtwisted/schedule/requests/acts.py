"""What can be asked of the scheduler, one row of a table each.

============  ============================  =================================================================
verb          words after it                what comes back
============  ============================  =================================================================
``snapshot``                                the scheduler's numbers, then each delivery that runs
``show``      numbers of messages           what it knows of each, in one value
``retry``     numbers                       for each ``{"id": N, "answer": WORD, "text": WHY}``
``hold``      numbers                       the same
``release``   numbers                       the same
``delete``    numbers                       the same
``bounce``    a text, then numbers          the same; an empty text stands for the usual one
``pause``                                   ``{"answer": "done"}``, or ``"already"``
``cont``                                    the same
``flush``                                   ``{"answer": "done"}``
============  ============================  =================================================================

A number may be followed by ``@`` and the mark of the message, the moment its text was last written in nanoseconds:
then no other message is meant that may have got the number meanwhile.

The words of answers: ``done``: it is, and would survive a power cut; ``waits``: it will be when the deliveries that
run have ended, if the mail system does not end before; ``already``: there is nothing to be done; ``not found``: it is
not in the queue; ``refused`` and ``trouble``: the text says why.

What makes no sense is answered with one value ``{"error": TEXT}``.
"""

from __future__ import annotations

from qtwisted.model import events
from qtwisted.schedule.requests.shown import shown
from qtwisted.schedule.requests.snapshot import snapshot
from qtwisted.wire.request import IDS_MAX, RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any
    from typing import Protocol as Interface

    from qtwisted.schedule.log import Log
    from qtwisted.schedule.requests.sentences import Tell
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
#: what is answered while the scheduler ends, too
STILL = (b"snapshot", b"show")

RETURNED = b"This message was returned by the administrator of the mail system.\n"
TEXT_MAX = 1000


def named_in(words: list[bytes]) -> dict[int, int | None]:
    """Read message numbers, and the marks of those that have one.

    Raises RequestError where a word is no number, or there are too many, or none.
    """
    named = {}
    for word in words:
        number, at, mark = word.partition(b"@")
        if not _is_number(number) or (at and not _is_number(mark)):
            raise RequestError("not the number of a message")
        named[int(number)] = int(mark) if at else None
    if not 1 <= len(words) <= IDS_MAX:
        raise RequestError("too many messages" if words else "no message is named")
    return named


def _is_number(word: bytes) -> bool:
    """Is this a number as we write them?"""
    return word.isdigit() and len(word) <= 20 and word[:1] != b"0" and not int(word) >> 64


def bounce_text(word: bytes) -> bytes:
    """Make what was typed a text for a bounce: lines without control characters."""
    if len(word) > TEXT_MAX:
        raise RequestError(f"a text of more than {TEXT_MAX} bytes")
    lines = [line.rstrip() for line in word.splitlines() if line.strip()]
    shown = b"".join([line.translate(_SHOWN) + b"\n" for line in lines])
    return shown or RETURNED


_SHOWN = bytes(byte if byte >= 0x20 and byte != 0x7F else ord("?") for byte in range(256))


def each_in(left: int, answer: Answer) -> Callable[[int], Tell]:
    """Make what hears of each of so many messages; the answer is complete when all were heard of."""

    def tell_of(number: int) -> Tell:
        """Make what hears of one."""

        def tell(word: str, text: str) -> None:
            """Pass it on."""
            nonlocal left
            left -= 1
            answer.say({"id": number, "answer": word, "text": text})
            if not left:
                answer.end()

        return tell

    return tell_of


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
            b"show": self._show,
            b"retry": self._retry,
            b"hold": self._hold,
            b"release": self._release,
            b"delete": self._delete,
            b"bounce": self._bounce,
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
        try:
            if act is None:
                raise RequestError("no such request")
            if self._scheduler.is_ending and verb not in STILL:
                raise RequestError("the mail system is ending")
            act(rest, answer)
        except RequestError as error:
            answer.say({"error": str(error)})
            answer.end()
        self._scheduler.look_around()

    def _snapshot(self, words: list[bytes], answer: Answer) -> None:
        """Tell what goes on."""
        answer.stream(snapshot(self._scheduler, self._times.now(), self._clock.seconds(), self._started))
        answer.end()

    def _show(self, words: list[bytes], answer: Answer) -> None:
        """Tell what we know of some messages."""
        answer.stream(shown(self._scheduler, list(named_in(words)), self._clock.seconds()))
        answer.end()

    def _retry(self, words: list[bytes], answer: Answer) -> None:
        """Try messages now."""
        numbers, tell = self._named(words, answer)
        self._scheduler.wishes.retry(numbers, tell)

    def _hold(self, words: list[bytes], answer: Answer) -> None:
        """Put messages on hold."""
        numbers, tell = self._named(words, answer)
        self._scheduler.wishes.hold(numbers, answer.uid, tell)

    def _release(self, words: list[bytes], answer: Answer) -> None:
        """Release messages."""
        numbers, tell = self._named(words, answer)
        self._scheduler.wishes.release(numbers, answer.uid, tell)

    def _delete(self, words: list[bytes], answer: Answer) -> None:
        """Delete messages."""
        numbers, tell = self._named(words, answer)
        self._scheduler.wishes.end(numbers, None, answer.uid, tell)

    def _bounce(self, words: list[bytes], answer: Answer) -> None:
        """Return messages to their senders."""
        text = bounce_text(words[0] if words else b"")
        numbers, tell = self._named(words[1:], answer)
        self._scheduler.wishes.end(numbers, text, answer.uid, tell)

    def _named(self, words: list[bytes], answer: Answer) -> tuple[list[int], Callable[[int], Tell]]:
        """Find the messages that are named; give their numbers, and what hears of each."""
        named = named_in(words)
        tell = each_in(len(named), answer)
        numbers = []
        for number, mark in named.items():
            if mark is None or self._scheduler.wishes.is_marked(number, mark):
                numbers.append(number)
            else:
                tell(number)("not found", "it is not in the queue any more")
        return numbers, tell

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
