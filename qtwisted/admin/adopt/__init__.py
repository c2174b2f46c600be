"""Takes over the home of an original qmail: looks at it, says what differs, and converts nothing.

``look(place)`` gives what was found, in the order in which one would look. Nothing is changed by it, and only root
sees all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FINE, DIFFERS, MUST = "ok", "differs", "must"
"""It can stay as it is; it works differently with us; it must be put right before we can start."""
TABLES = ("origin", "build", "queue", "messages", "tables", "controls", "callers", "processes")
"""The modules of this folder, in the order in which they look. Each has a ``look(place)``."""


class Finding(NamedTuple):
    """One thing that was found: how it matters, what it is about, what is so, and what to do, a command a line."""

    mark: str
    subject: str
    text: str
    commands: tuple[str, ...] = ()


class Place(NamedTuple):
    """Where to look: the home, and the root of the file system, which tests move."""

    home: str
    root: str = "/"

    def etc(self, path: str) -> str:
        """A path outside the home."""
        return self.root.rstrip("/") + path


def look(place: Place) -> Iterator[Finding]:
    """Give everything that was found."""
    for name in TABLES:
        yield from import_module(f"{__name__}.{name}").look(place)
