"""Where in the control files something is written: the line of an entry, by the rules by which the files are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtwisted.config.control import fold
from qtwisted.config.security import parted

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.config.control import Control


def in_list(control: Control, file: str, entry: bytes) -> int | None:
    """The line of a name in a list, the first of several."""
    found = (at for at, line in control.numbered(file) or () if fold(line) == entry)
    return next(found, None)


def in_mapping(control: Control, file: str, key: bytes) -> int | None:
    """The line of a key, of which the last counts."""
    return _last(control, file, lambda line: b":" in line and fold(line.partition(b":")[0]) == key)


def in_security(control: Control, file: str, key: bytes) -> int | None:
    """The line of a key in a file whose keys may hold colons in brackets."""
    return _last(control, file, lambda line: parted(line)[0] == key)


def _last(control: Control, file: str, is_it: Callable[[bytes], bool]) -> int | None:
    """The last line that is it."""
    return max((at for at, line in control.numbered(file) or () if is_it(line)), default=None)
