"""Compiled tables: is each as new as the text it was made from, and whole?"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.checks import STALE, Finding
from qtwisted.config import cdb

if TYPE_CHECKING:
    from collections.abc import Iterator


class Table(NamedTuple):
    """A table, its source, and the program that makes the one from the other."""

    path: str
    source: str
    program: str


_HEAD = 2048
ALL = (
    Table("control/morercpthosts.cdb", "control/morercpthosts", "qmail-newmrh"),
    Table("users/cdb", "users/assign", "qmail-newu"),
)


def check(home: str) -> Iterator[Finding]:
    """Look at every table."""
    for table in ALL:
        yield from compare(home, table)


def compare(home: str, table: Table) -> Iterator[Finding]:
    """Compare a table with its source, and read it."""
    path, source = (os.path.join(home, name) for name in (table.path, table.source))
    made_at, written_at = _changed_at(path), _changed_at(source)
    if made_at is None:
        if written_at is not None:
            yield Finding(STALE, path, None, f"does not exist, but {table.source} does; run {table.program}")
        return
    if written_at is None:
        yield Finding(STALE, path, None, f"counts, but {table.source} does not exist")
    elif written_at > made_at:
        yield Finding(STALE, path, None, f"is older than {table.source}; run {table.program}")
    yield from damage(path)


def _changed_at(path: str) -> int | None:
    """When a file was written; None if there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def damage(path: str) -> Iterator[Finding]:
    """A table that is cut off or no table at all."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return  # who may not read it has been told
    try:
        if len(content) < _end(content):
            raise cdb.CdbError("the file is too short")
        reader = cdb.Reader(content)
        for key, _ in cdb.records(content):
            if reader.get(key) is None:
                raise cdb.CdbError("the table does not lead to all of its records")
    except cdb.CdbError as trouble:
        yield Finding(STALE, path, None, f"is damaged: {trouble}")


def _end(content: bytes) -> int:
    """Where the last of the 256 hash tables ends, as the head of a table tells."""
    pairs = struct.iter_unpack("<II", content[:_HEAD].ljust(_HEAD, b"\xff"))
    return max(int(at + 8 * slots) for at, slots in pairs)
