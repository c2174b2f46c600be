"""Tells the stories of messages: for people, one after the other with what they have begun indented, and as JSON.

Addresses and texts come from others; they are made harmless before they are shown.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtwisted.admin.ctl.screen import BAD, GOOD, NOTE, QUIET, shown
from qtwisted.model.logjson import stamp
from qtwisted.model.logline import logsafe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from qtwisted.admin.ctl.screen import Screen
    from qtwisted.admin.logs.stories import Attempt, Story

#: how many messages deep what has begun what is shown by indentation
DEPTH_MAX = 8

VERDICTS = {
    "success": ("delivered", GOOD),
    "deferral": ("put off", NOTE),
    "failure": ("failed", BAD),
    "mangled": ("put off, report mangled", NOTE),
    "lost": ("no report; send had ended", NOTE),
    None: ("still running", NOTE),
}


# ---- for people


def moment(at: float | None) -> str:
    """A moment in local time, in a fixed width, and two blanks; nothing where it is not known."""
    if at is None:
        return ""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S  ", time.localtime(at))
    except (ValueError, OverflowError, OSError):
        return ""


def span(seconds: float) -> str:
    """A span of time."""
    if seconds < 100:
        return f"{seconds:.2f} s"
    whole = int(seconds)
    days, rest = divmod(whole, 86400)
    return (f"{days} d " if days else "") + f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def text_of(attempt: Attempt) -> str:
    """A report as the log has it."""
    return shown(logsafe(attempt.text))


def head(story: Story) -> str:
    """The first line of a story."""
    if story.info is None:
        return f"message {story.number}, whose arrival is not in the log"
    info = story.info
    return (f"message {story.number}, qp {info.qp}: {info.size} bytes from <{shown(logsafe(info.sender))}>, "
            f"handed in by uid {info.uid}")


def attempt_line(attempt: Attempt, screen: Screen) -> str:
    """One line about one delivery."""
    words, colour = VERDICTS[attempt.verdict]
    told = screen.styled(words, colour)
    if attempt.verdict in ("success", "deferral", "failure"):
        lasted = attempt.lasted_for()
        told += "" if lasted is None else f" after {span(lasted)}"
    line = (f"{moment(attempt.started_at)}{attempt.channel.decode()} {shown(logsafe(attempt.recipient))}: {told} "
            f"[delivery {attempt.delivery}]")
    return f"{line} {text_of(attempt)}" if attempt.text else line


def end_lines(story: Story, screen: Screen) -> list[str]:
    """How a story ends: with bounce and removal, or not yet."""
    lines = [f"{moment(story.ended_at)}{'bounced' if how == 'bounce' else 'forwarded'} as qp {qp}"
             for how, qp in story.begun]
    lines += [f"{moment(at)}{wish.verb.decode()}, by uid {wish.uid} with qmailctl" for at, wish in story.wishes]
    if story.is_triple:
        lines.append(f"{moment(story.ended_at)}a bounce of a bounce: discarded")
    if story.has_end:
        lasted = None if story.ended_at is None or story.began_at is None else story.ended_at - story.began_at
        whole = f" after {span(lasted)}" if story.has_begin and lasted is not None else ""
        lines.append(f"{moment(story.ended_at)}left the queue{whole}")
    else:
        lines.append(screen.styled("the log does not tell the end: it may still be in the queue", NOTE))
    return lines


def tell(stories: Sequence[Story], screen: Screen) -> None:
    """Print stories, each before those that it has begun."""
    by_qp = {story.qp: story for story in stories if story.qp is not None}
    begun = {id(by_qp[qp]) for story in stories for _, qp in story.begun if qp in by_qp and by_qp[qp] is not story}
    told: set[int] = set()

    def one(story: Story, depth: int) -> None:
        """Print one story and what follows from it."""
        if id(story) in told:
            return
        told.add(id(story))
        print_story(story, "    " * min(depth, DEPTH_MAX), screen)
        for _, qp in story.begun:
            if qp in by_qp and depth < 10 * DEPTH_MAX:
                one(by_qp[qp], depth + 1)

    for story in (*(first for first in stories if id(first) not in begun), *stories):
        one(story, 0)


def print_story(story: Story, indent: str, screen: Screen) -> None:
    """Print one story."""
    screen.whole(indent + head(story))
    if story.has_begin:
        screen.whole(f"{indent}  {moment(story.began_at)}arrived")
    if story.omitted:
        screen.whole(f"{indent}  {screen.styled(f'{story.omitted} deliveries are left out', QUIET)}")
    for attempt in story.attempts:
        screen.whole(f"{indent}  {attempt_line(attempt, screen)}")
    for line in end_lines(story, screen):
        screen.whole(f"{indent}  {line}")


# ---- for programs


def when(at: float | None) -> str | None:
    """A moment in UTC, or nothing."""
    try:
        return None if at is None else stamp(at)
    except (ValueError, OverflowError, OSError):
        return None


def story_facts(story: Story, origin: Story | None) -> dict[str, Any]:
    """A story as one JSON value."""
    info = story.info
    return {
        "msg": story.number,
        "qp": story.qp,
        "bytes": None if info is None else info.size,
        "sender": None if info is None else logsafe(info.sender).decode("ascii"),
        "uid": None if info is None else info.uid,
        "arrived_at": when(story.began_at) if story.has_begin else None,
        "deliveries": [attempt_facts(attempt) for attempt in story.attempts],
        "deliveries_left_out": story.omitted,
        "begun": [{"how": how, "qp": qp} for how, qp in story.begun],
        "begun_by_msg": None if origin is None else origin.number,
        "begun_by_qp": None if origin is None else origin.qp,
        "wishes": [{"at": when(at), "verb": wish.verb.decode(), "uid": wish.uid} for at, wish in story.wishes],
        "triple": story.is_triple,
        "ended": story.has_end,
        "ended_at": when(story.ended_at),
    }


def attempt_facts(attempt: Attempt) -> dict[str, Any]:
    """A delivery as a part of it."""
    return {
        "delivery": attempt.delivery,
        "channel": attempt.channel.decode(),
        "recipient": logsafe(attempt.recipient).decode("ascii"),
        "started_at": when(attempt.started_at),
        "ended_at": when(attempt.ended_at),
        "verdict": attempt.verdict,
        "text": logsafe(attempt.text).decode("ascii"),
    }
