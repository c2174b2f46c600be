"""What the end of a local delivery means to qmail-send: exit codes become reports (qmail-lspawn.c report).

Codes from 112 to 126 are qmail-lspawn's own; their texts replace what was printed.

Unlike 1.02: a delivery process that cannot be started is trouble that may go away (120), never a failure for good
(126), so an upgrade in progress bounces no mail.
"""

from __future__ import annotations

DELIVERED = 0
BUG = 112
IS_ROOT = 113
NO_ALIAS = 116
SYSTEM_TROUBLE = 118

CRASHED = b"Zqmail-local crashed.\n"

_TEXTS = {
    BUG: b"ZInternal qmail-lspawn bug.\n",
    IS_ROOT: b"ZNot allowed to perform deliveries as root.\n",
    115: b"ZNFS failure in qmail-local.\n",
    NO_ALIAS: b"ZUnable to find alias user!\n",
    117: b"ZTrouble reading users/cdb in qmail-lspawn.\n",
    SYSTEM_TROUBLE: b"ZTemporary failure in qmail-lspawn.\n",
    119: b"ZOut of memory in qmail-lspawn.\n",
    120: b"ZUnable to run qmail-local.\n",
    121: b"ZUnable to run qmail-getpw.\n",
    126: b"DUnable to run qmail-local.\n",
}

_LETTERS = {0: b"K", 71: b"Z", 74: b"Z", 75: b"Z", 111: b"Z"}


def report_text(code: int | None, said: bytes = b"") -> bytes:
    """The report of a delivery that ended with an exit code, or None for a signal, having said something."""
    if code is None:
        return CRASHED
    return _TEXTS.get(code) or _LETTERS.get(code, b"D") + said
