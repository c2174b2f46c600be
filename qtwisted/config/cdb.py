"""The constant database: users/cdb and control/morercpthosts.cdb, in the format every cdb tool reads.

All numbers have 32 bits, low byte first. The file has three parts: 256 pairs (place of a hash table, number
of its slots); the records (key length, data length, key, data); the hash tables, whose slots are pairs
(hash, place of the record). A record stands in table ``hash mod 256``, in the first slot from ``hash div
256`` on that was free; so the first of equal keys is found first.
"""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PAIR = struct.Struct("<II")
_TABLES = 256
_RECORDS_AT = _TABLES * _PAIR.size


class CdbError(Exception):
    """The file is not a whole cdb, or could not be read."""


def hash_of(key: bytes) -> int:
    """Compute the hash of a key (cdb_hash.c)."""
    value = 5381
    for byte in key:
        value = (value * 33 & 0xFFFFFFFF) ^ byte
    return value


class Reader:
    """Looks up keys. The file is read, not mapped, so that truncating it is an error and no crash."""

    def __init__(self, data: bytes = b"", file: int | None = None) -> None:
        """Read from memory, or from a descriptor, which then belongs to the reader."""
        self._data = data
        self._file = file
        self._size = len(data) if file is None else os.fstat(file).st_size

    @classmethod
    def open(cls, path: str) -> Reader:
        """Read from a file; raise OSError if it cannot be opened."""
        return cls(file=os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))

    def close(self) -> None:
        """Close the file; it may be done twice."""
        file, self._file, self._size = self._file, None, 0
        if file is not None:
            os.close(file)

    __del__ = close

    def __enter__(self) -> Reader:
        """Use the reader in a ``with`` statement."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self.close()

    def get(self, key: bytes) -> bytes | None:
        """Find the data of the first record with that key, or None; raise CdbError on damage."""
        value = hash_of(key)
        table, slots = self._pair(value % _TABLES * _PAIR.size)
        for step in range(slots):
            slot = (value // _TABLES + step) % slots
            found, place = self._pair(table + slot * _PAIR.size)
            if not place:
                return None
            if found == value:
                key_length, data_length = self._pair(place)
                if key_length == len(key) and self._bytes(place + _PAIR.size, key_length) == key:
                    return self._bytes(place + _PAIR.size + key_length, data_length)
        return None

    def _pair(self, at: int) -> tuple[int, int]:
        """Read two numbers."""
        first, second = _PAIR.unpack(self._bytes(at, _PAIR.size))
        return first, second

    def _bytes(self, at: int, length: int) -> bytes:
        """Read exactly so many bytes; a length that leads beyond the end is damage and allocates nothing."""
        if at + length > self._size:
            raise CdbError("the file is too short")
        try:
            found = self._data[at : at + length] if self._file is None else os.pread(self._file, length, at)
        except OSError as error:
            raise CdbError(str(error)) from error
        if len(found) != length:
            raise CdbError("the file is too short")
        return found


def make(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Make the image of a database; raise CdbError if it would pass 4 GB, which its numbers cannot say."""
    pieces: list[bytes] = []
    tables: list[list[tuple[int, int]]] = [[] for _ in range(_TABLES)]
    at = _RECORDS_AT
    for key, data in records:
        value = hash_of(key)
        tables[value % _TABLES].append((value, at))
        pieces += (_PAIR.pack(len(key), len(data)), key, data)
        at += _PAIR.size + len(key) + len(data)
    header = []
    for entries in tables:
        slots = _slots(entries)
        if at + len(slots) * _PAIR.size > 0xFFFFFFFF:
            raise CdbError("the database would be too big")
        header.append(_PAIR.pack(at, len(slots)))
        pieces += (_PAIR.pack(*slot) for slot in slots)
        at += len(slots) * _PAIR.size
    return b"".join(header) + b"".join(pieces)


def _slots(entries: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Lay out one hash table; it has twice as many slots as entries, so that a search ends soon."""
    slots = [(0, 0)] * (2 * len(entries))
    for value, place in entries:
        slot = value // _TABLES % len(slots)
        while slots[slot][1]:
            slot = (slot + 1) % len(slots)
        slots[slot] = (value, place)
    return slots


def records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give all records of an image in the order of the file; raise CdbError on damage."""
    with Reader(data) as reader:
        end, _ = reader._pair(0)
        at = _RECORDS_AT
        while at < end:
            key_length, data_length = reader._pair(at)
            at += _PAIR.size
            yield reader._bytes(at, key_length), reader._bytes(at + key_length, data_length)
            at += key_length + data_length
