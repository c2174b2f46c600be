"""Who is at the other end of a UNIX socket, as the kernel noted it at connect: nothing the peer says counts."""

from __future__ import annotations

import socket
import struct
from collections import namedtuple

_UCRED = struct.Struct("iII")

#: what the kernel says of a user who does not exist in our user namespace; never one of our roles
UNMAPPED = 65534

Credentials = namedtuple("Credentials", "pid uid gid")
Credentials.__doc__ = "Process, effective user and effective group of a peer."


def credentials(connection: socket.socket) -> Credentials:
    """Ask the kernel who connected (SO_PEERCRED)."""
    return Credentials._make(
        _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    )
