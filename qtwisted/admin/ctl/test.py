"""qmailctl test: sends a message and follows it to its end.

It is followed in the log where that can be found and read, else by what the queue and the running qmail-send tell;
then the verdict may have to be inferred, and that is said.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtwisted.admin.ctl.screen import BAD, GOOD, NOTE, shown
from qtwisted.admin.ctl.trace import log_argument, place_of
from qtwisted.admin.logs import telling, testmail
from qtwisted.admin.logs.follow import Follower
from qtwisted.admin.logs.tracing import BOUNCE, FORWARD, Trace
from qtwisted.admin.logs.wanted import Wanted
from qtwisted.admin.refusal import Refused
from qtwisted.schedule.asking import Asking, NotAllowed, NotRunning
from qtwisted.schedule.retry import next_retry
from qtwisted.wire.request import RequestError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from qtwisted.admin.ctl.screen import Screen
    from qtwisted.admin.logs.stories import Story

PATIENCE_FOR = 60.0
LOOK_EVERY = 0.1
CHANNELS = (b"local", b"remote")


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare what stands on the command line."""
    parser.add_argument("sender", metavar="SENDER", help="the envelope sender; '' or '<>' for none, as bounces have")
    parser.add_argument("recipient", metavar="RECIPIENT", help="whom the message is sent to")
    parser.add_argument("--patience", type=float, default=PATIENCE_FOR, metavar="SECONDS",
                        help=f"how long to follow it (default {PATIENCE_FOR:.0f}); a message "
                        "that was put off for longer is not waited for")
    log_argument(parser)


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Send it and follow it: 0 if it was delivered, 1 if it failed, bounced, or is not at its end in time."""
    now = int(time.time())
    mail = testmail.compose(home, options.sender, options.recipient, now)
    follower, why = log_of(options, home)
    before = numbers(home)
    started_at = time.monotonic()
    result = testmail.send(home, mail, now)
    if not result.ok:
        say(screen, f"not accepted: {shown(result.problem[1:])}", BAD)
        return 1
    say(screen, f"accepted as qp {result.qp}: from <{shown(mail.sender)}> to <{shown(mail.recipient)}>, "
                f"Message-ID {shown(mail.message_id)}")
    deadline = started_at + options.patience
    if follower is None:
        screen.whole(f"without the log ({why}):")
        return watch_queue(home, result.qp, before, deadline, screen)
    with follower:
        return Journey(home, result.qp, screen).follow(follower, deadline)


def log_of(options: argparse.Namespace, home: str) -> tuple[Follower | None, str]:
    """The log from now on, or why there is none; a log that was named must be there."""
    try:
        return Follower(place_of(options.log, home)), ""
    except Refused as trouble:
        if options.log:
            raise
        return None, str(trouble)
    except OSError as trouble:
        if options.log:
            raise Refused(f"{trouble.filename}: {trouble.strerror}") from None
        return None, f"{trouble.filename}: {trouble.strerror}"


def say(screen: Screen, line: str, how: str | None = None) -> None:
    """Print a step as soon as it is made."""
    screen.whole(line if how is None else screen.styled(line, how))
    screen.flush()


# ---- by the log


class Journey:
    """The message's way, step by step as the log tells it."""

    def __init__(self, home: str, qp: int, screen: Screen) -> None:
        """Look for the message of this qp, and for what it begins."""
        self._home = home
        self._qp = qp
        self._screen = screen
        self._trace = Trace(Wanted(["qp", str(qp)], home), found_max=1000)
        self._told: set[Any] = set()
        self._sent_at = int(time.time())

    def follow(self, follower: Follower, deadline: float) -> int:
        """Read on until the end of the message, or of our patience."""
        while True:
            for at, event in follower.new():
                self._trace.stories.add(at, event)
                self._tell()
            root = self._root()
            if root is not None and self._is_over(root, set()):
                return self._end(root)
            if time.monotonic() >= deadline or (root is not None and self._only_waits(root, deadline)):
                return self._give_up(root)
            time.sleep(LOOK_EVERY)

    def _only_waits(self, root: Story, deadline: float) -> bool:
        """Whether the message, or a forward of it, was put off for longer than our patience, and nothing runs."""
        ours = [story for story in self._trace.found if story is root or self._is_forward(story)]
        waiting = [story for story in ours if not story.has_end]
        if any(other is None for other in self._forwards(root)) or not waiting:
            return False
        ends_at = time.time() + deadline - time.monotonic()
        return all(put_off_until(story, self._sent_at) > ends_at for story in waiting)

    def _is_forward(self, story: Story) -> bool:
        """Whether a message was begun by a forward."""
        return story.qp is not None and self._trace.links.get(story.qp, (story, ""))[1] == FORWARD

    def _root(self) -> Story | None:
        """The story of our message, if it has begun."""
        return next((story for story in self._trace.found if story.qp == self._qp), None)

    def _forwards(self, story: Story) -> Iterator[Story | None]:
        """The copies that a message was forwarded as; None for one that has not been seen yet."""
        for how, qp in story.begun:
            if how == FORWARD:
                yield next((other for other in self._trace.found if other.qp == qp), None)

    def _is_over(self, story: Story, seen: set[int]) -> bool:
        """Whether a message has left the queue, and all its forwards, too."""
        if id(story) in seen:
            return True
        seen.add(id(story))
        return story.has_end and all(other is not None and self._is_over(other, seen)
                                     for other in self._forwards(story))

    def _reached(self, story: Story, seen: set[int]) -> bool:
        """Whether a message, and what it was forwarded as, was delivered everywhere."""
        if id(story) in seen:
            return True
        seen.add(id(story))
        if story.failed or not story.delivered:
            return False
        return all(other is not None and self._reached(other, seen) for other in self._forwards(story))

    def _end(self, root: Story) -> int:
        """Say how it ended."""
        if self._reached(root, set()):
            say(self._screen, "delivered", GOOD)
            return 0
        if not root.failed and not root.delivered:
            say(self._screen, "left the queue without having been delivered", BAD)
            return 1
        bounces = [qp for how, qp in root.begun if how == BOUNCE]
        say(self._screen, f"failed; the bounce is qp {bounces[-1]}" if bounces else "failed", BAD)
        return 1

    def _give_up(self, root: Story | None) -> int:
        """Say where the message is when patience ends."""
        number = testmail.number_of(self._home, self._qp) if root is None else root.number
        if root is None and number is None:
            place = "the log has nothing about it; is it the right log?"
        elif root is None:
            place = f"it is in the queue as message {number}, and the log has nothing about it"
        elif root.has_end:
            place = "it has left the queue, and what it was forwarded as has not been delivered everywhere yet"
        else:
            place = f"it is in the queue as message {number}"
            again_at = put_off_until(root, self._sent_at)
            place += f", to be tried again about {telling.moment(again_at).strip()}" if again_at else ""
        say(self._screen, f"not at its end yet: {place}", NOTE)
        return 1

    def _tell(self) -> None:
        """Print what is new."""
        for story in self._trace.found:
            name = f"message {story.number}"
            if story.info is not None:
                self._once(("new", id(story)), telling.head(story), story.began_at)
            for attempt in story.attempts:
                if attempt.verdict is None:
                    self._once(("start", id(attempt)), f"{name}: delivery {attempt.delivery} to "
                               f"{attempt.channel.decode()} {shown(attempt.recipient)} begins", attempt.started_at)
                else:
                    self._ended(name, attempt)
            for how, qp in story.begun:
                self._once((how, qp), f"{name}: {'bounced' if how == BOUNCE else 'forwarded'} as qp {qp}", None)
            if story.has_end:
                self._once(("end", id(story)), f"{name}: left the queue", story.ended_at)

    def _ended(self, name: str, attempt: Any) -> None:
        """Print how a delivery ended."""
        words, colour = telling.VERDICTS[attempt.verdict]
        told = f"{name}: delivery {attempt.delivery}: {self._screen.styled(words, colour)} {telling.text_of(attempt)}"
        self._once(("stop", id(attempt)), told.rstrip(), attempt.ended_at)

    def _once(self, key: tuple[str, int], line: str, at: float | None) -> None:
        """Print a line the first time."""
        if key not in self._told:
            self._told.add(key)
            say(self._screen, telling.moment(at) + line)


def put_off_until(story: Story, sent_at: int) -> int:
    """When a message that was put off is tried again; 0 if a delivery runs or may begin at any moment."""
    if not story.attempts or any(attempt.verdict is None for attempt in story.attempts):
        return 0
    last = story.attempts[-1]
    if last.verdict not in ("deferral", "mangled"):
        return 0
    return next_retry(int(story.began_at or sent_at), int(last.started_at or sent_at), CHANNELS.index(last.channel))


# ---- by the queue and qmail-send


def numbers(home: str) -> dict[str, Any] | None:
    """What qmail-send tells of itself; None where it does not run or does not speak to us."""
    try:
        with Asking(home) as send:
            return send.snapshot()
    except (NotRunning, NotAllowed, RequestError):
        return None


def watch_queue(home: str, qp: int, before: dict[str, Any] | None, deadline: float, screen: Screen) -> int:
    """Follow the message by its file in the queue and by the deliveries that run."""
    number: int | None = None
    if before is None:
        say(screen, "qmail-send does not run, or does not speak to this user; the message is in the queue", NOTE)
        return 1
    shown_at: set[int] = set()
    while True:
        found = testmail.number_of(home, qp)
        if found is None:
            return gone(number, before, numbers(home), screen)
        if number is None:
            say(screen, f"message {found}: in the queue")
        number = found
        after = numbers(home)
        for delivery in [] if after is None else after["deliveries"]:
            if delivery["message"] == number and delivery["delivery"] not in shown_at:
                shown_at.add(delivery["delivery"])
                say(screen, f"message {number}: delivery {delivery['delivery']} to {delivery['channel']} "
                            f"{shown(delivery['recipient'].encode('latin-1'))} runs")
        if time.monotonic() >= deadline:
            say(screen, f"not at its end yet: it is in the queue as message {number}", NOTE)
            return 1
        time.sleep(LOOK_EVERY)


def gone(number: int | None, before: dict[str, Any], after: dict[str, Any] | None, screen: Screen) -> int:
    """Say what can be known of a message that has left the queue."""
    name = "the message" if number is None else f"message {number}"
    say(screen, f"{name}: left the queue")
    if after is None or after["pid"] != before["pid"]:
        say(screen, "with which verdict cannot be told: qmail-send has ended", NOTE)
        return 1
    ended = after["deliveries_ended"]
    more = {verdict: ended[verdict] - count for verdict, count in before["deliveries_ended"].items()}
    if more["success"] and not more["failure"]:
        say(screen, "delivered: no delivery has failed meanwhile", GOOD)
        return 0
    if more["failure"] and not more["success"]:
        say(screen, "failed: no delivery has succeeded meanwhile", BAD)
        return 1
    say(screen, f"with which verdict cannot be told: {more['success']} deliveries have succeeded meanwhile, "
                f"{more['failure']} failed", NOTE)
    return 1
