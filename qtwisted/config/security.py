"""Security of outgoing mail: where it must be encrypted, whom to trust, and the logins of relays.

It comes from four files below HOME/control, all of them ours:

| ``tlsdestinations``  ``domain:level``, where the level is ``none``, ``may``, ``encrypt``, ``verify`` or
                       ``verify:name``; without an entry it is ``may``
| ``tlscafile``        certificates to trust instead of the system's, in PEM, or a line that names their file
| ``clientcert.pem``   our own certificate and its key
| ``smtpauth``         ``relay:user:password``; nobody but the owner and the group of qmail may read this file

A key is looked for as in ``smtproutes``: the whole domain, its endings that begin with a dot, nothing. Where a relay
takes the mail its own names come after those of the domain and before the empty key.

Unlike 1.02: these files do not exist there; mail leaves in clear, and nobody logs in.
"""

from __future__ import annotations

import os
import stat

from qtwisted.config.control import Control, ControlError, fold
from qtwisted.config.hosts import names_of
from qtwisted.model import oserrors
from qtwisted.model.frozen import NamedTuple
from qtwisted.model.login import Login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NONE, MAY, ENCRYPT, VERIFY = b"none", b"may", b"encrypt", b"verify"
_LEVELS = (NONE, MAY, ENCRYPT, VERIFY)
_PEM = b"-----BEGIN "


class Policy(NamedTuple):
    """What a destination demands: a level, and for ``verify`` perhaps the name the server must prove."""

    level: bytes = MAY
    name: str | None = None


class Security(NamedTuple):
    """What all four files say."""

    policies: Mapping[bytes, Policy] = {}
    logins: Mapping[bytes, Login] = {}
    roots: bytes | None = None
    identity: bytes | None = None

    def policy(self, host: bytes, relay: bytes | None = None) -> Policy:
        """Give the policy for a host, or for the relay that takes its mail."""
        key = self.policy_key(host, relay)
        return Policy() if key is None else self.policies[key]

    def policy_key(self, host: bytes, relay: bytes | None = None) -> bytes | None:
        """Find the entry of tlsdestinations that counts."""
        return next((key for key in _keys(host, relay) if key in self.policies), None)

    def login(self, host: bytes, relay: bytes | None) -> Login | None:
        """Give the login for a relay. Who is only found in the DNS gets none."""
        key = self.login_key(host, relay)
        return None if key is None else self.logins[key]

    def login_key(self, host: bytes, relay: bytes | None) -> bytes | None:
        """Find the entry of smtpauth that counts."""
        if relay is None:
            return None
        return next((key for key in _keys(host, relay) if key in self.logins), None)


NO_SECURITY = Security()


def security(control: Control) -> Security:
    """Read the files; what does not parse raises ControlError with its line."""
    return Security(
        policies=policies(control),
        logins=logins(control, os.getegid()),
        roots=roots(control),
        identity=_contents("clientcert.pem", control.path("clientcert.pem")),
    )


def _keys(host: bytes, relay: bytes | None) -> Iterator[bytes]:
    """Give the keys under which there may be an entry, in order."""
    yield from names_of(fold(host))
    if relay is not None:
        yield from names_of(fold(relay))
        yield fold(relay.removeprefix(b"[").removesuffix(b"]"))
    yield b""


def parted(entry: bytes) -> tuple[bytes, bytes]:
    """Part a line at its first colon; those between brackets belong to an address."""
    bracket = entry.find(b"]") if entry.startswith(b"[") else -1
    colon = entry.find(b":", bracket + 1)
    return (fold(entry[:colon]), entry[colon + 1 :]) if colon >= 0 else (fold(entry), b"")


def policies(control: Control) -> dict[bytes, Policy]:
    """Read tlsdestinations."""
    return dict(_policy(line, entry) for line, entry in control.numbered("tlsdestinations") or ())


def _policy(line: int, entry: bytes) -> tuple[bytes, Policy]:
    """Read a line of tlsdestinations."""
    key, value = parted(entry)
    level, colon, name = value.partition(b":")
    if fold(level) not in _LEVELS:
        raise ControlError("control/tlsdestinations", line, "must say none, may, encrypt, verify or verify:name")
    if colon and (fold(level) != VERIFY or not name or any(not 33 <= byte <= 126 for byte in name)):
        raise ControlError("control/tlsdestinations", line, "must have a name after verify: and nowhere else")
    return key, Policy(fold(level), name.decode() if colon else None)


def logins(control: Control, group: int) -> dict[bytes, Login]:
    """Read smtpauth, if nobody can but its owner and the *group* of qmail."""
    entries = control.numbered("smtpauth")
    if entries is None:
        return {}
    _check_private(control.path("smtpauth"), group)
    found = {}
    for line, entry in entries:
        key, value = parted(entry)
        user, colon, password = value.partition(b":")
        if not user or not colon or b"\0" in value:
            raise ControlError("control/smtpauth", line, "must be relay:user:password")
        found[key] = Login(user, password)
    return found


def _check_private(path: str, group: int) -> None:
    """Refuse a file of secrets that others can read: everybody, or a group that is not ours."""
    try:
        found = os.stat(path)
    except OSError as trouble:
        raise ControlError("control/smtpauth", None, oserrors.text(trouble.errno or 0)) from None
    if found.st_mode & stat.S_IRWXO or (found.st_mode & stat.S_IRWXG and found.st_gid != group):
        raise ControlError("control/smtpauth", None, "holds passwords and can be read by other users")


def roots(control: Control) -> bytes | None:
    """Read tlscafile: the certificates, or the name of the file that holds them, seen from the home."""
    text = _contents("tlscafile", control.path("tlscafile"))
    if text is None or _PEM in text:
        return text
    path = os.path.join(control.home, os.fsdecode(control.line("tlscafile") or b""))
    named = _contents("tlscafile", path)
    if named is None:
        raise ControlError("control/tlscafile", 1, f"names {path}, which does not exist")
    return named


def _contents(name: str, path: str) -> bytes | None:
    """Read a whole file, for the control file of that name; None where it is missing."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as trouble:
        raise ControlError(f"control/{name}", None, oserrors.text(trouble.errno or 0)) from None
