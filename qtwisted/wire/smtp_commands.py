"""SMTP commands: how a client says the addresses of a message, and which of them can be said at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtwisted.model.address import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtwisted.wire.smtp_outcome import Transaction


def speakable(address: bytes) -> bool:
    """Tell whether an envelope address can be written in a command without being read as something else.

    CR, LF and NUL can stand nowhere; blanks, controls and angle brackets only in the quoted local part.

    Unlike 1.02: an address with such bytes is not written to the server, where the rest of it could be read
    as another command.
    """
    if b"\r" in address or b"\n" in address or b"\0" in address:
        return False
    local, at, domain = address.rpartition(b"@")
    outside = domain if at else address
    return not any(byte <= 0x20 or byte == 0x7F or byte in b"<>" for byte in outside)


def needs_utf8(address: bytes) -> bool:
    """Tell whether an address is internationalized (RFC 6531); other 8-bit addresses go as they are."""
    if address.isascii():
        return False
    try:
        address.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def can_say(address: bytes, extensions: Mapping[bytes, bytes]) -> bool:
    """Tell whether a server with these extensions understands the address."""
    return b"SMTPUTF8" in extensions or not needs_utf8(address)


def mail_from(transaction: Transaction, extensions: Mapping[bytes, bytes]) -> bytes:
    """Say the sender, and of the message what the server wants to know (RFC 1870, RFC 6152, RFC 6531).

    Unlike 1.02: a server that offers SIZE is told how long the message is, and one that offers 8BITMIME that it
    has bytes beyond ASCII.
    """
    line = b"MAIL FROM:<" + quote(transaction.sender) + b">"
    if transaction.size is not None and b"SIZE" in extensions:
        line += b" SIZE=%d" % transaction.size
    utf8 = b"SMTPUTF8" in extensions and any(map(needs_utf8, (transaction.sender, *transaction.recipients)))
    if utf8 or (transaction.is_eight_bit and b"8BITMIME" in extensions):
        line += b" BODY=8BITMIME"
    return line + b" SMTPUTF8" if utf8 else line


def rcpt_to(recipient: bytes) -> bytes:
    """Say a recipient."""
    return b"RCPT TO:<" + quote(recipient) + b">"
