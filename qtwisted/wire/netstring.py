"""Netstrings: strings with their length in front, ``5:hello,``; one may be full of others.

Netstrings reads them from bytes that come in pieces of any size. Of a string whose length is not known to be
small only what came at once is ever held. Rules:

* A length is one to ten ASCII digits and a colon; before each further digit it must not be above 200000000, so
  that nobody can announce more than about two thousand million bytes (qmail-qmtpd.c getlen).
* A string inside another one ends, with its comma, before the other does. That is known from the lengths, so it
  is noticed before any byte of the string is used.
* The first fault is the last thing that is read.

Unlike 1.02: a length with a leading zero, without a digit, or with anything but digits is a breach of the
protocol; 1.02 made some number of it.
"""

from __future__ import annotations

#: what a length must not exceed before a further digit
LENGTH_MAX = 200000000
#: so many digits a length can have
DIGITS_MAX = 10
_ZERO = ord("0")

# exit codes of the programs that read netstrings from strangers
BAD = 100
TOO_LONG = 111


class NetstringError(Exception):
    """The peer does not write netstrings, or announces too much; ``code`` is the exit code for it."""

    def __init__(self, code: int) -> None:
        """Take BAD or TOO_LONG."""
        super().__init__(code)
        self.code = code


def netstring(data: bytes) -> bytes:
    """Write a netstring."""
    return b"%d:%s," % (len(data), data)


def size_of(length: int) -> int:
    """Say how many bytes a netstring of so many bytes takes."""
    return len(b"%d:," % length) + length


class Netstrings:
    """Reads netstrings, one after the other."""

    __slots__ = ("_at", "_data", "_head", "_left", "_room")

    def __init__(self) -> None:
        """Begin with no bytes."""
        self._data = b""
        self._at = 0
        self._left = -1  # bytes of the string under way that are still to come; -1 between strings
        self._head: bytes | None = None  # what is kept of a string that is read whole and not complete yet
        self._room: int | None = None  # bytes left in the string around those we read; None at the outside

    def add(self, data: bytes) -> None:
        """Take bytes."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def clear(self) -> None:
        """Forget what has come and was not read."""
        self._data = b""
        self._at = 0

    @property
    def is_empty(self) -> bool:
        """Has all that came been read?"""
        return self._at >= len(self._data)

    # One string in pieces: begin, piece until nothing is left, end.

    def begin(self) -> int | None:
        """Read the length of the next string; None if it has not come yet."""
        data, at = self._data, self._at
        colon = data.find(b":", at, at + DIGITS_MAX + 1)
        digits = data[at:colon] if colon >= 0 else data[at : at + DIGITS_MAX + 1]
        if colon < 0:
            self._check_digits(digits)
            return None
        if len(digits) != 1 or not digits.isdigit():
            self._check_digits(digits or b":")
        length = int(digits)
        if self._room is not None:
            room = self._room - len(digits) - length - len(b":,")
            if room < 0:
                raise NetstringError(BAD)
            self._room = room
        self._at = colon + 1
        self._left = length
        return length

    def _check_digits(self, digits: bytes) -> None:
        """Raise NetstringError if no length can begin so; there may be no digits yet."""
        if digits and not digits.isdigit() or digits[1:] and digits[0] == _ZERO:
            raise NetstringError(BAD)
        if digits[1:] and int(digits[:-1]) > LENGTH_MAX:
            raise NetstringError(TOO_LONG)
        if self._room is not None and len(digits) >= self._room:
            raise NetstringError(BAD)

    @property
    def left(self) -> int:
        """Say how many bytes of the string under way have not been read."""
        return self._left

    def piece(self, most: int | None = None) -> bytes:
        """Read what has come of the string under way, or ``most`` bytes of it."""
        size = self._left if most is None else min(most, self._left)
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        self._left -= len(found)
        return found

    def end(self) -> bool:
        """Read the comma of the string under way; False if it has not come yet."""
        if not self._comma():
            return False
        self._left = -1
        return True

    # One string at once.

    def string(self, longest: int) -> bytes | None:
        """Read a whole string; None if it is not complete yet. Of a longer one ``longest`` + 1 bytes are given."""
        if self._left < 0 and self.begin() is None:
            return None
        head = self._head
        if head is None:
            head = self.piece(longest + 1)
        elif len(head) <= longest:
            head += self.piece(longest + 1 - len(head))
        if self._left and len(head) > longest:
            self.piece()
        if self._left or not self.end():
            self._head = head
            return None
        self._head = None
        return head

    # Strings in a string.

    def enter(self) -> None:
        """Read the strings inside the string that has just begun."""
        self._room, self._left = self._left, -1

    @property
    def is_inside(self) -> bool:
        """Was a string entered and not left?"""
        return self._room is not None

    @property
    def has_more(self) -> bool:
        """Are there further strings inside the one that was entered, or is one under way?"""
        return self._left >= 0 or self._room != 0

    def leave(self) -> bool:
        """Read the comma after the last string inside; False if it has not come yet."""
        if not self._comma():
            return False
        self._room = None
        return True

    def _comma(self) -> bool:
        """Read a comma."""
        comma = self._data[self._at : self._at + 1]
        if not comma:
            return False
        if comma != b",":
            raise NetstringError(BAD)
        self._at += 1
        return True
