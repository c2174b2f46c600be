"""Which user gets the mail for a local part: the assignments that qmail-newu compiled into users/cdb.

A record has six fields: user, uid, gid, home, dash, extension. The key of a simple assignment is ``!``, the
local part and a zero byte; that of a wildcard is ``!`` and what the local part begins with. The record of
the empty key lists the last characters of all wildcards, so that few beginnings need to be tried.
"""

from __future__ import annotations

from qtwisted.config import cdb
from qtwisted.config.control import fold, leading_number
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: exit codes of qmail-lspawn's child (qlx.h)
USAGE = 112
CDB_TROUBLE = 117

#: setresuid takes the number after the last as "leave it"
_ID_MAX = 0xFFFFFFFE


class UserError(Exception):
    """It could not be found out whose the mail is; ``code`` is how qmail-lspawn's child says so."""

    def __init__(self, code: int) -> None:
        """Take an exit code of qlx.h."""
        super().__init__(code)
        self.code = code


class User(NamedTuple):
    """Who gets the mail, and how the rest of the address is to be read (qmail-getpw: name to extension)."""

    name: bytes
    uid: int
    gid: int
    home: bytes
    dash: bytes
    ext: bytes

    def record(self) -> bytes:
        """Write the six fields, each ended by a zero byte."""
        return b"%s\0%d\0%d\0%s\0%s\0%s\0" % self


def parse(record: bytes) -> User:
    """Read the six fields; raise UserError where there are fewer or a number cannot be a uid or gid."""
    fields = record.split(b"\0")
    if len(fields) < 6:
        raise UserError(USAGE)
    return User(fields[0], _id(fields[1]), _id(fields[2]), fields[3], fields[4], fields[5])


def _id(text: bytes) -> int:
    """Read a uid or gid; a text without digits is 0, which qmail-lspawn refuses as a uid.

    Unlike 1.02: a number that does not fit is refused; there its high bits were lost.
    """
    number = leading_number(text) or 0
    if number > _ID_MAX:
        raise UserError(USAGE)
    return number


def lookup(home: str, local: bytes) -> User | None:
    """Find the user for a local part in HOME/users/cdb; None if nobody is assigned or the file is missing."""
    try:
        with cdb.Reader.open(f"{home}/users/cdb") as assignments:
            return find(assignments, local)
    except FileNotFoundError:
        return None
    except (OSError, cdb.CdbError):
        raise UserError(CDB_TROUBLE) from None


def find(assignments: cdb.Reader, local: bytes) -> User | None:
    """Find the user of a local part."""
    found = assignment(assignments, local)
    return None if found is None else parse(found[1])


def assignment(assignments: cdb.Reader, local: bytes) -> tuple[bytes, bytes] | None:
    """Find the key and the record of a local part: a simple assignment, else the longest wildcard
    (qmail-lspawn.c nughde_get). What the wildcard leaves over is added to the record.
    """
    ends = assignments.get(b"")
    if ends is None:
        raise cdb.CdbError("the record of wildcard ends is missing")
    key = b"!" + fold(local) + b"\0"
    simple = assignments.get(key)
    if simple is not None:
        return key, simple
    for length in _beginnings(fold(local), fold(ends)):
        key = b"!" + fold(local[:length])
        record = assignments.get(key)
        if record is not None:
            return key, record + local[length:]
    return None


def _beginnings(local: bytes, ends: bytes) -> Iterator[int]:
    """Give the lengths of the beginnings a wildcard may have, longest first."""
    for length in range(len(local), 0, -1):
        if local[length - 1] in ends:
            yield length
    yield 0
