"""Own address: tells which addresses are this host's."""

from __future__ import annotations

import errno
import ipaddress
import socket

_NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def is_ours(address: str) -> bool:
    """Tell whether a connection to an address would reach this host. It raises OSError for want of descriptors.

    The kernel lets a socket be bound to its own addresses only. Of the network 127 only 127.0.0.1 counts, as in
    ipme.c.

    Unlike 1.02: 0.0.0.0 is this host, too, and so are ::, ::1 and the IPv6 addresses of its interfaces.
    """
    parsed = ipaddress.ip_address(address)
    if parsed.is_multicast:
        return False
    if parsed.version == 4 and parsed.is_loopback:
        return address == "127.0.0.1"
    family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as trouble:
        if trouble.errno in _NOT_OURS:
            return False
        raise
    return True
