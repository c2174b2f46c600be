"""What ``make setup`` puts into a home besides the queue: programs, boot scripts, build settings and documents."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.admin.install import environment, launchers
from qtwisted.admin.install.hier import FILE, Entry, directory

if TYPE_CHECKING:
    from collections.abc import Iterator

FOR_ROOT = ("instchown", "qmail-lspawn", "qmail-newmrh", "qmail-newu", "qmail-start")
"""Programs that only root can use.

Unlike 1.02: programs that nobody needed to read were closed to readers; these are scripts, which whoever runs them
must read. None is set-uid, not even qmail-queue.
"""
TWISTD = ("twistd", "twisted.scripts.twistd", "run")
"""What the units of systemd run, as ``twistd -n qmail``."""


def directories(name: str) -> Iterator[Entry]:
    """The directories for all this; *name* is that of the environment."""
    for path in ("boot", "doc", "doc/guide", environment.DIRECTORY, f"{environment.DIRECTORY}/{name}"):
        yield directory(path, "root", 0o755)


def files(build: str, home: str, name: str) -> Iterator[Entry]:
    """The files, with what they hold."""
    yield from programs(home, name)
    for folder, mode in (("conf", 0o644), ("boot", 0o755), ("doc", 0o644), ("doc/guide", 0o644)):
        yield from copies(f"{build}/{folder}", folder, mode)


def programs(home: str, name: str) -> Iterator[Entry]:
    """A launcher for each program, and one for twistd; each runs in the environment *name*."""
    for program, module, function in (*launchers.programs(), TWISTD):
        text = launchers.script(home, module, function, environment.executable(home, name),
                                [environment.site(home, name)])
        yield file(f"bin/{program}", text.encode(), 0o700 if program in FOR_ROOT else 0o755)


def manual(build: str, target: str) -> Iterator[Entry]:
    """The manual pages, and the directories they are in, for a *target* seen from the home."""
    yield directory(target, "root", 0o755)
    for section in sorted(name for name in os.listdir(f"{build}/man") if os.path.isdir(f"{build}/man/{name}")):
        yield directory(f"{target}/{section}", "root", 0o755)
        yield from copies(f"{build}/man/{section}", f"{target}/{section}", 0o644)


def copies(source: str, target: str, mode: int) -> Iterator[Entry]:
    """Each file of a directory."""
    for name in sorted(name for name in os.listdir(source) if os.path.isfile(f"{source}/{name}")):
        with open(f"{source}/{name}", "rb") as opened:
            yield file(f"{target}/{name}", opened.read(), mode)


def file(path: str, content: bytes, mode: int) -> Entry:
    """A file of root's."""
    return Entry(FILE, path, "root", "qmail", mode, content)
