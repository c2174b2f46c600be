"""The table of addresses where connections timed out, as it lies in HOME/queue/lock/tcpto.

It has 64 records of 16 bytes, in the form of qmail's tcpto.c: the address, the count of timeouts, three unused bytes,
the time of the last one (little-endian) and four unused bytes. A record without timeouts is free.
"""

from __future__ import annotations

import os

from qtwisted.model.frozen import NamedTuple

#: root may work on the table, in a directory that is not root's: no link leads to another file, no FIFO holds us up
OWN_FILE = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

RECORDS = 64
SIZE = 16
TABLE_SIZE = RECORDS * SIZE

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


def find(table: bytes, address: bytes) -> int | None:
    """Find where the record of an address begins."""
    return next((at for at in range(0, len(table), SIZE) if table[at : at + 4] == address), None)


def past(table: bytes, at: int) -> Past:
    """Read the record that begins at a place."""
    return Past(table[at + 4], int.from_bytes(table[at + 8 : at + 12], "little"))


def record(address: bytes, known: Past) -> bytes:
    """Write a record."""
    last = (known.last_at & 0xFFFFFFFF).to_bytes(4, "little")
    return address + bytes((known.timeouts,)) + bytes(3) + last + bytes(4)


def least(table: bytes) -> int | None:
    """Find the record to give up: the first without timeouts, else the oldest, each timeout worth 1024 seconds."""
    pasts = [(at, past(table, at)) for at in range(0, len(table), SIZE)]
    free = next((at for at, known in pasts if not known.timeouts), None)
    if free is not None or not pasts:
        return free
    return min(pasts, key=lambda entry: entry[1].last_at + 1024 * entry[1].timeouts)[0]
