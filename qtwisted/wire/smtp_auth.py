"""SMTP AUTH: the client's side of the mechanisms CRAM-MD5 (RFC 2195), PLAIN (RFC 4616) and LOGIN.

Unlike 1.02: a relay can be given a name and a password.
"""

from __future__ import annotations

import hmac
from binascii import Error, a2b_base64, b2a_base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.model.login import Login


def _cram_md5(login: Login) -> Iterator[Callable[[bytes], bytes]]:
    """Prove that we know the password, without saying it."""

    def prove(challenge: bytes) -> bytes:
        """Mix the password with what the server chose."""
        return hmac.new(login.password, a2b_base64(challenge.strip()), "md5").hexdigest().encode()

    yield lambda challenge: login.user + b" " + prove(challenge)


def _login(login: Login) -> Iterator[Callable[[bytes], bytes]]:
    """Say the name, then the password; what the server says in between is for people."""
    yield lambda _: login.user
    yield lambda _: login.password


def _nothing(login: Login) -> Iterator[Callable[[bytes], bytes]]:
    """Say nothing after the command."""
    return iter(())


#: the mechanisms, the one that tells the server least first
_MECHANISMS = {b"CRAM-MD5": _cram_md5, b"PLAIN": _nothing, b"LOGIN": _login}


class Exchange:
    """One attempt to log in by one mechanism."""

    def __init__(self, mechanism: bytes, login: Login) -> None:
        """Begin nothing yet."""
        self.command = b"AUTH " + mechanism
        if mechanism == b"PLAIN":
            self.command += b" " + _encoded(b"\0" + login.user + b"\0" + login.password)
        self._answers = _MECHANISMS[mechanism](login)

    def answer(self, challenge: bytes) -> bytes | None:
        """Answer the text of a 334 reply; None where there is no answer, because it is one too many or garbage."""
        answer = next(self._answers, None)
        try:
            return None if answer is None else _encoded(answer(challenge))
        except Error:
            return None


def exchanges(offered: bytes | None, login: Login) -> list[Exchange]:
    """Give the ways to log in that the server offers and we know, in the order to try them."""
    words = (offered or b"").upper().split()
    return [Exchange(mechanism, login) for mechanism in _MECHANISMS if mechanism in words]


def _encoded(text: bytes) -> bytes:
    """Encode for the line."""
    return b2a_base64(text, newline=False) or b"="
