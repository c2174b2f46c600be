"""Accounts of the system, looked up so that "there is none" and "I could not find out" are two answers.

Python's ``pwd`` says KeyError for both, which would bounce good mail while a directory service is down. So
getpwnam_r of the C library is asked itself.
"""

from __future__ import annotations

import ctypes
import errno
import os

from qtwisted.model.frozen import NamedTuple

#: what getpwnam_r may return for a name that does not exist (getpwnam(3))
_NOT_FOUND = frozenset((0, errno.ENOENT, errno.ESRCH, errno.EBADF, errno.EPERM))

_BUFFER = 1 << 14
_BUFFER_MAX = 1 << 22


class Account(NamedTuple):
    """What the password file says of a user, as far as mail needs it."""

    name: bytes
    uid: int
    gid: int
    home: bytes
    shell: bytes = b""


class _Passwd(ctypes.Structure):
    """struct passwd of Linux."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("password", ctypes.c_char_p),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("gecos", ctypes.c_char_p),
        ("home", ctypes.c_char_p),
        ("shell", ctypes.c_char_p),
    ]


def account(name: bytes) -> Account | None:
    """Look up an account by name; None if there is none; raise OSError if that cannot be told now."""
    if b"\0" in name:
        return None
    ask = ctypes.CDLL(None).getpwnam_r
    found = ctypes.POINTER(_Passwd)()
    entry = _Passwd()
    size = _BUFFER
    while True:
        buffer = ctypes.create_string_buffer(size)
        trouble = ask(name, ctypes.byref(entry), buffer, ctypes.c_size_t(size), ctypes.byref(found))
        if found:
            return Account(entry.name or b"", entry.uid, entry.gid, entry.home or b"", entry.shell or b"")
        if trouble in _NOT_FOUND:
            return None
        if trouble == errno.ERANGE and size < _BUFFER_MAX:
            size *= 4
        elif trouble != errno.EINTR:
            raise OSError(trouble, os.strerror(trouble))
