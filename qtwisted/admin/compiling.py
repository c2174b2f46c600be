"""Tables that programs look things up in, the texts they are compiled from, and how: users, more hosts, aliases.

A table is put in place of the old one when it is whole and safe on disk, so it may be done while mail flows.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.config import cdb, newmrh, newu
from qtwisted.config.aliases import newaliases, sources
from qtwisted.config.aliases.instructions import TableError
from qtwisted.config.replace import ReplaceError, replace
from qtwisted.model import oserrors
from qtwisted.system.ending import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Record = tuple[bytes, bytes]

MISSING, OLDER, CURRENT = "missing", "older than its source", "up to date"
NO_SOURCE, UNUSED = "not there, nor is its source", "not used here: no .qmail file of the alias user says fastforward"


class Mistake(ValueError):
    """A source makes no sense, or a table cannot be written; the text begins with the file and the line."""


class Table(NamedTuple):
    """A table and its source, below the home unless they begin at the root, and what turns the one into the other."""

    target: str
    source: str
    compiled: Callable[[str, bytes], Sequence[Record]]
    in_use: Callable[[str, str], bool] = lambda home, target: True

    def make(self, home: str) -> int:
        """Compile it; gives the number of records, raises Mistake or OSError."""
        source, target = os.path.join(home, self.source), os.path.join(home, self.target)
        with open(source, "rb") as file:
            text = file.read()
        records = self.compiled(home, text)
        try:
            replace(f"{target.removesuffix('.cdb')}.tmp", target, cdb.make(records))
        except ReplaceError as trouble:
            raise Mistake(f"{target}: cannot be written: {oserrors.text(trouble.errno or 0)}") from None
        except cdb.CdbError as trouble:
            raise Mistake(f"{target}: {trouble}") from None
        return len(records)


def state(table: Table, home: str) -> str:
    """How a table stands to its source."""
    source, target = os.path.join(home, table.source), os.path.join(home, table.target)
    written_at, made_at = _changed_at(source), _changed_at(target)
    if written_at is None:
        return NO_SOURCE if made_at is None else f"there, but {table.source} is not"
    if not table.in_use(home, target):
        return UNUSED
    if made_at is None:
        return MISSING
    return OLDER if written_at > made_at else CURRENT


def is_wanted(found: str, force: bool) -> bool:
    """Is a table to be compiled?"""
    return found in (MISSING, OLDER) or (force and found == CURRENT)


def _changed_at(path: str) -> int | None:
    """When a file was written; None if there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return None


def _assignments(home: str, text: bytes) -> Sequence[Record]:
    """Compile users/assign."""
    try:
        return list(newu.compiled(text))
    except newu.AssignError as wrong:
        raise Mistake(f"{home}/users/assign:{wrong.line}: is no assignment, or the last line with a dot is missing"
                      ) from None


def _hosts(home: str, text: bytes) -> Sequence[Record]:
    """Compile control/morercpthosts."""
    return list(newmrh.compiled(text))


def _aliases(home: str, text: bytes) -> Sequence[Record]:
    """Compile /etc/aliases."""
    return list(_alias_records(home, text))


def _alias_records(home: str, text: bytes) -> Iterator[Record]:
    """Compile one entry after the other, so that a mistake has its line."""
    begin = 0
    try:
        names = sources.rewriting(newaliases.NAME, home)
    except Ending as ending:
        raise Mistake(os.fsdecode(ending.line)) from None
    for entry in sources.entries(text):
        begin = max(text.find(entry.rstrip(b"\n"), begin), begin)
        try:
            yield from newaliases.compiled(entry, names)
        except (Ending, TableError) as wrong:
            why = os.fsdecode(wrong.line) if isinstance(wrong, Ending) else str(wrong)
            why = why.partition("fatal: ")[2] or why
            line = text.count(b"\n", 0, begin) + 1
            raise Mistake(f"{newaliases.SOURCE.decode()}:{line}: {' '.join(why.split())}") from None


def _has_fastforward(home: str, target: str) -> bool:
    """Does anybody look into the table of aliases? Other mail systems have one of the same name."""
    if os.path.exists(target):
        return True
    try:
        names = [name for name in os.listdir(f"{home}/alias") if name.startswith(".qmail")]
        return any(b"fastforward" in beginning(f"{home}/alias/{name}") for name in names)
    except OSError:
        return False


def beginning(path: str) -> bytes:
    """The beginning of a file, opened without waiting; a FIFO or the like has none."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(file, 1 << 16) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    finally:
        os.close(file)


ALL = (
    Table("users/cdb", "users/assign", _assignments),
    Table("control/morercpthosts.cdb", "control/morercpthosts", _hosts),
    Table(newaliases.TARGET.decode(), newaliases.SOURCE.decode(), _aliases, _has_fastforward),
)
