"""Makes foreign text fit for the log, which has one event per line and spaces between its words."""

from __future__ import annotations


def _shown(byte: int) -> int:
    """Say what one byte becomes (qmail-send.c logsafe)."""
    if byte == ord("\n"):
        return ord("/")
    return byte if 0x21 <= byte <= 0x7E and byte != ord("%") else ord("_")


_SHOWN = bytes(_shown(byte) for byte in range(256))


def logsafe(text: bytes) -> bytes:
    """Show text of others on a log line: LF as ``/``, blanks, control and 8-bit bytes and ``%`` as ``_``.

    The text ends at its first zero byte.
    """
    return text.partition(b"\0")[0].translate(_SHOWN)
