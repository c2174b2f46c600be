"""Tcpto: remembers addresses where connection attempts timed out, so that nobody waits there again for an hour.

IPv4 addresses stand in the file HOME/queue/lock/tcpto, which qmail-tcpto shows and qmail-tcpok clears (its form is in
``table``). The file is locked while it is read or written. If it is missing, empty or locked by another program,
nothing is remembered and nothing is skipped.

Unlike 1.02: IPv6 addresses are remembered too, in memory, until the process ends or finds the file cleared.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtwisted.deliver.host.table import RECORDS, SIZE, TABLE_SIZE, Past, find, least, past, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class FileTable:
    """The table of IPv4 addresses."""

    def __init__(self, path: str) -> None:
        """Use the file at ``path``, if there is one."""
        self._path = path

    def clear(self) -> None:
        """Forget everything, as qmail-rspawn does when it starts."""
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        try:
            os.write(file, bytes(TABLE_SIZE))
        except OSError:
            pass
        finally:
            os.close(file)

    def get(self, address: bytes) -> Past | None:
        """Look an address up."""
        with self._locked() as (_, table):
            at = find(table, address)
            return None if at is None else past(table, at)

    def put(self, address: bytes, known: Past) -> None:
        """Write the record of an address; if it has none, where the least is lost."""
        with self._locked() as (file, table):
            at = find(table, address)
            if at is None:
                at = least(table)
            if at is None:
                return
            try:
                os.pwrite(file, record(address, known), at)
            except OSError:
                pass

    def written_at(self) -> int | None:
        """Tell when the file was last written, in nanoseconds."""
        try:
            return os.stat(self._path, follow_symlinks=False).st_mtime_ns
        except OSError:
            return None

    def is_cleared(self) -> bool:
        """Tell whether nothing at all is in the table, which only qmail-tcpok and a start of qmail-rspawn do."""
        with self._locked() as (_, table):
            return bool(table) and not any(table)

    @contextmanager
    def _locked(self) -> Iterator[tuple[int, bytes]]:
        """Lend the open file and what is in it; an empty table if there is no use of the file now."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            yield -1, b""
            return
        try:
            yield file, _read(file)
        finally:
            os.close(file)


def _read(file: int) -> bytes:
    """Lock the file and read its whole records, without waiting for another program."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        table = os.pread(file, TABLE_SIZE, 0)
    except OSError:
        return b""
    return table[: len(table) // SIZE * SIZE]


class MemoryTable:
    """The table of IPv6 addresses."""

    def __init__(self) -> None:
        """Begin empty."""
        self._known: dict[bytes, Past] = {}

    def get(self, address: bytes) -> Past | None:
        """Look an address up."""
        return self._known.get(address)

    def put(self, address: bytes, known: Past) -> None:
        """Remember an address; of too many the one remembered first is forgotten."""
        self._known.pop(address, None)
        self._known[address] = known
        if len(self._known) > RECORDS:
            del self._known[next(iter(self._known))]


class Tcpto:
    """The memory of one mail system."""

    def __init__(self, path: str, wall: Callable[[], float] = time.time) -> None:
        """Use the file at ``path`` for IPv4, and ``wall`` as the clock on the wall, which other programs share."""
        self._file = FileTable(path)
        self._memory = MemoryTable()
        self._remembered_at = self._file.written_at()
        self._wall = wall

    def clear(self) -> None:
        """Forget everything."""
        self._file.clear()
        self._memory = MemoryTable()

    def advises_against(self, address: str, spread: int) -> bool:
        """Tell whether to skip an address."""
        table, key = self._place(address)
        known = table.get(key)
        if known is None or not known.advises_against(int(self._wall()), spread):
            return False
        if table is self._memory and self._file.written_at() != self._remembered_at and self._file.is_cleared():
            self._memory = MemoryTable()
            return False
        return True

    def connected(self, address: str) -> None:
        """Learn that an address answers."""
        table, key = self._place(address)
        known = table.get(key)
        if known is not None and known.timeouts:
            table.put(key, known._replace(timeouts=0))

    def timed_out(self, address: str) -> None:
        """Learn that an address did not answer."""
        table, key = self._place(address)
        known = table.get(key) or Past(0, 0)
        after = known.after_timeout(int(self._wall()))
        if after is not known:
            table.put(key, after)
        if table is self._memory:
            self._remembered_at = self._file.written_at()

    def _place(self, address: str) -> tuple[FileTable | MemoryTable, bytes]:
        """Say which table an address belongs to, and its bytes."""
        packed = ipaddress.ip_address(address).packed
        return (self._file if len(packed) == 4 else self._memory), packed
