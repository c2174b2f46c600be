"""Fresh: a value made from files, made anew when one of them has changed.

A long-lived process can so follow its control files as closely as a program that is started for each message,
for the price of a few stat calls.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    Value = TypeVar("Value")


def fresh(paths: Sequence[str], load: Callable[[], Value]) -> Callable[[], Value]:
    """Return a function that gives what ``load`` makes of the files, as they are when it is called.

    What ``load`` raises is raised by the call, which is tried again the next time.
    """
    known: list[tuple[object, Value]] = []

    def current() -> Value:
        """Give the value, loading it if a file looks different from last time."""
        signature = [_signature(path) for path in paths]
        if not known or known[0][0] != signature:
            known[:] = [(signature, load())]
        return known[0][1]

    return current


def _signature(path: str) -> tuple[int, ...] | None:
    """Say what changes whenever a file is written or replaced; None while there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
