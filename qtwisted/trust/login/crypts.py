"""crypt(3) of the C library: checks a password against the hash that the system has of it."""

from __future__ import annotations

import ctypes

#: libxcrypt of today and of yesterday; where there is none, the C library has it
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)

#: a hash of the kind most systems make, of a password that nobody knows
NOBODYS = b"$y$j9T$0123456789abcdefghijk0$"


class NoCrypt(Exception):
    """There is no crypt on this system."""


def matches(password: bytes, hashed: bytes | None) -> bool:
    """Is this the password? With no hash to compare it takes as long and says no."""
    made = _crypt(password, NOBODYS if hashed is None else hashed)
    # a hash that is locked or unknown makes none that begins so, nor one that is its own
    if made is None or made.startswith(b"*") or not hashed:
        return False
    import hmac  # slow to load, and needed by those only who come so far

    return hmac.compare_digest(made, hashed)


def _crypt(password: bytes, setting: bytes) -> bytes | None:
    """Make a hash as *setting* says, which may be a hash; None where that makes no sense."""
    for name in _LIBRARIES:
        try:
            crypt = ctypes.CDLL(name).crypt
        except (OSError, AttributeError):
            continue
        crypt.restype = ctypes.c_char_p
        made: bytes | None = crypt(password, setting)
        return made
    raise NoCrypt
