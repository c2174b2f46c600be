"""The addresses of this host, as the kernel knows them at this moment."""

from __future__ import annotations

import _socket  # a fourth of the time that the module socket takes to load, of which nothing more is needed
import fcntl
import struct
from array import array

#: from <linux/sockios.h> and <linux/if.h>
_SIOCGIFCONF = 0x8912
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1
_NAME_SIZE = 16
#: address, number of the interface, length of the network, scope, flags, name; all but the name in hexadecimal
_IF_INET6 = "/proc/net/if_inet6"
_LINK_SCOPE = 0x20
_CONF = struct.Struct("iP")
#: struct ifreq of 64-bit Linux: a name, then the largest member of the union
_ENTRY_SIZE = 40 if _CONF.size == 16 else 32
_ADDRESS = slice(_NAME_SIZE + 4, _NAME_SIZE + 8)


def ipv4_addresses() -> frozenset[bytes]:
    """Give the IPv4 addresses of all interfaces that are up, 4 bytes each (ipme.c); raise OSError if it fails."""
    asker = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        return frozenset(
            entry[_ADDRESS] for entry in _entries(asker) if _is_up(asker, entry[:_NAME_SIZE])
        )
    finally:
        asker.close()


def ipv6_addresses(listing: str = _IF_INET6) -> frozenset[bytes]:
    """Give the IPv6 addresses of all interfaces that are up, 16 bytes each, without those of one link only.

    A host without IPv6 has none.
    """
    try:
        with open(listing, encoding="ascii") as file:
            lines = [line.split() for line in file]
    except FileNotFoundError:
        return frozenset()
    return frozenset(bytes.fromhex(line[0]) for line in lines if int(line[3], 16) != _LINK_SCOPE)


def _entries(asker: _socket.socket) -> list[bytes]:
    """Ask for one entry for each address; ask again with more room while the answer fills all there is."""
    room = 64 * _ENTRY_SIZE
    while True:
        answer = array("B", bytes(room))
        # the kernel writes to the place that the pointer names
        asked = _CONF.pack(room, answer.buffer_info()[0])
        length = _CONF.unpack(fcntl.ioctl(asker, _SIOCGIFCONF, asked))[0]
        if length < room:
            found = answer.tobytes()
            return [found[at : at + _ENTRY_SIZE] for at in range(0, length, _ENTRY_SIZE)]
        room *= 2


def _is_up(asker: _socket.socket, name: bytes) -> bool:
    """Is this interface up?"""
    answer = fcntl.ioctl(asker, _SIOCGIFFLAGS, name.ljust(_ENTRY_SIZE, b"\0"))
    flags: int = struct.unpack_from("h", answer, _NAME_SIZE)[0]
    return bool(flags & _IFF_UP)
