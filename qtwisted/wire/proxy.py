"""Reads the header in which a proxy says for whom it connects: the PROXY protocol, versions 1 and 2.

https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt, sections 2.1 and 2.2.
"""

from __future__ import annotations

from ipaddress import ip_address

from qtwisted.model.frozen import NamedTuple

_LINE_MAX = 107
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16
#: more than any address and the usual extensions take
_LENGTH_MAX = 2048
_ADDRESS_SIZES = {0x1: 4, 0x2: 16}


class ProxyError(Exception):
    """What came is no such header."""


class Header(NamedTuple):
    """The address of the client, empty where the proxy speaks for itself, and how many bytes the header had."""

    client: bytes
    size: int


def read(data: bytes) -> Header | None:
    """Read a header at the beginning of ``data``; None while it is not complete."""
    if data.startswith(_SIGNATURE[: len(data)]) and (data[:1] == b"\r" or not data):
        return _read_binary(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _read_line(data)
    raise ProxyError("no PROXY header")


def _read_line(data: bytes) -> Header | None:
    """Read version 1: ``PROXY TCP4 client server port port``."""
    end = data.find(b"\r\n", 0, _LINE_MAX)
    if end < 0:
        if len(data) >= _LINE_MAX:
            raise ProxyError("PROXY line too long")
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Header(b"", end + 2)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ProxyError("bad PROXY line")
    try:
        client = ip_address(words[2].decode("ascii"))
    except ValueError:
        raise ProxyError("bad address in PROXY line") from None
    return Header(str(client).encode(), end + 2)


def _read_binary(data: bytes) -> Header | None:
    """Read version 2."""
    if len(data) < _FIXED:
        return None
    command, family = data[12], data[13] >> 4
    size = _FIXED + int.from_bytes(data[14:16], "big")
    if command not in (0x20, 0x21) or size > _LENGTH_MAX:
        raise ProxyError("bad PROXY header")
    if len(data) < size:
        return None
    length = _ADDRESS_SIZES.get(family, 0)
    if command == 0x20 or not length:
        return Header(b"", size)
    if size < _FIXED + 2 * length:
        raise ProxyError("PROXY header too short")
    return Header(str(ip_address(data[_FIXED : _FIXED + length])).encode(), size)
