"""What an operator may name to have a message's story told: its number, its qp, a delivery, an address, a Message-ID.

Addresses are compared as the log shows them, in either case, with ``*`` and ``?`` as in file names. The log shows
recipients in virtual domains with the controlling user in front; they are found without it.
"""

from __future__ import annotations

import os
import re
from fnmatch import translate
from typing import TYPE_CHECKING

from qtwisted.admin.refusal import Refused
from qtwisted.model.header import field_name
from qtwisted.model.logline import logsafe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qtwisted.admin.logs.stories import Attempt, Story

HEADER_MAX = 1 << 16
NUMBERED = ("msg", "qp", "delivery")


class Wanted:
    """Which stories are asked for."""

    def __init__(self, words: Sequence[str], home: str) -> None:
        """Understand the words; raise Refused where they make no sense."""
        self.words = list(words)
        self.number: int | None = None
        self.qp: int | None = None
        self.delivery: int | None = None
        self.message_id: bytes | None = None
        self.notes: list[str] = []
        self.in_queue: set[int] = set()
        self._address: re.Pattern[bytes] | None = None
        self._understand(home)

    def _understand(self, home: str) -> None:
        """Sort out what was meant."""
        for name in NUMBERED:
            if name in self.words[:-1]:  # the reply that a client got may be given as it was: 250 ok TIME qp N
                self._set(name, self.words[self.words.index(name) + 1])
                return
        if len(self.words) != 1:
            raise Refused(f"one thing at a time: msg N, qp N, delivery N, an address or <a Message-ID>, "
                          f"not {' '.join(self.words)!r}")
        word = self.words[0]
        if word.isascii() and word.isdigit():
            self._set("msg", word)
        elif word.startswith("<") and word.endswith(">") and len(word) > 2:
            self._look_up(os.fsencode(word), home)
        else:
            self._address = pattern(word)

    def _set(self, name: str, digits: str) -> None:
        """Look for a number."""
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
            raise Refused(f"{name} {digits}: not a number")
        setattr(self, "number" if name == "msg" else name, int(digits))

    def _look_up(self, message_id: bytes, home: str) -> None:
        """Look for the message with this Message-ID in the queue; the log does not have it."""
        self.message_id = logsafe(message_id)
        closed = 0
        for number, path in queued(home):
            try:
                if message_id in message_ids(path):
                    self.in_queue.add(number)
            except FileNotFoundError:
                continue  # it has just left
            except OSError:
                closed += 1
        if closed:
            self.notes.append(f"{closed} messages in the queue cannot be read; ask as root")

    # ---- what matches

    def is_story(self, story: Story) -> bool:
        """Whether what is known of a message at its arrival is what was asked for."""
        if self.number is not None:
            return story.number == self.number
        if self.qp is not None:
            return story.qp == self.qp
        if self._address is not None and story.info is not None:
            return self._address.fullmatch(story.info.sender) is not None
        return story.number in self.in_queue

    def is_attempt(self, attempt: Attempt) -> bool:
        """Whether a delivery that begins belongs to what was asked for."""
        if self.delivery is not None:
            return attempt.delivery == self.delivery
        return self._address is not None and self._address.fullmatch(attempt.recipient) is not None

    def is_text(self, attempt: Attempt) -> bool:
        """Whether a report names what was asked for."""
        return self.message_id is not None and self.message_id in attempt.text


def pattern(word: str) -> re.Pattern[bytes]:
    """What an address must look like; without a host it is any host's, without a user any user's."""
    if word.startswith("@"):
        word = "*" + word
    elif "@" not in word and word != "*":
        word += "@*"
    shown = logsafe(os.fsencode(word)).decode("ascii")
    return re.compile(b"(?:.*-)?" + translate(shown).encode(), re.IGNORECASE)


# ---- Message-IDs in the queue


def queued(home: str) -> Iterator[tuple[int, str]]:
    """The messages in the queue: number and file."""
    mess = os.path.join(home, "queue", "mess")
    for here, _, names in os.walk(mess):
        for name in names:
            if name.isdigit():
                yield int(name), os.path.join(here, name)


def message_ids(path: str) -> list[bytes]:
    """The Message-IDs in the header of a file."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        header = file.read(HEADER_MAX).partition(b"\n\n")[0]
    fields = re.sub(rb"\r?\n[ \t]+", b" ", header).split(b"\n")
    return [ident for field in fields if field_name(field) == b"message-id"
            for ident in re.findall(rb"<[^<>\s]+>", field)]
