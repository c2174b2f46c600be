"""Reads what follows MAIL and RCPT: the address, and the parameters of MAIL.

Rules this file keeps:

* The address is taken as qmail takes it, liberally (qmail-smtpd.c addrparse): in ``<>`` or after the colon,
  without its source route, unquoted. The keyword ``FROM:`` or ``TO:`` is not looked at.
* Zero bytes never get into an address, nor do CR and LF.
* Every step is one pass over a line whose length the caller has limited.

RFC 5321 4.1.1.2 and 4.1.1.3, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 4954 (AUTH=).
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple
from qtwisted.wire.smtp_replies import BAD_PARAMETER, TOO_BIG, UNKNOWN_PARAMETER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.model.reply import Reply

#: longest address that is accepted; qmail-smtpd.c has room for 900 bytes with the final zero
ADDRESS_MAX = 899

_DIGITS = frozenset(b"0123456789")
#: RFC 3461 4 xtext; "<" and ">" may only stand in the whole "<>"
_XTEXT = frozenset(range(33, 127)) - frozenset(b"=<>")
_HEX = frozenset(b"0123456789ABCDEF")
#: no message is as long as that; what a client announces is not believed beyond it
_ABSURD = 2**63


def parse(argument: bytes, localise: Callable[[bytes], bytes] | None = None) -> tuple[bytes, bytes] | None:
    """Part an argument into the unquoted address and what follows a closing ``>``; None is a syntax error.

    ``localise`` may replace the domain of an address that ends with an IP address in brackets.
    """
    # Unlike 1.02: a NUL byte in the argument of MAIL or RCPT is a syntax error; 1.02 cut the line there.
    if b"\0" in argument:
        return None
    start = argument.find(b"<") + 1
    if start:
        stop, text = b">", argument[start:]
    else:
        # Unlike 1.02: an address without <> may have spaces before it, and an argument without < and colon
        # is the empty address, as in 1.03.
        stop, text = b" ", argument.partition(b":")[2].lstrip(b" ")
    if text.startswith(b"@"):
        text = text.partition(b":")[2]
    address, rest = _copy_until(stop, text)
    if localise is not None and b"[" in address:
        address = localise(address)
    # Unlike 1.02: a CR inside an address is a syntax error, so that no address can ever break a line.
    if len(address) > ADDRESS_MAX or b"\r" in address:
        return None
    return address, rest if start else b""


def _copy_until(stop: bytes, text: bytes) -> tuple[bytes, bytes]:
    """Unquote ``text`` up to the first unquoted ``stop``, if any; give that and what follows it."""
    if b'"' not in text and b"\\" not in text:
        address, _, rest = text.partition(stop)
        return address, rest
    copied = bytearray()
    quoted = False
    position = 0
    while position < len(text):
        byte = text[position : position + 1]
        position += 1
        if byte == b"\\":
            copied += text[position : position + 1]
            position += 1
        elif byte == b'"':
            quoted = not quoted
        elif byte == stop and not quoted:
            break
        else:
            copied += byte
    return bytes(copied), text[position:]


class Parameters(NamedTuple):
    """What MAIL announces of the message: its size, 0 when it does not say."""

    size: int = 0


def parse_parameters(rest: bytes, size_limit: int) -> Parameters | Reply:
    """Read the parameters of MAIL, or give the reply that refuses them; a ``size_limit`` of 0 is none."""
    # Unlike 1.02: the parameters of MAIL are looked at. An unknown one is refused with 555 (RFC 5321
    # 4.1.1.11), a wrong value with 501, and a SIZE above databytes with the 552 that would else come after
    # the data.
    size = 0
    for word in rest.split():
        name, _, value = word.partition(b"=")
        name = name.upper()
        if name == b"SIZE":
            if not value or not _DIGITS.issuperset(value):
                return BAD_PARAMETER
            # a number of any length may stand here, and int() takes quadratic time
            size = int(value) if len(value) < 20 else _ABSURD
            if size >= _ABSURD or 0 < size_limit < size:
                return TOO_BIG
        elif name == b"BODY":
            if not value:
                return BAD_PARAMETER
            if value.upper() not in (b"7BIT", b"8BITMIME"):
                return UNKNOWN_PARAMETER
        elif name == b"AUTH":
            if not _is_mailbox(value):
                return BAD_PARAMETER
        else:
            return UNKNOWN_PARAMETER
    return Parameters(size)


def _is_mailbox(value: bytes) -> bool:
    """Is the value of AUTH= an empty mailbox ``<>`` or xtext (RFC 4954 5)?"""
    if value == b"<>":
        return True
    escapes = value.split(b"+")[1:]
    return (
        bool(value)
        and _XTEXT.issuperset(value)
        and all(len(escape) >= 2 and _HEX.issuperset(escape[:2]) for escape in escapes)
    )
