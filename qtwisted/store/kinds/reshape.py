"""Brings a queue into the shape that the rest of the system expects, while nothing else uses it.

A message may be in a directory that does not fit the split (conf-split was changed, or the queue is of a system
without split directories), or have a number that is not that of the inode of its text (a restored backup, a file
system that does not keep inode numbers). It is moved to where it belongs.

Rules the file keeps, so that a power cut or a kill at any step loses no message, and another run goes on from there:

* Files are moved by giving them their new name and then taking the old one away, never by a rename.
* A message is what its info (or todo, before it is planned) says it is. All other files have their new names,
  durably, before that one gets its own; and that one loses its old name, durably, before any other does.
* So at every moment the message is there, whole, under the old number or the new one. A crash between the two, and
  qmail-send started instead of another run, could deliver a message twice; never not at all.
* A number is taken only if nothing alive has it. Rests of a message that is no more are taken away first.
* A message whose own number is taken by another one, which is wrong there as well, gets one that no inode has. It
  gets its own in the next round.
"""

from __future__ import annotations

import stat

from qtwisted.model.frozen import NamedTuple
from qtwisted.store.kinds.ledger import message_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from qtwisted.system.disk import Disk

SPLIT_KINDS = ("mess", "info", "local", "remote")
KINDS = (*SPLIT_KINDS, "bounce", "todo", "intd")

#: numbers from here on are those of no inode
SPARE_FROM = 1 << 62
#: so many messages are made durable together
TOGETHER = 500
#: so many directories are synced one by one; more are synced as a whole file system
SYNCS_MAX = 8

#: what a planned message has beside info
_PLANNED = ("mess", "local", "remote", "bounce")

Paths = dict[str, str]


class Move(NamedTuple):
    """One message on its way: its files as they are named, and as they will be.

    ``switch`` is the file that makes the message what it is: info, todo, or none if it is abandoned.
    """

    number: int
    target: int
    old: Paths
    new: Paths
    switch: str | None
    beside: Sequence[str]


class Reshape:
    """The work on one queue. All names are relative to HOME/queue, which the Disk resolves."""

    def __init__(
        self,
        disk: Disk,
        split: int,
        directories: Mapping[str, Sequence[str]],
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        """*directories* gives for each kind of file all those that may hold some, wherever they come from."""
        self._disk = disk
        self._split = split
        self._directories = directories
        self._warn = warn
        self._spare = SPARE_FROM
        self._batch: dict[int, Move] = {}
        self._astray: set[int] = set()

    def run(self) -> tuple[int, int]:
        """Do everything; tell how many messages were moved to another directory, and to another number."""
        self._astray = self._misplaced()
        moved = self._round(lambda number, inode: number if number in self._astray else None)
        self._astray = set()
        renumbered = self._round(lambda number, inode: inode if number != inode else None)
        # Whoever gave way to another message finds his own place free now.
        self._round(lambda number, inode: inode if number != inode else None)
        return moved, renumbered

    def _misplaced(self) -> set[int]:
        """Collect the numbers of all files that are not in the directories where they belong."""
        return {
            number
            for kind in KINDS
            for directory in self._directories[kind]
            for number in self._numbers(directory)
            if directory != self._home(kind, number)
        }

    def _round(self, wanted: Callable[[int, int], int | None]) -> int:
        """Move every message whose number and inode make *wanted* give the number it should have."""
        count = 0
        for directory in self._directories["mess"]:
            for number in list(self._numbers(directory)):  # what is moved there meanwhile is not among them
                inode = self._inode(f"{directory}/{number}")
                target = None if inode is None else wanted(number, inode)
                if target is not None:
                    count += self._take_up(directory, number, target)
        self._carry_out()
        return count

    def _numbers(self, directory: str) -> Iterator[int]:
        """Go through the numbers of the files in a directory."""
        for name, _ in self._disk.names(directory):
            number = message_number(name)
            if number is not None:
                yield number

    def _take_up(self, directory: str, number: int, wanted: int) -> bool:
        """Have a message moved with others; say whether it has to be moved at all."""
        move = self._plan(directory, number, wanted)
        if move is not None and move.target in self._batch:
            self._carry_out()
            move = self._plan(directory, number, wanted)
        if move is None:
            return False
        self._batch[move.target] = move
        if len(self._batch) >= TOGETHER:
            self._carry_out()
        return True

    # Planning

    def _plan(self, directory: str, number: int, wanted: int) -> Move | None:
        """Find out where the files of a message are and where they should be; None if that is the same."""
        if not self._exists(f"{directory}/{number}"):
            return None
        old = self._find(directory, number)
        switch = "todo" if "todo" in old else "info" if "info" in old else None
        if switch is None and self._is_left_over(old["mess"], wanted):
            return Move(number, wanted, old, {kind: self._path(kind, wanted) for kind in old}, None, ())
        target = self._free(wanted, number, old)
        new = {kind: self._path(kind, target) for kind in old}
        if old == new:
            return None
        return Move(number, target, old, new, switch, _PLANNED if switch == "info" else ("mess",))

    def _is_left_over(self, text: str, wanted: int) -> bool:
        """Tell whether an earlier run moved a message, and only the old name of its text is still there."""
        place = self._path("mess", wanted)
        return place != text and self._exists(place) and self._same(place, text)

    def _find(self, directory: str, number: int) -> Paths:
        """Find all files of the message whose text is in a directory."""
        part = directory.partition("/")[2]
        is_rival = directory != self._home("mess", number) and self._exists(self._path("mess", number))
        is_rival = is_rival and not self._same(self._path("mess", number), f"{directory}/{number}")
        found = {"mess": f"{directory}/{number}"}
        for kind in KINDS[1:]:
            for candidate in self._candidates(kind, part, number, is_rival):
                if self._exists(f"{candidate}/{number}"):
                    found[kind] = f"{candidate}/{number}"
                    break
        return found

    def _candidates(self, kind: str, part: str, number: int, is_rival: bool) -> Iterator[str]:
        """Say where a file of a message may be: beside its text, where it belongs, or elsewhere if nobody else's.

        If another message of the same number is where it belongs, what is not split is that one's.
        """
        beside = f"{kind}/{part}" if part else kind
        if kind in SPLIT_KINDS:
            yield from (beside,) if beside in self._directories[kind] else ()
        if is_rival:
            return
        yield self._home(kind, number)
        for directory in self._directories[kind] if number in self._astray else ():
            other = "mess" + directory[len(kind) :]
            if other not in self._directories["mess"] or not self._exists(f"{other}/{number}"):
                yield directory

    def _free(self, wanted: int, number: int, old: Paths) -> int:
        """Give the wanted number if it can be had, else the present one, or one of no inode."""
        if self._is_free(wanted, old):
            return wanted
        if wanted == number or self._inode(self._path("mess", wanted)) not in (None, wanted):
            return self._next_spare()
        self._warn(f"warning: message {number} cannot get the number {wanted}, of which there are files")
        return number

    def _is_free(self, number: int, old: Paths) -> bool:
        """Tell whether a number is nobody else's: what has it is nothing alive, or the same file already."""
        for kind in ("mess", "info", "todo"):
            path = self._path(kind, number)
            if self._exists(path) and not (kind in old and self._same(path, old[kind])):
                return False
        return True

    def _next_spare(self) -> int:
        """Give a number that no inode and no message has."""
        while True:
            self._spare += 1
            if not any(self._exists(self._path(kind, self._spare)) for kind in KINDS):
                return self._spare

    # Moving

    def _carry_out(self) -> None:
        """Move the messages that were planned, all of them through each step together."""
        moves, self._batch = list(self._batch.values()), {}
        for step in (self._clear, self._add_beside, self._add_switch, self._drop_switch, self._drop_beside):
            changed: set[str] = set()
            for move in moves:
                changed.update(path.rpartition("/")[0] for path in step(move))
            self._sync(changed)

    def _clear(self, move: Move) -> Iterator[str]:
        """Take away what was begun of a plan while the message is still in todo."""
        if move.switch == "todo":
            for kind in ("info", "local", "remote", "bounce"):
                if kind in move.old:
                    yield from self._discard(move.old[kind])

    def _add_beside(self, move: Move) -> Iterator[str]:
        """Give the new names to all files but the one that counts."""
        for kind in KINDS if move.switch is not None and move.target != move.number else move.beside:
            if kind != move.switch:
                yield from self._add(move, kind)

    def _add(self, move: Move, kind: str) -> Iterator[str]:
        """Give one file its new name; a rest of another message that has it gives way."""
        new = self._path(kind, move.target)
        old = move.old.get(kind) if kind in move.beside else None
        if old == new or (old is not None and self._exists(new) and self._same(old, new)):
            return
        yield from self._discard(new)
        if old is not None:
            self._disk.link(old, new)
            yield new

    def _add_switch(self, move: Move) -> Iterator[str]:
        """Give its new name to the file that counts."""
        if move.switch is not None and not self._exists(move.new[move.switch]):
            self._disk.link(move.old[move.switch], move.new[move.switch])
            yield move.new[move.switch]

    def _drop_switch(self, move: Move) -> Iterator[str]:
        """Take its old name away."""
        if move.switch is not None and move.old[move.switch] != move.new[move.switch]:
            yield from self._discard(move.old[move.switch])

    def _drop_beside(self, move: Move) -> Iterator[str]:
        """Take all other old names away."""
        for kind, path in move.old.items():
            if kind != move.switch and path != move.new[kind]:
                yield from self._discard(path)

    # Looking and changing

    def _home(self, kind: str, number: int) -> str:
        """Name the directory where a file of a message belongs."""
        return f"{kind}/{number % self._split}" if kind in SPLIT_KINDS else kind

    def _path(self, kind: str, number: int) -> str:
        """Name a file of a message where it belongs."""
        return f"{self._home(kind, number)}/{number}"

    def _exists(self, path: str) -> bool:
        """Is there a file of that name?"""
        return self._inode(path) is not None

    def _inode(self, path: str) -> int | None:
        """Give the inode of a file; None if there is none, or something that is no file."""
        try:
            found = self._disk.stat(path)
        except FileNotFoundError:
            return None
        return found.st_ino if stat.S_ISREG(found.st_mode) else None

    def _same(self, one: str, other: str) -> bool:
        """Are these two names of one file?"""
        return self._inode(one) == self._inode(other)

    def _discard(self, path: str) -> Iterator[str]:
        """Take a name away if it is there."""
        if self._disk.discard(path):
            yield path

    def _sync(self, directories: set[str]) -> None:
        """Make names durable."""
        if len(directories) > SYNCS_MAX:
            self._disk.syncfs()
            return
        for directory in sorted(directories):
            self._disk.fsync_dir(directory)
