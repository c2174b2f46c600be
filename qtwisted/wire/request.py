"""What programs ask of qmail-send while it runs, and what it answers, on HOME/run/send.sock.

Rules:

* A request is a netstring of at most REQUEST_MAX bytes. In it are words, each ended by a zero byte: the verb first,
  then what the verb needs. There is at least one word, and none is missing its zero.
* An answer is a number of netstrings, each one JSON object in ASCII, and then an empty netstring. Bytes of addresses
  and texts stand in JSON strings as the characters of the same numbers (ISO 8859-1), so that nothing is lost.
* The server speaks first: one answer that greets. Before it nobody may ask, so that no request lies in a socket that
  is not served, to be carried out much later, when whoever asked has given up.
* The first fault is the last thing that is read.
"""

from __future__ import annotations

import json

from qtwisted.wire.netstring import NetstringError, Netstrings, netstring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

#: the greatest request: a thousand message numbers and a text fit in it
REQUEST_MAX = 32768
#: so many messages one request may name
IDS_MAX = 1000
#: what a client takes for one value of an answer
ANSWER_MAX = 1 << 20
#: ends an answer
END = netstring(b"")


class RequestError(Exception):
    """The peer does not keep the rules."""


def request_bytes(words: Sequence[bytes]) -> bytes:
    """Write a request."""
    return netstring(b"".join([word + b"\0" for word in words]))


def value_bytes(value: Any) -> bytes:
    """Write one value of an answer."""
    return netstring(json.dumps(value, separators=(",", ":")).encode("ascii"))


def text(data: bytes) -> str:
    """Make bytes of others a JSON string."""
    return data.decode("latin-1")


class _Strings:
    """Reads netstrings whose length has a limit, which is noticed before the string has come."""

    def __init__(self, longest: int) -> None:
        """Refuse longer ones than *longest*."""
        self._strings = Netstrings()
        self._longest = longest

    def add(self, data: bytes) -> None:
        """Take bytes."""
        self._strings.add(data)

    def next(self) -> bytes | None:
        """Give the next string, None if it is not complete; raise RequestError where there can be none."""
        strings = self._strings
        try:
            if strings.left < 0 and strings.begin() is None:
                return None
            if strings.left > self._longest:
                raise RequestError("too long")
            return strings.string(self._longest)
        except NetstringError:
            raise RequestError("no netstring") from None


class Requests:
    """The server's side: bytes in, requests out."""

    def __init__(self) -> None:
        """Begin with no bytes."""
        self._strings = _Strings(REQUEST_MAX)

    def add(self, data: bytes) -> None:
        """Take bytes."""
        self._strings.add(data)

    def next(self) -> list[bytes] | None:
        """Give the words of the next request, None if it is not complete; may raise RequestError."""
        found = self._strings.next()
        if found is None:
            return None
        words = found.split(b"\0")
        if words.pop() or not words:
            raise RequestError("words without end")
        return words


class Answers:
    """The client's side: bytes in, values out."""

    def __init__(self) -> None:
        """Begin with no bytes."""
        self._strings = _Strings(ANSWER_MAX)

    def received(self, data: bytes) -> Iterator[dict[str, Any] | None]:
        """Take bytes and give the values that are complete, None for the end of an answer; may raise RequestError."""
        self._strings.add(data)
        while (found := self._strings.next()) is not None:
            yield _value(found) if found else None


def _value(data: bytes) -> dict[str, Any]:
    """Read one value."""
    try:
        value = json.loads(data)
    except ValueError:
        raise RequestError("no JSON") from None
    if not isinstance(value, dict):
        raise RequestError("no object")
    return value
