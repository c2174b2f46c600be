"""The messages in the queue: how many there are in which state, and which are not as qmail would have left them."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from qtwisted.admin.adopt import DIFFERS, FINE, MUST, Finding
from qtwisted.admin.adopt.build import reshape, split_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.adopt import Place

SHOWN_MAX = 5
SPLIT_FOLDERS = ("mess", "info", "local", "remote")
FOLDERS = ("intd", "todo", "bounce")


class Numbers:
    """The numbers of messages by folder, and what is wrong with files."""

    def __init__(self, home: str) -> None:
        """Read every folder."""
        self._queue = f"{home}/queue"
        self._split = split_of(home)
        self.of: dict[str, set[int]] = {name: set() for name in (*SPLIT_FOLDERS, *FOLDERS)}
        self.not_inode: list[str] = []
        self.misplaced: list[str] = []
        self.foreign: list[str] = []
        self.unread: list[str] = []
        for name in SPLIT_FOLDERS:
            for number in range(self._split):
                self._read(name, f"{name}/{number}", number)
        for name in FOLDERS:
            self._read(name, name, None)

    def _read(self, folder: str, place: str, remainder: int | None) -> None:
        """Read one directory."""
        try:
            with os.scandir(f"{self._queue}/{place}") as entries:
                for entry in entries:
                    self._take(folder, place, remainder, entry)
        except OSError:
            self.unread.append(place)

    def _take(self, folder: str, place: str, remainder: int | None, entry: os.DirEntry[str]) -> None:
        """Note one file."""
        if not (entry.name.isascii() and entry.name.isdigit()):
            self.foreign.append(f"queue/{place}/{entry.name}")
            return
        if entry.is_dir(follow_symlinks=False):
            return  # said of todo and intd
        number = int(entry.name)
        self.of[folder].add(number)
        if remainder is not None and number % self._split != remainder:
            self.misplaced.append(f"queue/{place}/{entry.name}")
        elif folder == "mess" and entry.inode() != number:
            self.not_inode.append(f"queue/{place}/{entry.name}")

    def states(self) -> Counter[str]:
        """Count the states."""
        counts: Counter[str] = Counter()
        for number in set().union(*self.of.values()):
            counts[self._state(number)] += 1
        return counts

    def _state(self, number: int) -> str:
        """The state of one message, by the files there are (INTERNALS of qmail)."""
        mess, intd, todo, info = (number in self.of[name] for name in ("mess", "intd", "todo", "info"))
        if not mess:
            return "lost"
        if todo:
            return "S4"
        if info:
            return "S5"
        return "S3" if intd else "S2"


_MEANING = {
    "S2": "not yet queued or already removed", "S3": "not yet queued", "S4": "queued, not yet looked at",
    "S5": "waiting for deliveries", "lost": "without their text, which is left alone",
}


def look(place: Place) -> Iterator[Finding]:
    """Count what is there, and tell what cannot be taken over."""
    numbers = Numbers(place.home)
    if numbers.unread:
        yield Finding(DIFFERS, "queue", f"cannot be read here: {_some(numbers.unread)}; only root sees all")
        return
    states = numbers.states()
    total = sum(count for state, count in states.items() if state in ("S4", "S5"))
    yield Finding(FINE, "queue", f"{total} messages")
    for state, meaning in _MEANING.items():
        if states[state]:
            yield Finding(FINE, f"queue {state}", f"{states[state]} {meaning}")
    bounces = len(numbers.of["bounce"] & numbers.of["info"])
    if bounces:
        yield Finding(FINE, "queue/bounce", f"{bounces} messages have failures that senders will be told of")
    yield from faults(numbers, reshape(place.home))


def faults(numbers: Numbers, remedy: tuple[str, ...]) -> Iterator[Finding]:
    """Tell what is not as qmail leaves it."""
    if numbers.misplaced:
        yield Finding(MUST, "queue", f"{len(numbers.misplaced)} files are in the directory of another number, as "
                                     f"after a change of conf-split: {_some(numbers.misplaced)}", remedy)
    if numbers.not_inode:
        yield Finding(MUST, "queue/mess", f"{len(numbers.not_inode)} messages do not have the number of their inode, "
                                          f"as after a copy of the queue: {_some(numbers.not_inode)}; stop all that "
                                          "hands in mail, too, before they are renumbered", remedy)
    if numbers.foreign:
        yield Finding(DIFFERS, "queue", f"{len(numbers.foreign)} files are not qmail's, and are left alone: "
                                        f"{_some(numbers.foreign)}")


def _some(paths: list[str]) -> str:
    """The first of some paths, harmless."""
    shown = [path.encode("ascii", "backslashreplace").decode() for path in paths[:SHOWN_MAX]]
    return ", ".join(shown) + (", ..." if len(paths) > SHOWN_MAX else "")
