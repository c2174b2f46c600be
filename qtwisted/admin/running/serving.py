"""Who serves a home? The kernel tells: it noted which process made the door's socket listen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.system.peer import credentials
from qtwisted.system.roles import DOOR_SOCKETS
from qtwisted.system.sockets import connect_unix

if TYPE_CHECKING:
    from collections.abc import Iterator


def master(home: str) -> int | None:
    """The process number of the master that serves *home*; None if nobody does."""
    try:
        connection = connect_unix(os.path.join(home, "run"), DOOR_SOCKETS["users"])
    except OSError:
        return None
    with connection:
        pid: int = credentials(connection).pid
    return pid or None


def roles_of(home: str) -> Iterator[tuple[int, str]]:
    """The process number and the name of every role that runs for *home*, as their command lines tell."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = os.fsdecode(file.read()).split("\0")
        except OSError:
            continue  # it has just ended
        at = next((at for at, word in enumerate(words) if word.endswith("qtwisted/system/start.py")), None)
        if at is not None and f"home={home}" in words:
            yield int(name), words[at + 1]
