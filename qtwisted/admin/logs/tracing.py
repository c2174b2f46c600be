"""Follows the messages that are asked for through a log, with what became of them: bounces and forwards.

One pass over the log does, in bounded memory: what is open now, the messages of a while ago, since a bounce may
have its lines before those of the message it returns, and the stories that were found, of very many the last.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, TypeVar

from qtwisted.admin.logs.stories import Stories

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtwisted.admin.logs.stories import Attempt, Story
    from qtwisted.admin.logs.wanted import Wanted
    from qtwisted.model.logstamps import Line

Value = TypeVar("Value")

#: messages that are remembered after their end
RECENT_MAX = 5000
#: links whose other end has not been seen
LINKS_MAX = 20000
#: messages that one message is said to have begun
BEGUN_MAX = 1000
BOUNCE, FORWARD = "bounce", "forward"
#: how programs that forward tell the number in their report, as the log shows it
_FORWARDED = re.compile(rb"(?:^|/|:_(?:info:_)?)qp_([0-9]{1,20})(?=/|$)")


class Trace:
    """The stories found so far, in the order of their arrival."""

    def __init__(self, wanted: Wanted, found_max: int) -> None:
        """Look for what is wanted; of more than *found_max* stories the last are kept."""
        self.wanted = wanted
        self.found: deque[Story] = deque()
        self.left_out = 0
        self.stories = Stories(keep_attempts=True)
        self.links: OrderedDict[int, tuple[Story, str]] = OrderedDict()
        self._found_max = found_max
        self._recent: OrderedDict[int, Story] = OrderedDict()
        self.stories.opened = self._opened
        self.stories.started = self._started
        self.stories.finished = self._finished
        self.stories.bounced = lambda story, qp: self._linked(story, BOUNCE, qp)

    def read(self, lines: Iterable[Line]) -> None:
        """Read a log to its end."""
        add = self.stories.add
        for at, event in lines:
            add(at, event)

    def told(self) -> list[Story]:
        """What was found. A Message-ID found in the queue is that of the last message of its number."""
        if not self.wanted.in_queue:
            return list(self.found)
        last = {story.number: story for story in self.found}
        return [story for story in self.found
                if story.number not in self.wanted.in_queue or last[story.number] is story]

    def origin(self, story: Story) -> Story | None:
        """The story that has begun this one."""
        link = self.links.get(story.qp) if story.qp is not None else None
        return None if link is None or link[0] is story else link[0]

    # ---- what happens

    def _opened(self, story: Story) -> None:
        """A message has arrived."""
        remember(self._recent, story.qp or 0, story, RECENT_MAX)
        origin = self.origin(story)
        if (origin is not None and origin.is_wanted) or self.wanted.is_story(story):
            self._want(story)

    def _started(self, attempt: Attempt) -> None:
        """A delivery has begun; without its arrival in the log this may be the first of a message."""
        story = attempt.story
        if not story.is_wanted and (self.wanted.is_attempt(attempt)
                                 or (story.info is None and self.wanted.is_story(story))):
            self._want(story)

    def _finished(self, attempt: Attempt) -> None:
        """A delivery has ended."""
        if not attempt.story.is_wanted and self.wanted.is_text(attempt):
            self._want(attempt.story)
        if attempt.verdict == "success" and attempt.channel == b"local" and b"qp_" in attempt.text:
            for digits in _FORWARDED.findall(attempt.text):
                self._linked(attempt.story, FORWARD, int(digits))

    def _linked(self, story: Story, how: str, qp: int) -> None:
        """A message has begun another one, which may have been seen already."""
        remember(self.links, qp, (story, how), LINKS_MAX)
        if len(story.begun) < BEGUN_MAX:
            story.begun.append((how, qp))
        other = self._recent.get(qp)
        if other is None or other is story:
            return
        if story.is_wanted:
            self._want(other)
        elif other.is_wanted:
            self._find(story)

    def _want(self, story: Story) -> None:
        """A story is asked for, or follows from one that is: so does what it has begun, and where it comes from."""
        waiting = [story]
        while waiting:
            one = waiting.pop()
            if one.is_wanted:
                continue
            one.is_wanted = True
            self._find(one)
            waiting += [self._recent[qp] for _, qp in one.begun if qp in self._recent]
        origin = self.origin(story)
        if origin is not None and not origin.is_wanted:
            self._find(origin)

    def _find(self, story: Story) -> None:
        """Keep a story to tell it."""
        if story.is_found:
            return
        story.is_found = True
        self.found.append(story)
        if len(self.found) > self._found_max:
            self.found.popleft()
            self.left_out += 1


def remember(table: OrderedDict[int, Value], key: int, value: Value, most: int) -> None:
    """Keep a value; the oldest makes room for it."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        table.popitem(last=False)
