"""Reads control files: one value or one list in each file of HOME/control, in the four kinds qmail has.

| *line*: the first line without its trailing blanks; an empty file is an empty value.
| *integer*: the digits such a line begins with.
| *list*: all lines without trailing blanks, less empty ones and those that begin with ``#``.
| *mapping*: a list of ``key:value``.

Only a file that does not exist is missing; every other trouble raises ControlError.
"""

from __future__ import annotations

import errno
import os

from qtwisted.model import oserrors

_BLANKS = b" \t\n"
_DIGITS_MAX = 18

#: the lines of a list
Entries = list[bytes]


class ControlError(Exception):
    """The operator has to mend a file: which one, in which line if that is known, and why."""

    def __init__(self, file: str, line: int | None, why: str) -> None:
        """Take the file as a name below the home, such as ``control/locals``."""
        super().__init__(file, line, why)
        self.file = file
        self.line = line
        self.why = why

    def __str__(self) -> str:
        """Say it in one line."""
        place = "" if self.line is None else f" line {self.line}"
        return f"{self.file}{place}: {self.why}"


def leading_number(text: bytes) -> int | None:
    """Read the decimal digits a text begins with; None where it begins with none (scan_ulong.c).

    Unlike 1.02: a number of more than 18 digits counts as the greatest of 18 digits and does not wrap around.
    """
    length = 0
    while text[length : length + 1].isdigit():
        length += 1
    if not length:
        return None
    digits = text[:length].lstrip(b"0") or b"0"
    return int(digits) if len(digits) <= _DIGITS_MAX else int(b"9" * _DIGITS_MAX)


def fold(name: bytes) -> bytes:
    """Make names equal that differ only in the case of A to Z (constmap.c)."""
    return name.lower()


def listed(text: bytes) -> list[tuple[int, bytes]]:
    """Part the text of a *list* into its entries, each with its line number."""
    lines = [line.rstrip(_BLANKS) for line in text.split(b"\n")]
    return [(at, line) for at, line in enumerate(lines, 1) if line and not line.startswith(b"#")]


class Control:
    """The control files of one home. Each call reads its file afresh."""

    def __init__(self, home: str) -> None:
        """Look into ``home``/control; nothing is read yet."""
        self.home = home

    def path(self, name: str) -> str:
        """Say where a control file lies."""
        return f"{self.home}/control/{name}"

    def line(self, name: str, default: bytes | None = None) -> bytes | None:
        """Read a *line*."""
        text = self._read(name)
        return default if text is None else text.partition(b"\n")[0].rstrip(_BLANKS)

    def integer(self, name: str, default: int) -> int:
        """Read an *integer*; a line that begins with no digit counts as missing (control.c)."""
        number = leading_number(self.line(name) or b"")
        return default if number is None else number

    def numbered(self, name: str) -> list[tuple[int, bytes]] | None:
        """Read a *list* with the line number of each entry; None where the file is missing."""
        text = self._read(name)
        return None if text is None else listed(text)

    def mapping(self, name: str) -> dict[bytes, bytes]:
        """Read a *mapping*, keys folded; lines without a colon do not count, of equal keys the last does."""
        entries = [entry.partition(b":") for entry in self.list(name) or ()]
        return {fold(key): value for key, colon, value in entries if colon}

    def me(self) -> bytes | None:
        """Read control/me, the host's own name, the default of many other files."""
        return self.line("me")

    def list(self, name: str) -> Entries | None:
        """Read a *list*; None where the file is missing."""
        entries = self.numbered(name)
        return None if entries is None else [entry for _, entry in entries]

    def _read(self, name: str) -> bytes | None:
        """Read a whole file; None where it is missing. A FIFO that nobody writes to is empty."""
        try:
            file = os.open(self.path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                pieces = []
                while piece := os.read(file, 65536):
                    pieces.append(piece)
            finally:
                os.close(file)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise ControlError(f"control/{name}", None, oserrors.text(error.errno)) from None
        return b"".join(pieces)
