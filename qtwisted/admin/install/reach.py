"""Can every user run our programs? Looks for the directory or file that would be in the way.

Deliveries run under the uid of the recipient. He must be able to read the interpreter and the packages; an
interpreter below /root is the usual trap.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LINKS = 40


def check(uid: int, gid: int) -> None:
    """Raise StartError if user *uid* cannot read something that is needed to run the mail system."""
    from qtwisted.admin.running.ports import StartError

    for path in needed():
        blocked = obstacle(path, uid, [gid])
        if blocked is not None:
            raise StartError(
                f"users cannot read {path}: {blocked} is closed to them. Deliveries run as the recipient, so "
                f"all must be able to read interpreter and packages: install with the system's python3, "
                f"outside of private directories")


def needed() -> list[str]:
    """Files that every role or delivery reads: interpreter, library, our package and those it is built on."""
    import dns
    import zope.interface

    import qtwisted
    import twisted

    modules = [os, qtwisted, twisted, zope.interface, dns]
    return [sys.executable, *(str(module.__file__) for module in modules)]


def obstacle(path: str, uid: int, gids: Sequence[int]) -> str | None:
    """The first directory or file on the way to *path* that user *uid* may not pass or read, None if all is
    open.

    Symbolic links on the way are followed, since the directories they lead through count as well.
    """
    for step, is_last in steps(os.path.abspath(path)):
        try:
            status = os.stat(step)
        except OSError:
            return step
        wanted = stat.S_IROTH if is_last and not stat.S_ISDIR(status.st_mode) else stat.S_IXOTH
        if not allows(status, wanted, uid, gids):
            return step
    return None


def allows(status: os.stat_result, wanted: int, uid: int, gids: Sequence[int]) -> bool:
    """Whether the mode in *status* gives the right *wanted* (one of the bits for others) to this user."""
    if uid == 0:
        return True
    if status.st_uid == uid:
        return bool(status.st_mode & wanted << 6)
    if status.st_gid in gids:
        return bool(status.st_mode & wanted << 3)
    return bool(status.st_mode & wanted)


def steps(path: str, links: int = LINKS) -> Iterator[tuple[str, bool]]:
    """Every directory passed on the way to *path*, then *path* itself; says of each whether it is the
    last.
    """
    parts = path.strip("/").split("/")
    here = "/"
    yield here, False
    for number, part in enumerate(parts):
        here = os.path.join(here, part)
        is_last = number == len(parts) - 1
        if os.path.islink(here) and links:
            target = os.path.normpath(os.path.join(os.path.dirname(here), os.readlink(here)))
            yield from steps("/".join([target, *parts[number + 1:]]), links - 1)
            return
        yield here, is_last
