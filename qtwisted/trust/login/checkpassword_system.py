"""qmail-checkpassword-system - let the accounts of the system log in

Synopsis::

    qmail-checkpassword-system program [ arg … ]

A password program of the checkpassword interface, for qmail-popup(8) and the like. It reads a login name, a password
and a time stamp from descriptor 3, each followed by a zero byte, 512 bytes at most. If the name is an account of the
system and the password is right, it becomes that user, with the account's group and no other, changes to his home
directory, sets USER, HOME and SHELL, and runs *program*.

Where there is PAM it decides, by the rules of the service ``pop3``, or of ``other`` if there are none; it is told
TCPREMOTEIP. Elsewhere the password is compared with the shadow file, and an account that has expired is refused.

Accounts with uid 0 and empty passwords are always refused. APOP needs secrets that the system does not keep; it
fails. Without root only the user himself can log in.

Exit codes:

| 1    wrong name or password, or not allowed
| 2    called wrongly
| 111  it cannot be told now, or the home directory or *program* is missing
| else what *program* says

Files: ``/etc/pam.d/pop3``; without PAM ``/etc/shadow``.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

from qtwisted.config.accounts import account
from qtwisted.system.ending import helped
from qtwisted.trust.login import crypts, pam
from qtwisted.trust.login.checkpassword import LATER, Credentials, Failed, User, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SERVICE = b"pop3"

_DAY = 86400


class _Shadow(ctypes.Structure):
    """struct spwd."""

    _fields_ = [
        ("name", ctypes.c_char_p), ("password", ctypes.c_char_p), ("changed", ctypes.c_long),
        ("least", ctypes.c_long), ("most", ctypes.c_long), ("warned", ctypes.c_long), ("inactive", ctypes.c_long),
        ("expires", ctypes.c_long), ("flag", ctypes.c_ulong),
    ]


def check(credentials: Credentials) -> User | None:
    """Find the user if the password is his.

    The password is looked at whether there is such an account or not, so that the time it takes does not tell.
    """
    login, password, _ = credentials
    if not _is_right(pam.library(), login, password) or not login:
        return None
    try:
        found = account(login)
    except OSError:
        raise Failed(LATER) from None
    return None if found is None else User(found.uid, found.gid, found.home, found.shell or b"/bin/sh")


def _is_right(library: Any, login: bytes, password: bytes) -> bool:
    """Ask PAM, or the shadow file where there is none."""
    try:
        if library is not None:
            return pam.allows(library, SERVICE, login, password, os.environb.get(b"TCPREMOTEIP", b""))
        return crypts.matches(password, shadow(login, time.time() // _DAY))
    except (pam.PamError, crypts.NoCrypt):
        raise Failed(LATER) from None


def shadow(login: bytes, today: float) -> bytes | None:
    """Find the hash of an account's password; None if there is none, or the account has expired."""
    libc = ctypes.CDLL(None)
    try:
        libc.getspnam.restype = ctypes.POINTER(_Shadow)
    except AttributeError:
        raise Failed(LATER) from None
    found = libc.getspnam(login)
    if not found or 0 < found.contents.expires <= today:
        return None
    hashed: bytes | None = found.contents.password
    return hashed


def main() -> int:
    """Run the program."""
    if helped(__doc__):
        return 0
    return serve([os.fsencode(word) for word in sys.argv], check)


if __name__ == "__main__":
    raise SystemExit(main())
