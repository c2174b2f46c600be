"""What the commands of qmailctl print: coloured for people on a terminal, plain and stable for programs.

Nothing that comes from outside reaches a terminal as it is: an address could hold bytes that the terminal obeys.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, TextIO

GOOD, BAD, NOTE, QUIET = "32", "31", "33", "2"
"""How to show what is well, what is wrong, what deserves a look, and what matters less (ECMA-48 8.3.117)."""


def shown(text: bytes) -> str:
    """Text of others, harmless: bytes that are not printable ASCII become ``\\xNN``, a backslash two."""
    return "".join(
        "\\\\" if byte == 0x5C else chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02x}" for byte in text
    )


class Screen:
    """Where a command prints."""

    def __init__(self, file: TextIO | None = None) -> None:
        """Print to *file*, else to standard output."""
        self._file = sys.stdout if file is None else file
        self.is_terminal = self._file.isatty()
        self._is_coloured = self.is_terminal and "NO_COLOR" not in os.environ

    @property
    def width(self) -> int | None:
        """The columns of the terminal; None where there is no terminal, and lines are as long as they are."""
        return shutil.get_terminal_size().columns if self.is_terminal else None

    def say(self, line: str = "") -> None:
        """Print one line, cut to the terminal's width if there is one."""
        self._file.write((line if self.width is None else line[: self.width]) + "\n")

    def styled(self, text: str, how: str) -> str:
        """The text in a colour, where colours are shown."""
        return f"\033[{how}m{text}\033[0m" if self._is_coloured else text

    def whole(self, line: str) -> None:
        """Print one line that may be wider than the terminal, or holds colours."""
        self._file.write(line + "\n")

    def json(self, value: Any) -> None:
        """Print one value on one line."""
        self._file.write(json.dumps(value, ensure_ascii=True, separators=(", ", ": ")) + "\n")

    def flush(self) -> None:
        """Have everything appear now."""
        self._file.flush()
