"""qmail-clean -- take away queue files that qmail-send is done with

Synopsis::

    qmail-clean

qmail-clean reads commands from descriptor 0, each ended by a zero byte, and writes one byte for each to
descriptor 1: ``+`` done, ``!`` a file could not be removed, ``x`` not a command.

``foop/N``
    removes intd/N and then the text of message N.
``todo/N``
    removes intd/N and then todo/N.

A file that is not there counts as removed. At start and after every 30 commands qmail-clean also removes what
has lain in pid/ for 36 hours. It stops at the end of its input; half a command there is not carried out.

In a running system the door does this work, for many messages at once. This program serves a qmail-send of
the original, and whoever works on a queue by hand.

Unlike 1.02: a rejected command is answered by exactly one ``x`` and nothing is removed.

Exit codes: 0 at the end of the input, 100 if an answer cannot be written, 111 if there is no queue.

Files: HOME/queue, where HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import sys
import time

from qtwisted.system.disk import Disk
from qtwisted.system.ending import helped
from qtwisted.wire.door import COMMAND_MAX, read_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

VERBS = (b"foop", b"todo")

DONE = b"+"
FAILED = b"!"
REJECTED = b"x"

#: qmail's OSSIFIED: what has lain in pid/ so long belongs to nobody
OSSIFIED = 129600
#: commands between two looks into pid/ (qmail-clean.c cleanuploop)
ROUND = 30


def carry_out(disk: Disk, split: int, command: bytes) -> bytes:
    """Carry out one command, its final zero included, and give the answer."""
    parsed = read_command(command, VERBS)
    if parsed is None:
        return REJECTED
    verb, number = parsed
    path = f"todo/{number}" if verb == b"todo" else f"mess/{number % split}/{number}"
    try:
        disk.discard(f"intd/{number}")
        disk.discard(path)
    except OSError:
        return FAILED
    return DONE


def clean_pid(disk: Disk, now: float) -> None:
    """Remove from pid/ what was neither read nor written for 36 hours.

    Unlike 1.02: the age counts from the last access or the last change, whichever is the later; the access time
    alone is not kept on many systems.
    """
    try:
        names = [name for name, _ in disk.names("pid")]
    except OSError:
        return
    for name in names:
        try:
            found = disk.stat("pid/" + name)
            if max(found.st_atime, found.st_mtime) <= now - OSSIFIED:
                disk.discard("pid/" + name)
        except OSError:
            continue  # somebody else's directory, say: it does no harm


def commands(fd: int) -> Iterator[bytes]:
    """Read commands with their final zeros; one that is too long is cut and so rejected."""
    held = b""
    while data := _read(fd):
        *complete, held = (held + data).split(b"\0")
        held = held[:COMMAND_MAX]
        for command in complete:
            yield command + b"\0"


def _read(fd: int) -> bytes:
    """Read what there is; nothing where nothing can be read any more."""
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""


def main() -> NoReturn:
    """Run the program."""
    from qtwisted.config.conf import home_dir, load

    if helped(__doc__):
        sys.exit(0)
    home = home_dir(os.environ)
    try:
        split = load(home).split
        disk = Disk(home + "/queue")
    except Exception:
        sys.exit(111)
    clean_pid(disk, time.time())
    for count, command in enumerate(commands(0), 1):
        try:
            if os.write(1, carry_out(disk, split, command)) != 1:
                sys.exit(100)
        except OSError:
            sys.exit(100)
        if not count % ROUND:
            clean_pid(disk, time.time())
    sys.exit(0)


if __name__ == "__main__":
    main()
