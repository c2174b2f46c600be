"""qmail-newu - prepare address assignments for qmail-lspawn

Synopsis::

    qmail-newu

qmail-newu reads the assignments in HOME/users/assign and writes them to HOME/users/cdb, where qmail-lspawn
looks them up. It makes a new file and puts it in place of the old one when it is complete and safe on disk,
so it may run while mail is delivered.

A simple assignment is a line ``=LOCAL:USER:UID:GID:HOME:DASH:EXT:`` and speaks of one local address. A
wildcard assignment is a line ``+PREFIX:USER:UID:GID:HOME:DASH:PRE:`` and speaks of all that begin with the
prefix; what follows it is added to PRE. Simple assignments come before wildcards, longer wildcards before
shorter, and of equal ones the first counts. The file ends with a line that begins with a dot.

Exit codes:

| 0    done
| 111  something failed; users/cdb is as it was, and standard error says why

Files: HOME/users/assign, HOME/users/cdb, HOME/users/cdb.tmp; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import sys

from qtwisted.config import cdb, conf
from qtwisted.config.control import fold
from qtwisted.config.replace import ReplaceError, replace
from qtwisted.system.ending import occupy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SOURCE = "users/assign"
_TMP = "users/cdb.tmp"
_TARGET = "users/cdb"

_COLONS = 7

_WORDS = {
    ReplaceError.OPEN: f"unable to open {_TMP}",
    ReplaceError.WRITE: f"unable to write {_TMP}",
    ReplaceError.MOVE: f"unable to move {_TMP} to {_TARGET}",
}


class AssignError(Exception):
    """users/assign is not a list of assignments that ends with a dot; ``line`` is where that shows."""

    def __init__(self, line: int) -> None:
        """Take the number of the line."""
        super().__init__(line)
        self.line = line


class _Stop(Exception):
    """The program ends with a message."""


def compiled(assign: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Turn the text of users/assign into the records of users/cdb; raise AssignError where it is wrong.

    Unlike 1.02: the last character of a wildcard is lower-cased like the wildcard itself; there a wildcard
    that ends in a capital letter was never found.
    """
    ends = bytearray()
    for line in _lines(assign):
        name, _, rest = line[1:].partition(b":")
        fields = rest.split(b":", 6)
        is_wildcard = line.startswith(b"+")
        name = fold(name)
        if is_wildcard and name and name[-1] not in ends:
            ends.append(name[-1])
        yield b"!" + name + (b"" if is_wildcard else b"\0"), b"\0".join(fields[:6])
    yield b"", bytes(ends)


def _lines(assign: bytes) -> Iterator[bytes]:
    """Give the lines up to the one with the dot, each checked."""
    lines = assign.split(b"\n")
    for at, line in enumerate(lines, 1):
        if line.startswith(b"."):
            return
        if line.startswith(b":") or b"\0" in line or line.count(b":") < _COLONS:
            raise AssignError(at)
        yield line
    raise AssignError(len(lines))


def _read_source() -> bytes:
    """Read users/assign."""
    step = "open"
    try:
        with open(_SOURCE, "rb") as source:
            step = "read"
            return source.read()
    except OSError:
        raise _Stop(f"unable to {step} {_SOURCE}") from None


def _run() -> None:
    """Compile the assignments of this home."""
    try:
        os.chdir(conf.home_dir(os.environ))
    except OSError:
        raise _Stop("unable to chdir") from None
    try:
        replace(_TMP, _TARGET, cdb.make(compiled(_read_source())))
    except AssignError:
        raise _Stop(f"bad format in {_SOURCE}") from None
    except cdb.CdbError:
        raise _Stop(_WORDS[ReplaceError.WRITE]) from None
    except ReplaceError as error:
        raise _Stop(_WORDS[error.step]) from None
    except MemoryError:
        raise _Stop("out of memory") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    if (sys.argv if argv is None else argv)[1:] == ["--help"]:
        print(__doc__)
        return 0
    occupy()
    os.umask(0o33)
    try:
        _run()
    except _Stop as stop:
        print(f"qmail-newu: fatal: {stop}", file=sys.stderr)
        return 111
    return 0


if __name__ == "__main__":
    sys.exit(main())
