"""Tell the service manager how far we are, in its own words: one datagram to the socket that $NOTIFY_SOCKET names.

The words are those of sd_notify(3): ``READY=1`` when all is open, ``STOPPING=1`` when the end has begun. Without such
a manager nobody is told. The variable is taken out of our environment, so that nobody we start can speak for us.
"""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

VARIABLE = "NOTIFY_SOCKET"
READY = "READY=1"
STOPPING = "STOPPING=1"


def take(environment: MutableMapping[str, str]) -> str | None:
    """Take the name of the socket out of *environment*; None if nobody wants to be told."""
    return environment.pop(VARIABLE, None) or None


def tell(name: str | None, words: str) -> None:
    """Send *words*; a manager that does not listen must not stop us. A name that begins with @ is an abstract one."""
    if name is None:
        return
    address = b"\0" + os.fsencode(name[1:]) if name.startswith("@") else os.fsencode(name)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as teller:
            teller.setblocking(False)
            teller.sendto(words.encode(), address)
    except OSError:
        pass
