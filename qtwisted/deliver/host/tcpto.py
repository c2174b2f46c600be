"""Tcpto: remembers addresses where connection attempts timed out, so that nobody waits there again for an hour.

IPv4 addresses stand in the file HOME/queue/lock/tcpto, in the form of qmail's tcpto.c, which qmail-tcpto shows
and qmail-tcpok clears: 64 records of 16 bytes, namely the address, the count of timeouts, three unused bytes, the
time of the last one (little-endian) and four unused bytes. The file is locked while it is read or written. If it
is missing, empty or locked by another program, nothing is remembered and nothing is skipped.

Unlike 1.02: IPv6 addresses are remembered too, in memory, until the process ends.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDS = 64
SIZE = 16
COUNT_MAX = 10
SKIP_FROM = 2
DAMPER_FOR = 120
STEP_FOR = 64


class Past(NamedTuple):
    """What is known of an address: how many timeouts lately, and when the last of them was."""

    timeouts: int
    last_at: int

    def advises_against(self, now: int, spread: int) -> bool:
        """Tell whether to skip the address; ``spread`` moves the end of that time, so that not all come at once."""
        return self.timeouts >= SKIP_FROM and now - self.last_at < (60 + spread % 32) * STEP_FOR

    def after_timeout(self, now: int) -> Past:
        """Count one more timeout, unless it belongs to the last one."""
        if self.timeouts and now < self.last_at + DAMPER_FOR:
            return self
        return Past(min(self.timeouts + 1, COUNT_MAX), now)


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
            os.write(file, bytes(RECORDS * SIZE))
        except OSError:
            pass
        finally:
            os.close(file)

    def get(self, address: bytes) -> Past | None:
        """Look an address up."""
        with self._locked() as (_, table):
            at = _find(table, address)
            return None if at is None else _past(table, at)

    def put(self, address: bytes, past: Past) -> None:
        """Write the record of an address; if it has none, where the least is lost."""
        with self._locked() as (file, table):
            at = _find(table, address)
            if at is None:
                at = _least(table)
            if at is None:
                return
            count, last = bytes((past.timeouts,)), (past.last_at & 0xFFFFFFFF).to_bytes(4, "little")
            try:
                os.pwrite(file, address + count + bytes(3) + last + bytes(4), at)
            except OSError:
                pass

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
        table = os.pread(file, RECORDS * SIZE, 0)
    except OSError:
        return b""
    return table[: len(table) // SIZE * SIZE]


def _find(table: bytes, address: bytes) -> int | None:
    """Find where the record of an address begins."""
    return next((at for at in range(0, len(table), SIZE) if table[at : at + 4] == address), None)


def _past(table: bytes, at: int) -> Past:
    """Read a record."""
    return Past(table[at + 4], int.from_bytes(table[at + 8 : at + 12], "little"))


def _least(table: bytes) -> int | None:
    """Find the record to give up: the first without timeouts, else the oldest, each timeout worth 1024 seconds."""
    pasts = [(at, _past(table, at)) for at in range(0, len(table), SIZE)]
    free = next((at for at, past in pasts if not past.timeouts), None)
    if free is not None or not pasts:
        return free
    return min(pasts, key=lambda entry: entry[1].last_at + 1024 * entry[1].timeouts)[0]


class MemoryTable:
    """The table of IPv6 addresses."""

    def __init__(self) -> None:
        """Begin empty."""
        self._known: dict[bytes, Past] = {}

    def get(self, address: bytes) -> Past | None:
        """Look an address up."""
        return self._known.get(address)

    def put(self, address: bytes, past: Past) -> None:
        """Remember an address; of too many the one remembered first is forgotten."""
        self._known.pop(address, None)
        self._known[address] = past
        if len(self._known) > RECORDS:
            del self._known[next(iter(self._known))]


class Tcpto:
    """The memory of one mail system."""

    def __init__(self, path: str, wall: Callable[[], float] = time.time) -> None:
        """Use the file at ``path`` for IPv4, and ``wall`` as the clock on the wall, which other programs share."""
        self._file = FileTable(path)
        self._memory = MemoryTable()
        self._wall = wall

    def clear(self) -> None:
        """Forget everything."""
        self._file.clear()
        self._memory = MemoryTable()

    def advises_against(self, address: str, spread: int) -> bool:
        """Tell whether to skip an address."""
        table, key = self._place(address)
        past = table.get(key)
        return past is not None and past.advises_against(int(self._wall()), spread)

    def connected(self, address: str) -> None:
        """Learn that an address answers."""
        table, key = self._place(address)
        past = table.get(key)
        if past is not None and past.timeouts:
            table.put(key, past._replace(timeouts=0))

    def timed_out(self, address: str) -> None:
        """Learn that an address did not answer."""
        table, key = self._place(address)
        past = table.get(key) or Past(0, 0)
        after = past.after_timeout(int(self._wall()))
        if after is not past:
            table.put(key, after)

    def _place(self, address: str) -> tuple[FileTable | MemoryTable, bytes]:
        """Say which table an address belongs to, and its bytes."""
        packed = ipaddress.ip_address(address).packed
        return (self._file if len(packed) == 4 else self._memory), packed
