"""A file system in memory that can lose power at any moment, in every way the real ones may.

PowerCutDisk has the methods of ``system.disk.Disk``. Beside what programs see it knows what is durable. After each
step ``crash_states`` gives the file systems that could be found after a power cut now, under one of two models:

* *weak*, the least POSIX promises: each name made or taken away since the last sync of its directory, and each
  content written since the last fsync of the file, may be there or not, independently of all others;
* *ordered*, a journalling file system: changes of names become durable in their order and any fsync commits all
  of them, but contents may reach the disk early, late, or in part.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Names = dict[str, dict[str, int]]

#: more states than this after one step are not tried all, but a sample
STATES_MAX = 400


class Image(NamedTuple):
    """What is found after a power cut: the names in each directory, and contents by inode number."""

    names: dict[str, dict[str, int]]
    contents: dict[int, bytes]

    def read(self, path: str) -> bytes | None:
        """Read a file; None if it does not exist."""
        directory, _, name = path.rpartition("/")
        number = self.names[directory].get(name)
        return None if number is None else self.contents[number]


class Found(NamedTuple):
    """The part of a stat result that the queue looks at."""

    st_ino: int
    st_nlink: int
    st_size: int
    st_mode: int = 0o100644
    st_atime: float = 0.0
    st_mtime: float = 0.0
    st_ctime: float = 0.0


class PowerCutDisk:
    """A file system, and what of it is durable."""

    def __init__(
        self, image: Image, model: str, skips: Callable[[str, str], bool] = lambda step, what: False
    ) -> None:
        """Start from an image; ``skips`` names syncs that shall silently do nothing (for mutants)."""
        self.model = model
        self.names_now: Names = {directory: dict(names) for directory, names in image.names.items()}
        self.names_durable: Names = {directory: dict(names) for directory, names in image.names.items()}
        self.contents = dict(image.contents)
        self.durable = dict(image.contents)
        self.versions: dict[int, list[bytes]] = {}
        self.pending: list[list[tuple[str, str, int | None]]] = []
        self.unsynced: dict[int, set[str]] = {}
        self.after_step: Callable[[], None] = lambda: None
        self.fails: Callable[[str, str], int] = lambda step, what: 0
        self.steps: list[tuple[str, str]] = []
        self._skips = skips
        self._fds: dict[int, tuple[int, list[int]]] = {}
        self._next_fd = 100
        self._next_inode = max([1000, *image.contents]) + 1

    # Power cuts

    def crash_states(self) -> Iterator[Image]:
        """Give what may be found after a power cut now: all possibilities, or a sample with the extremes."""
        names = self._weak_names() if self.model == "weak" else self._ordered_names()
        contents = [(number, self._possible(number)) for number in self.versions]
        axes = [*names, *[[(number, version) for version in versions] for number, versions in contents]]
        total = 1
        for axis in axes:
            total *= len(axis)
        if total <= STATES_MAX:
            choices: Iterator[tuple[object, ...]] = itertools.product(*axes)
        else:
            chance = random.Random(len(self.steps))
            picked = [tuple(axis[0] for axis in axes), tuple(axis[-1] for axis in axes)]
            picked += [tuple(chance.choice(axis) for axis in axes) for _ in range(STATES_MAX)]
            choices = iter(picked)
        for choice in choices:
            yield self._image(choice)

    def _weak_names(self) -> list[list[object]]:
        """For each name changed: any of the states it went through."""
        histories: dict[tuple[str, str], list[object]] = {}
        for transaction in self.pending:
            for directory, name, number in transaction:
                before = self.names_durable[directory].get(name)
                history = histories.setdefault((directory, name), [[(directory, name, before)]])
                history.append([(directory, name, number)])
        return list(histories.values())

    def _ordered_names(self) -> list[list[object]]:
        """The first so many transactions are durable, the others are not."""
        prefixes: list[object] = [[]]
        done: list[tuple[str, str, int | None]] = []
        for transaction in self.pending:
            done = done + transaction
            prefixes.append(done)
        return [prefixes]

    def _possible(self, number: int) -> list[bytes]:
        """What a file that is not synced may hold: any version, or the last one half written over the one before."""
        versions = [self.durable.get(number, b""), *self.versions[number]]
        last, before = versions[-1], versions[-2]
        half = len(last) // 2
        torn = last[:half] + (before[half:] if len(before) > half else bytes(len(last) - half))
        return [*versions, torn]

    def _image(self, choice: tuple[object, ...]) -> Image:
        """Put a file system together."""
        names = {directory: dict(found) for directory, found in self.names_durable.items()}
        contents = {number: self.durable.get(number, b"") for number in self.contents}
        for part in choice:
            if isinstance(part, tuple):
                contents[part[0]] = part[1]
            else:
                for directory, name, number in part:  # type: ignore[attr-defined]
                    if number is None:
                        names[directory].pop(name, None)
                    else:
                        names[directory][name] = number
        return Image(names, contents)

    # Steps

    def _step(self, step: str, what: str) -> None:
        """Note a step, or fail it if the test wants that."""
        number = self.fails(step, what)
        if number:
            raise OSError(number, os.strerror(number), what)
        self.steps.append((step, what))

    def _change(self, *changes: tuple[str, int | None]) -> None:
        """Change names in one transaction."""
        transaction = []
        for path, number in changes:
            directory, _, name = path.rpartition("/")
            if number is None:
                del self.names_now[directory][name]
            else:
                self.names_now[directory][name] = number
            transaction.append((directory, name, number))
        self.pending.append(transaction)
        self.after_step()

    def _number(self, path: str) -> int:
        """Find the inode of a name."""
        directory, _, name = path.rpartition("/")
        try:
            return self.names_now[directory][name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", path) from None

    def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0) -> int:
        """Open a file."""
        self._step("open", path)
        return self._open(self._number(path))

    def create(self, path: str, mode: int = 0o644) -> int:
        """Make a file with a new inode."""
        self._step("create", path)
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, "exists", path)
        number, self._next_inode = self._next_inode, self._next_inode + 1
        self.contents[number] = b""
        self._change((path, number))
        return self._open(number)

    def create_nameless(self, directory: str, mode: int = 0o600) -> int:
        """Make a file that no directory knows, unless the test says that there are none."""
        self._step("create_nameless", directory)
        number, self._next_inode = self._next_inode, self._next_inode + 1
        self.contents[number] = b""
        return self._open(number)

    def give_name(self, fd: int, path: str) -> None:
        """Give a nameless file its name."""
        self._step("give_name", path)
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, "exists", path)
        self._change((path, self._fds[fd][0]))

    def _open(self, number: int) -> int:
        """Give a descriptor."""
        self._next_fd += 1
        self._fds[self._next_fd] = (number, [0])
        return self._next_fd

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        del self._fds[fd]

    def write_all(self, fd: int, data: bytes) -> None:
        """Write; a file that was in use before must have left durably."""
        number, at = self._fds[fd]
        self._step("write", str(number))
        if self.unsynced.get(number):
            raise AssertionError(f"inode {number} is written again before {self.unsynced[number]} are synced")
        old = self.contents[number]
        self._set(number, old[: at[0]] + data + old[at[0] + len(data) :])
        at[0] += len(data)

    def write_pieces(self, fd: int, pieces: list[bytes]) -> None:
        """Write several pieces."""
        self.write_all(fd, b"".join(pieces))

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file."""
        number = self._fds[fd][0]
        self._step("truncate", str(number))
        self._set(number, self.contents[number][:size])

    def _set(self, number: int, content: bytes) -> None:
        """Give a file a new content that is not durable."""
        self.contents[number] = content
        self.versions.setdefault(number, []).append(content)
        self.after_step()

    def utime(self, target: object, accessed_at: float, modified_at: float) -> None:
        """Times do not matter here."""

    def link(self, source: str, target: str) -> None:
        """Add a name."""
        self._step("link", target)
        if self.exists(target):
            raise FileExistsError(errno.EEXIST, "exists", target)
        self._change((target, self._number(source)))

    def rename(self, source: str, target: str) -> None:
        """Move a name."""
        self._step("rename", target)
        number = self._number(source)
        if source == target or (self.exists(target) and self._number(target) == number):
            return
        if target.startswith("pid/") and not source.startswith("pid/"):
            self.unsynced[number] = {source.rpartition("/")[0], "pid"}
        self._change((source, None), (target, number))

    def rename_new(self, source: str, target: str) -> None:
        """Move a name to one that is free."""
        if self.exists(target):
            raise FileExistsError(errno.EEXIST, "exists", target)
        self.rename(source, target)

    def unlink(self, path: str) -> None:
        """Take a name away."""
        self._step("unlink", path)
        self._number(path)
        self._change((path, None))

    def discard(self, path: str) -> bool:
        """Take a name away if it is there."""
        if not self.exists(path):
            return False
        self.unlink(path)
        return True

    # Syncs

    def fsync(self, fd: int) -> None:
        """Make a content durable; with a journal, all names too."""
        number = self._fds[fd][0]
        kind = "envelope" if self.contents[number].startswith(b"u") else "text"
        self._step("fsync", kind)
        if not self._skips("fsync", kind):
            self._settle(number)
            if self.model == "ordered":
                self._commit()
        self.after_step()

    def fsync_dir(self, path: str) -> None:
        """Make the names in a directory durable; with a journal, all names."""
        self._step("fsync_dir", path)
        if not self._skips("fsync_dir", path):
            self._synced(path)
            if self.model == "ordered":
                self._commit()
            else:
                self._commit(path)
        self.after_step()

    def syncfs(self) -> None:
        """Make everything durable."""
        self._step("syncfs", "")
        if not self._skips("syncfs", ""):
            self._commit()
            for number in list(self.versions):
                self._settle(number)
            for directory in self.names_now:
                self._synced(directory)
        self.after_step()

    def _settle(self, number: int) -> None:
        """A content is durable."""
        self.durable[number] = self.contents[number]
        self.versions.pop(number, None)

    def _commit(self, only: str | None = None) -> None:
        """Changes of names are durable, all or those in one directory."""
        kept = []
        for transaction in self.pending:
            rest = []
            for directory, name, number in transaction:
                if only not in (None, directory):
                    rest.append((directory, name, number))
                elif number is None:
                    self.names_durable[directory].pop(name, None)
                else:
                    self.names_durable[directory][name] = number
            if rest:
                kept.append(rest)
        self.pending = kept

    def _synced(self, directory: str) -> None:
        """Files taken away have left this directory durably."""
        for directories in self.unsynced.values():
            directories.discard(directory)

    # Looking

    def _found(self, number: int) -> Found:
        """Describe a file."""
        links = sum(list(names.values()).count(number) for names in self.names_now.values())
        return Found(number, links, len(self.contents[number]))

    def stat(self, path: str) -> Found:
        """Look at a file."""
        return self._found(self._number(path))

    def fstat(self, fd: int) -> Found:
        """Look at an open file."""
        return self._found(self._fds[fd][0])

    def exists(self, path: str) -> bool:
        """Is there such a name?"""
        directory, _, name = path.rpartition("/")
        return name in self.names_now[directory]

    def names(self, path: str) -> Iterator[tuple[str, int]]:
        """Go through a directory."""
        yield from list(self.names_now[path].items())

    def image(self) -> Image:
        """What a program sees now."""
        return Image(
            {directory: dict(names) for directory, names in self.names_now.items()}, dict(self.contents)
        )

    def open_descriptors(self) -> int:
        """Count descriptors that were not closed."""
        return len(self._fds)


def empty_queue(split: int) -> Image:
    """The directories of a queue without messages, as far as the door and these tests use them."""
    parts = [f"mess/{part}" for part in range(split)]
    return Image({directory: {} for directory in ["pid", "intd", "todo", "info", *parts]}, {})
