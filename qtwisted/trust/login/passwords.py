"""The table of virtual users, HOME/users/passwords: who may log in, with what, and as which user of the system.

A line for each: ``login:secret:uid:gid:home``. The secret is a hash, in one of these forms:

* ``$scrypt$ln=14,r=8,p=1$SALT$HASH`` (RFC 7914; base64 without padding), which is what we write;
* whatever crypt(3) of the system knows;
* ``$secret$TEXT``, where TEXT is the password itself in base64. APOP needs that.

The file belongs to root, or to the only user of a private home. One that others may read or change is not believed.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import stat

from qtwisted.model.frozen import NamedTuple
from qtwisted.trust.login import crypts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: what a hash costs us and whoever guesses: 16 megabytes, and some 40 milliseconds
_COST, _BLOCK, _PARALLEL = 14, 8, 1
_COST_MAX = 18
_SALT_SIZE = 16
_HASH_SIZE = 32
_SCRYPT = b"$scrypt$"
_PLAIN = b"$secret$"
#: a hash that nothing has, to be compared when there is no such user
_NOBODYS = b"$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + b"A" * 43


class TableError(Exception):
    """The table cannot be used; the text is for the operator."""


class Entry(NamedTuple):
    """One virtual user."""

    login: bytes
    secret: bytes
    uid: int
    gid: int
    home: bytes

    def line(self) -> bytes:
        """Write the line of the table."""
        return b"%s:%s:%d:%d:%s\n" % self


def path(home: str) -> str:
    """Say where the table lies."""
    return f"{home}/users/passwords"


def read(home: str) -> bytes:
    """Read the table as it is; nothing where there is none."""
    try:
        file = os.open(path(home), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise TableError(f"cannot open {path(home)}: {error.strerror}") from None
    with open(file, "rb") as stream:
        _check(os.fstat(file), path(home))
        return stream.read()


def _check(status: os.stat_result, name: str) -> None:
    """Raise TableError for a file that others could have read or changed."""
    if not stat.S_ISREG(status.st_mode):
        raise TableError(f"{name} is not a file")
    if status.st_uid not in (0, os.geteuid()):
        raise TableError(f"{name} belongs to somebody else")
    if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise TableError(f"{name} is open to others; its mode should be 0600")


def entries(table: bytes) -> Iterator[Entry]:
    """Give all entries; raise TableError for a line that is none."""
    for number, line in enumerate(table.split(b"\n"), 1):
        if line:
            yield _entry(line, number)


def find(table: bytes, login: bytes) -> Entry | None:
    """Find the entry of a login name."""
    if not login or not is_name(login):
        return None
    text = b"\n" + table
    at = text.find(b"\n" + login + b":")
    return None if at < 0 else _entry(text[at + 1 :].partition(b"\n")[0], text.count(b"\n", 0, at + 1))


def is_name(login: bytes) -> bool:
    """Can this be a login name?"""
    return bool(login) and not any(byte < 33 or byte in b":\x7f" for byte in login)


def _entry(line: bytes, number: int) -> Entry:
    """Read one line."""
    fields = line.split(b":")
    if len(fields) != 5 or not (fields[2].isdigit() and fields[3].isdigit()):
        raise TableError(f"users/passwords line {number} is not login:secret:uid:gid:home")
    return Entry(fields[0], fields[1], int(fields[2]), int(fields[3]), fields[4])


# ---- secrets


def hashed(password: bytes, salt: bytes | None = None) -> bytes:
    """Make the secret of a password."""
    salt = os.urandom(_SALT_SIZE) if salt is None else salt
    made = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    return _SCRYPT + b"ln=%d,r=%d,p=%d$%s$%s" % (_COST, _BLOCK, _PARALLEL, _base64(salt), _base64(made))


def kept(password: bytes) -> bytes:
    """Make a secret that APOP can be checked with."""
    return _PLAIN + binascii.b2a_base64(password, newline=False)


def matches(secret: bytes | None, password: bytes, stamp: bytes) -> bool:
    """Is this the password, or what APOP makes of it? Without a secret it takes as long and says no."""
    if secret is None:
        _matches_scrypt(_NOBODYS, password)
        return False
    if secret.startswith(_SCRYPT):
        return _matches_scrypt(secret, password)
    if secret.startswith(_PLAIN):
        return _matches_plain(secret, password, stamp)
    return crypts.matches(password, secret)


def _matches_plain(secret: bytes, password: bytes, stamp: bytes) -> bool:
    """Compare with a password that we have; RFC 1939 7 asks for MD5, and with a time like that of other users."""
    _matches_scrypt(_NOBODYS, password)
    plain = _bytes(secret[len(_PLAIN) :])
    digest = hashlib.md5(stamp + plain, usedforsecurity=False).hexdigest().encode()
    is_password = hmac.compare_digest(plain, password)
    return hmac.compare_digest(digest, password) or is_password


def _matches_scrypt(secret: bytes, password: bytes) -> bool:
    """Compare with a hash of ours."""
    try:
        settings, salt, expected = secret[len(_SCRYPT) :].split(b"$")
        named = dict(setting.split(b"=") for setting in settings.split(b","))
        cost, block, parallel = (int(named[name]) for name in (b"ln", b"r", b"p"))
        made = _scrypt(password, _bytes(salt), cost, block, parallel)
        return hmac.compare_digest(made, _bytes(expected))
    except (ValueError, KeyError):
        raise TableError("a secret in users/passwords makes no sense") from None


def _scrypt(password: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    """Make the hash."""
    if not 0 < cost <= _COST_MAX:
        raise ValueError(cost)
    room = 128 * block * (parallel + (1 << cost)) + (1 << 20)
    return hashlib.scrypt(password, salt=salt, n=1 << cost, r=block, p=parallel, maxmem=room, dklen=_HASH_SIZE)


def _base64(data: bytes) -> bytes:
    """Write bytes in base64 without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=")


def _bytes(text: bytes) -> bytes:
    """Read base64 with or without padding; raise ValueError for what is none."""
    return binascii.a2b_base64(text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4))
