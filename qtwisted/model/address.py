"""Envelope addresses: where they split, how they are quoted, and how a list's sender carries its recipient.

An address is raw bytes, unquoted, of any content but zero bytes. Its domain is what follows the *last* ``@``.
"""

from __future__ import annotations

#: RFC 5321 4.1.2 Atom, plus the dot whose place is checked apart
_PLAIN = frozenset(
    b"!#$%&'*+-./0123456789=?ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz{|}~"
)
_VERP_MARK = b"-@[]"


def split(address: bytes) -> tuple[bytes, bytes | None]:
    """Part an address at its last ``@`` into local part and domain; without ``@`` the domain is None."""
    local, at, domain = address.rpartition(b"@")
    return (local, domain) if at else (address, None)


def quote_local(local: bytes) -> bytes:
    """Write a local part as RFC 5321 wants it: as it is where that is legal, else as a quoted string."""
    if _PLAIN.issuperset(local) and _dots_are_inside(local):
        return local
    for special in (b"\\", b'"', b"\r", b"\n"):
        local = local.replace(special, b"\\" + special)
    return b'"' + local + b'"'


def _dots_are_inside(local: bytes) -> bool:
    """Is there a local part, in which dots stand only between other characters?"""
    return bool(local) and b".." not in local and not local.startswith(b".") and not local.endswith(b".")


def quote(address: bytes) -> bytes:
    """Write an address for the wire; a domain stays untouched, as does what has no ``@`` (quote.c)."""
    local, domain = split(address)
    return address if domain is None else quote_local(local) + b"@" + domain


def verp(sender: bytes, recipient: bytes) -> bytes:
    """Give the sender that ``B@R`` sees: ``P-@H-@[]`` becomes ``P-B=R@H`` (qmail-send.c senderadd)."""
    if not sender.endswith(_VERP_MARK):
        return sender
    prefix, host = split(sender[: -len(_VERP_MARK)])
    local, domain = split(recipient)
    if host is None or domain is None:
        return sender
    return prefix + local + b"=" + domain + b"@" + host
