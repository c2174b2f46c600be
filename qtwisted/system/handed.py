"""Descriptors that a service manager has opened for us, as sd_listen_fds(3) describes.

They are the numbers from 3 on; $LISTEN_FDS says how many there are, $LISTEN_FDNAMES what each is called, and
$LISTEN_PID for which process they are meant. The variables are taken out of our environment, so that nobody we start
believes they were meant for him.

Twisted, once it has loaded its endpoints, has taken $LISTEN_PID and $LISTEN_FDS for itself if they were meant for
this process, and left the names. So names alone count, too.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

FIRST = 3
UNNAMED = "unknown"
"""What a descriptor without a name is called, as systemd does it."""


class HandedError(ValueError):
    """What the variables say makes no sense; the text is for the operator."""


def take(environment: MutableMapping[str, str]) -> list[tuple[str, int]]:
    """Take the variables out of *environment* and give name and number of each descriptor; names may repeat."""
    pid, count, names = (environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if names and not count and not pid:
        pid, count = str(os.getpid()), str(names.count(":") + 1)
    if not count or pid != str(os.getpid()):
        return []
    if not count.isascii() or not count.isdigit():
        raise HandedError(f"LISTEN_FDS is {count!r} and no number")
    called = names.split(":") if names else [UNNAMED] * int(count)
    if len(called) != int(count):
        raise HandedError(f"LISTEN_FDS is {count}, but LISTEN_FDNAMES has {len(called)} names")
    return [(name, FIRST + at) for at, name in enumerate(called)]
