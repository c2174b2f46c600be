"""Routes: where control/smtproutes sends the mail of a host, and hosts that are written as addresses.

A line is ``domain:relay``, ``domain:relay:port`` or ``domain:relay:port:kind``. The kind says what to speak there:
``qmtp`` is QMTP, ``tls`` is SMTP inside TLS from the first byte; without a kind it is SMTP. Where a kind is named the
port may be left empty, as in ``example.org:relay.example.org::qmtp``, and is then the usual one, 209 or 465.

Unlike 1.02: a line of control/smtproutes may name a kind after the port, for relays that do not speak plain SMTP.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.config.control import fold, leading_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SMTP_PORT = 25
QMTP_PORT = 209
SMTPS_PORT = 465
SMTP, QMTP, TLS = b"", b"qmtp", b"tls"
_USUAL_PORT = {QMTP: QMTP_PORT, TLS: SMTPS_PORT}
PORT_MAX = 65535


class Route(NamedTuple):
    """A relay, by name or address, the port it listens on, and what is spoken there; nobody listens on port 0."""

    relay: bytes
    port: int = SMTP_PORT
    kind: bytes = SMTP


def find_route(routes: Mapping[bytes, bytes], host: bytes) -> Route | None:
    """Find the relay for a host; None means that the DNS decides.

    The first of the host's names that is a key counts, also where its value is empty.
    """
    key = route_key(routes, host)
    return None if key is None else _parse(routes[key])


def route_key(routes: Mapping[bytes, bytes], host: bytes) -> bytes | None:
    """Find the entry that counts for a host."""
    return next((key for key in _keys(fold(host)) if key in routes), None)


def _keys(host: bytes) -> Iterator[bytes]:
    """Give the keys under which a host may be listed: itself, its suffixes from a dot on, the empty key."""
    yield host
    at = host.find(b".", 1)
    while at >= 0:
        yield host[at:]
        at = host.find(b".", at + 1)
    yield b""


def _parse(value: bytes) -> Route | None:
    """Read ``relay``, ``relay:port``, ``relay:port:kind`` or nothing.

    A colon with no digits after it means port 0, unless a kind follows.

    Unlike 1.02: colons between brackets belong to the relay, so that it can be an IPv6 address.
    """
    bracket = value.find(b"]") if value.startswith(b"[") else -1
    colon = value.find(b":", bracket + 1)
    if colon < 0:
        return Route(value) if value else None
    digits, _, word = value[colon + 1 :].partition(b":")
    word = fold(word.strip())
    kind = word if word in _USUAL_PORT else SMTP
    port = leading_number(digits)
    if port is None:
        port = 0 if digits else _USUAL_PORT.get(kind, 0)
    return Route(value[:colon], port if port <= PORT_MAX else 0, kind) if colon else None


def literal(host: bytes) -> str | None:
    """Read a host that is an address: ``[1.2.3.4]``, ``1.2.3.4``, ``[2001:db8::1]`` or ``[IPv6:2001:db8::1]``.

    Unlike 1.02: a bare IPv4 address is taken as one and not looked up as a name, and there are IPv6 addresses.
    """
    text = host.decode("ascii", "replace")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
        if text[:5].lower() == "ipv6:":
            text = text[5:]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
