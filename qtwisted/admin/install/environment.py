"""HOME/venv/NAME: a virtual environment of the home's own, which every user who gets mail can read.

Each version of the programs has a directory of its own, so that what runs is never mixed: processes that were
started before an upgrade go on with theirs. Older ones from which nothing runs any more are removed.
"""

from __future__ import annotations

import os
import shutil
import sys
import venv
from typing import TYPE_CHECKING

from qtwisted.admin.refusal import Refused
from qtwisted.system.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIRECTORY = "venv"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/{PYTHON}/site-packages"


def executable(home: str, name: str) -> str:
    """The interpreter of an environment."""
    return f"{home}/{DIRECTORY}/{name}/bin/python"


def site(home: str, name: str) -> str:
    """Where the packages of an environment are."""
    return f"{home}/{DIRECTORY}/{name}/{SITE}"


def make(place: str, name: str, packages: str, disk: Disk) -> None:
    """Make an environment in *place*, complete or not at all, with a copy of these packages."""
    final, fresh = f"{place}/{name}", f"{place}/.{name}.new"
    if os.path.isdir(final) and is_whole(f"{final}/{SITE}", packages):
        return
    shutil.rmtree(fresh, ignore_errors=True)
    venv.EnvBuilder(symlinks=True, with_pip=False).create(fresh)
    without_traces(fresh)
    shutil.copytree(packages, f"{fresh}/{SITE}", dirs_exist_ok=True)
    open_to_all(fresh)
    sync(place)
    if os.path.lexists(final):
        shutil.rmtree(f"{place}/.{name}.old", ignore_errors=True)
        disk.rename(final, f"{place}/.{name}.old")
    disk.rename(fresh, final)
    disk.fsync_dir(place)


def without_traces(directory: str) -> None:
    """Take out of an environment what names the place where it was made."""
    for program in os.listdir(f"{directory}/bin"):
        if program.lower().startswith("activate"):
            os.unlink(f"{directory}/bin/{program}")
    settings = f"{directory}/pyvenv.cfg"
    with open(settings, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("command")]
    with open(settings, "w", encoding="utf-8") as file:
        file.writelines(lines)


def open_to_all(directory: str) -> None:
    """Let everybody read everything, whatever the modes of the source were, and nobody else write."""
    for here, below, names in os.walk(directory):
        for name in below:
            if not os.path.islink(f"{here}/{name}"):
                os.chmod(f"{here}/{name}", 0o755)
        for name in names:
            path = f"{here}/{name}"
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)
    os.chmod(directory, 0o755)


def is_whole(there: str, packages: str) -> bool:
    """Is every file of the packages there, as long and as old as it must be, and readable?"""
    for here, _, names in os.walk(packages):
        for name in names:
            wanted = os.stat(f"{here}/{name}")
            try:
                found = os.stat(os.path.join(there, os.path.relpath(here, packages), name))
            except OSError:
                return False
            if (found.st_size, int(found.st_mtime)) != (wanted.st_size, int(wanted.st_mtime)):
                return False
            if not found.st_mode & 0o004:
                return False
    return True


def sync(place: str) -> None:
    """Return when everything on the file system of *place* would survive a power cut."""
    disk = Disk(place)
    try:
        disk.syncfs()
    finally:
        disk.release()


def sync_home(root: str) -> None:
    """The same for a home, whose queue may be on another disk."""
    sync(root)
    if os.stat(f"{root}/queue").st_dev != os.stat(root).st_dev:
        sync(f"{root}/queue")


def remove_unused(place: str, kept: Sequence[str], home: str) -> None:
    """Remove the environments from which nothing runs, but for those that are *kept* in any case."""
    running = list(commands())
    for name in os.listdir(place):
        if name not in kept and not any(line.startswith(f"{home}/{DIRECTORY}/{name}/") for line in running):
            shutil.rmtree(f"{place}/{name}", ignore_errors=True)


def commands() -> Iterator[str]:
    """The command lines of all processes, or as many as may be seen."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                yield os.fsdecode(file.read())
        except OSError:
            continue  # it has just ended


def check_interpreter(path: str, obstacle: str | None) -> None:
    """Raise Refused if users cannot run the interpreter that the environment would lead to."""
    if obstacle is not None:
        raise Refused(f"users cannot run {path}: {obstacle} is closed to them; "
                      f"begin again with: make clean it PYTHON=/usr/bin/python3")
