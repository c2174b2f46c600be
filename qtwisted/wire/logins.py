"""What a POP3 front and the role that checks passwords say to each other: attempts to log in, and how each ended.

An attempt is four bytes of number, two of length, and four strings with zero bytes between them; with it goes one
descriptor, the session's end of its connection. An ending is four bytes of number and a letter. Whoever receives
something else is to end: the two are started together again.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: the session or the password program ended with 0, with another exit code, or by a signal
ENDED = b"+"
REFUSED = b"-"
CRASHED = b"!"

ATTEMPT_MAX = 4096

_NUMBER = 4
_HEAD = 6
_ENDING = 5


class ProtocolError(Exception):
    """The other side does not keep to the rules."""


class Attempt(NamedTuple):
    """Somebody wants to log in: from where, as whom, and what he offers for a proof."""

    client: bytes
    login: bytes
    password: bytes
    stamp: bytes

    def credentials(self) -> bytes:
        """Write what a password program reads."""
        return b"%s\0%s\0%s\0" % (self.login, self.password, self.stamp)


def attempt_bytes(number: int, attempt: Attempt) -> bytes:
    """Write an attempt; raise ProtocolError where it is too long."""
    payload = b"\0".join(attempt)
    if len(payload) > ATTEMPT_MAX:
        raise ProtocolError("attempt too long")
    return number.to_bytes(_NUMBER, "big") + len(payload).to_bytes(_HEAD - _NUMBER, "big") + payload


def ending_of(code: int) -> bytes:
    """Say how a process ended, given its exit code, which is negative if a signal ended it."""
    if code < 0:
        return CRASHED
    return REFUSED if code else ENDED


def ending_bytes(number: int, ending: bytes) -> bytes:
    """Write how an attempt ended."""
    return number.to_bytes(_NUMBER, "big") + ending


class AttemptReader:
    """Bytes in, attempts out."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._data = b""

    def received(self, data: bytes) -> Iterator[tuple[int, Attempt]]:
        """Give each complete attempt and its number; raise ProtocolError for anything else."""
        self._data += data
        while len(self._data) >= _HEAD:
            end = _HEAD + int.from_bytes(self._data[_NUMBER:_HEAD], "big")
            if end > _HEAD + ATTEMPT_MAX:
                raise ProtocolError("attempt too long")
            if len(self._data) < end:
                return
            number = int.from_bytes(self._data[:_NUMBER], "big")
            fields = self._data[_HEAD:end].split(b"\0")
            self._data = self._data[end:]
            if len(fields) != len(Attempt._fields):
                raise ProtocolError("attempt with too few or too many strings")
            yield number, Attempt(*fields)


class EndingReader:
    """Bytes in, endings out."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._data = b""

    def received(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Give the number of each attempt that has ended, and how; raise ProtocolError for anything else."""
        self._data += data
        while len(self._data) >= _ENDING:
            number, ending = int.from_bytes(self._data[:_NUMBER], "big"), self._data[_NUMBER:_ENDING]
            self._data = self._data[_ENDING:]
            if ending not in (ENDED, REFUSED, CRASHED):
                raise ProtocolError("unknown ending")
            yield number, ending
