"""The Received fields we add: one by the network server that took the message, one by the queue.

What a stranger said about itself (names, ident, HELO) is made safe, so that it cannot add a line or a
comment.
"""

from __future__ import annotations

from qtwisted.model import date

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@%+/=:-")
_TO_SAFE = bytes(byte if byte in _SAFE else ord("?") for byte in range(256))


def safe(word: bytes) -> bytes:
    """Replace by ``?`` every byte that has a meaning in a header field or none at all (received.c issafe)."""
    return word.translate(_TO_SAFE)


def by_queue(qp: int, who: bytes, at: int) -> bytes:
    """Write the queue's line; ``who`` is ``from network``, ``for bounce``, ``by alias`` or ``by uid N``."""
    return b"Received: (qmail %d invoked %s); %s\n" % (qp, who, date.rfc822(at))


def from_network(
    protocol: bytes,
    remote_ip: bytes,
    remote_host: bytes,
    remote_info: bytes | None,
    helo: bytes | None,
    local: bytes,
    at: int,
) -> bytes:
    """Write a network server's field; the HELO name is shown only where it differs from the name we know."""
    says = b"" if helo is None or helo.lower() == remote_host.lower() else b" (HELO %s)" % safe(helo)
    info = b"" if remote_info is None else safe(remote_info) + b"@"
    return b"Received: from %s%s (%s%s)\n  by %s with %s; %s\n" % (
        safe(remote_host),
        says,
        info,
        safe(remote_ip),
        safe(local),
        protocol,
        date.rfc822(at),
    )
