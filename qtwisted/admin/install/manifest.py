"""HOME/conf/manifest: what the installation has put into a home besides the directories and the queue.

A line is as qmail-hier printed it, with the names of roles in the place of numbers:
``TYPE:USER:GROUP:MODE:DIRECTORY:NAME:``. TYPE is ``d`` for a directory and ``c`` for a file that was copied; the
directory is empty or ends with a slash, seen from the home.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.admin.install.hier import DIRECTORY, FILE, Entry
from qtwisted.config.control import ControlError

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "conf/manifest"
_LETTERS = {DIRECTORY: "d", FILE: "c"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}


def written(entries: Iterable[Entry]) -> bytes:
    """The text of a manifest."""
    return b"".join(os.fsencode(_line(entry)) for entry in entries)


def _line(entry: Entry) -> str:
    """The line of one entry."""
    directory, slash, name = entry.path.rpartition("/")
    return f"{_LETTERS[entry.kind]}:{entry.user}:{entry.group}:{entry.mode:o}:{directory}{slash}:{name}:\n"


def read(home: str) -> list[Entry] | None:
    """The entries of a home's manifest; None if it has none. Raises ControlError for a line that makes no sense."""
    try:
        with open(os.path.join(home, NAME), encoding="utf-8", errors="surrogateescape") as file:
            return [_entry(at, line) for at, line in enumerate(file, 1)]
    except FileNotFoundError:
        return None
    except OSError as trouble:
        raise ControlError(NAME, None, str(trouble.strerror)) from None


def _entry(at: int, line: str) -> Entry:
    """Read one line."""
    parts = line.split(":")
    try:
        letter, user, group, mode, directory, name, _ = parts
        return Entry(_KINDS[letter], directory + name, user, group, int(mode, 8))
    except (ValueError, KeyError):
        raise ControlError(NAME, at, "is no line of a manifest") from None
