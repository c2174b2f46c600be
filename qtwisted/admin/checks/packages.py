"""The interpreter and the packages: can every user who gets mail read them, and are they as they were installed?"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from qtwisted.admin.checks import PACKAGES, Finding
from qtwisted.admin.checks.control import ANYBODY
from qtwisted.admin.install import portable, reach

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib import metadata

OURS = "qtwisted"


def check(home: str) -> Iterator[Finding]:
    """Look at those that run this check, which are those of the home whose program it is."""
    yield from passable()
    for distribution in portable.distributions((OURS, *portable.NEEDED)):
        yield from whole(distribution)


def passable() -> Iterator[Finding]:
    """What closes the way to the interpreter and the packages for everybody but its owner."""
    said = set()
    for path in reach.needed():
        blocked = reach.obstacle(path, ANYBODY, [ANYBODY])
        if blocked is not None and blocked not in said:
            said.add(blocked)
            yield Finding(PACKAGES, blocked, None, f"users cannot pass here to {path}, and get no mail")


def whole(distribution: metadata.Distribution) -> Iterator[Finding]:
    """Files of a package that are not there, not as long as they were, or that users cannot read."""
    for file in distribution.files or ():
        if ".." in file.parts or str(file).endswith(".pyc"):
            continue
        path = str(distribution.locate_file(file))
        try:
            status = os.stat(path)
        except PermissionError:
            continue  # said of the directory
        except OSError:
            yield Finding(PACKAGES, path, None, "is missing; install again")
            continue
        if file.size is not None and status.st_size != file.size:
            yield Finding(PACKAGES, path, None, "is not as it was installed; install again")
        elif not status.st_mode & stat.S_IROTH:
            yield Finding(PACKAGES, path, None, "users cannot read this file, and get no mail")


def base() -> str:
    """The interpreter without the virtual environment round it."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)
