"""The queue's directories: are they those of 1.02, on a file system that will do, and whose should they be?"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from qtwisted.admin.adopt import DIFFERS, FINE, MUST, Finding
from qtwisted.admin.adopt.build import reshape, split_of
from qtwisted.admin.install import hier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.adopt import Place

REMOTE = frozenset(("nfs", "nfs4", "cifs", "smb3", "afs", "9p", "fuse.sshfs", "glusterfs", "fuse.glusterfs"))
"""File systems that are somewhere else."""
PASSING = frozenset(("tmpfs", "ramfs"))
"""File systems that a power cut empties."""
_TYPES = {hier.DIRECTORY: stat.S_ISDIR, hier.FIFO: stat.S_ISFIFO, hier.FILE: stat.S_ISREG}


def look(place: Place) -> Iterator[Finding]:
    """Look at all of it."""
    yield from file_system(place)
    yield from big_todo(place.home)
    yield from permissions(place.home)


def file_system(place: Place) -> Iterator[Finding]:
    """Tell what the queue is on."""
    kind = mounted(os.path.realpath(f"{place.home}/queue"), place.etc("/proc/mounts"))
    if kind in REMOTE:
        yield Finding(MUST, "queue", f"is on {kind}; a queue must be on a disk of this host")
    elif kind in PASSING:
        yield Finding(DIFFERS, "queue", f"is on {kind}, which is empty after a power cut")
    elif kind:
        yield Finding(FINE, "queue", f"is on {kind}; it need not be mounted with sync, since we sync directories too")


def mounted(path: str, mounts: str) -> str:
    """The type of the file system that a path is on."""
    best, kind = "", ""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.split() for line in file]
    except OSError:
        return ""
    for _, point, found, *_ in rows:
        point = point.replace("\\040", " ").rstrip("/") + "/"
        if f"{path}/".startswith(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def big_todo(home: str) -> Iterator[Finding]:
    """Tell whether todo and intd are split, which the big-todo patch does; then we would not see what is in them."""
    for name in ("todo", "intd"):
        inside = f"{home}/queue/{name}"
        try:
            with os.scandir(inside) as entries:
                folders = [entry.path for entry in entries if entry.name.isdigit() and entry.is_dir()]
        except OSError:
            continue
        if not folders:
            continue
        left = sum(len(os.listdir(folder)) for folder in folders)
        mode = "0750" if name == "todo" else "0700"
        yield Finding(
            MUST, f"queue/{name}",
            f"is split into {len(folders)} directories (big-todo), with {left} files in them; stop the old "
            "qmail-send, and all that hands in mail by the old qmail-queue, and bring them together",
            (*reshape(home),
             f"# to go back: cd {inside} && install -d -o qmailq -g qmail -m {mode} $(seq 0 {len(folders) - 1})"))


def permissions(home: str) -> Iterator[Finding]:
    """Tell what in the queue is missing, of the wrong type, or of other modes than qmail gives it."""
    split = split_of(home)
    wrong = 0
    for entry in hier.queue(split) if split else ():
        for text, command in fault(home, entry):
            wrong += 1
            yield Finding(MUST, entry.path, text, (command,))
    if split and not wrong:
        yield Finding(FINE, "queue", "has every directory and file, with the modes of qmail")


def fault(home: str, entry: hier.Entry) -> Iterator[tuple[str, str]]:
    """Tell what is wrong with one thing, and the command that mends it."""
    path = f"{home}/{entry.path}"
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        maker = {hier.DIRECTORY: "mkdir", hier.FIFO: "mkfifo", hier.FILE: "touch"}[entry.kind]
        owner = f"chown {entry.user}:{entry.group} {path} && chmod {entry.mode:04o} {path}"
        yield "does not exist", f"{maker} {path} && {owner}"
        return
    except OSError:
        return  # who is not root cannot see it
    if not _TYPES[entry.kind](status.st_mode):
        yield "has the wrong type", f"ls -ld {path}"
    elif stat.S_IMODE(status.st_mode) != entry.mode:
        yield f"has the mode {stat.S_IMODE(status.st_mode):04o}", f"chmod {entry.mode:04o} {path}"
