"""The server's side of POP3 about one mailbox, in the words of qmail-pop3d: bytes in, events out.

Rules this file keeps, besides those of pop3_dialogue:

* The messages and their numbers are fixed at the beginning. What is done to them is done at QUIT, and without
  QUIT nothing is.
* A message passes in pieces; the next one is asked for when the last one has been sent.
* A unique-id is printable and holds no blank, whatever the name of the file is.

RFC 1939 5, 6 and 7; replies are those of 1.02 where the two differ.
"""

from __future__ import annotations

from qtwisted.wire.pop3_dialogue import OUTPUT_MAX, SYNTAX_ERROR, Dialogue, Event
from qtwisted.wire.pop3_text import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Messages(Protocol):
        """The messages of a mailbox, counted from 0."""

        def __len__(self) -> int:
            """Count them."""

        def size(self, at: int) -> int:
            """Say how many bytes one has."""

        def name(self, at: int) -> bytes:
            """Give the name of its file, without the directory."""

    class Keeper(Protocol):
        """Decides about what a client wants done with a mailbox, at once; messages are counted from 0."""

        def open(self, at: int) -> bool:
            """Open a message; say whether that could be done."""

        def read(self) -> bytes:
            """Give the next piece of the open message, nothing at its end."""

        def leave(self, deleted: bytearray) -> int:
            """Remove the messages whose byte is not 0; say how many could not be removed."""

    Answer = bool | bytes | int

OK = b"+OK \r\n"

_DIGITS_MAX = 18
_PRINTABLE = frozenset(range(33, 127))


class Request(Event):
    """Something the client wants of the mailbox."""

    __slots__ = ()

    def put_to(self, keeper: Keeper) -> Answer:
        """Ask the keeper for it."""
        raise AssertionError(self)


class Open(Request):
    """The client wants a message; the answer is whether it could be opened."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        """Take its number, counted from 0."""
        self.at = at

    def put_to(self, keeper: Keeper) -> Answer:
        """Open it."""
        return keeper.open(self.at)


class Read(Request):
    """The next piece of the open message is wanted; no bytes say that there is none."""

    __slots__ = ()

    def put_to(self, keeper: Keeper) -> Answer:
        """Read it."""
        return keeper.read()


class Leave(Request):
    """The client said QUIT; the answer is how many of the deleted messages could not be removed."""

    __slots__ = ("deleted",)

    def __init__(self, deleted: bytearray) -> None:
        """Take a byte for each message, 1 if it is deleted."""
        self.deleted = deleted

    def put_to(self, keeper: Keeper) -> Answer:
        """Remove what is to be removed."""
        return keeper.leave(self.deleted)


def number_of(text: bytes) -> tuple[int | None, bytes]:
    """Read the decimal digits a text begins with, and give what follows them (scan_ulong.c)."""
    length = 0
    while text[length : length + 1].isdigit():
        length += 1
    digits = text[:length].lstrip(b"0")[: _DIGITS_MAX + 1] or b"0"
    return (int(digits) if length else None), text[length:]


def unique_id(name: bytes) -> bytes:
    """Make the unique-id of a message from the name of its file: all of it up to the first colon.

    Unlike 1.02: a byte that RFC 1939 forbids in a unique-id, such as a line end, is written as ``=`` and two
    hexadecimal digits.
    """
    uid = name.partition(b":")[0] or name
    if _PRINTABLE.issuperset(uid):
        return uid
    return b"".join(b"%c" % byte if byte in _PRINTABLE else b"=%02X" % byte for byte in uid)


class Mailbox(Dialogue):
    """The dialogue of qmail-pop3d about one mailbox."""

    otherwise = b"unimplemented"

    def __init__(self, messages: Messages) -> None:
        """Begin with the reply that tells a client it has logged in."""
        super().__init__(OK)
        self._messages = messages
        self._deleted = bytearray(len(messages))
        self._size = sum(map(messages.size, range(len(messages))))
        self._last = 0
        self._text = Text()
        self._line: Callable[[int], bytes] = self._size_line
        self._listed = 0

    def answer(self, answer: Answer) -> None:
        """Take the answer to the last event, of the type it wants."""
        event, self._asked = self._asked, None
        if event is not None:
            _ANSWERED[event.__class__](self, answer)

    # Commands.

    def _stat(self, argument: bytes) -> None:
        """STAT: the count, deleted ones included, and the size without them (qmail-pop3d.c pop3_stat)."""
        self._say(b"%d %d" % (len(self._deleted), self._size))

    def _list(self, argument: bytes) -> None:
        """LIST: sizes."""
        self._list_with(argument, self._size_line)

    def _uidl(self, argument: bytes) -> None:
        """UIDL: unique-ids."""
        self._list_with(argument, self._uid_line)

    def _list_with(self, argument: bytes, line: Callable[[int], bytes]) -> None:
        """Give the line of one message, or begin to give those of all."""
        if not argument:
            self._say()
            self._line, self._listed = line, 0
            self._state = Mailbox._read_list
            return
        at = self._message(argument)
        if at is not None:
            self._say(line(at))

    def _retr(self, argument: bytes) -> Event | None:
        """RETR, TOP: a message, or its header and some lines; for 1.02 the two are one command.

        Unlike 1.02: a negative number of lines is a syntax error; there it meant all lines.
        """
        at = self._message(argument)
        if at is None:
            return None
        wanted = number_of(argument)[1].lstrip(b" ")
        if wanted.startswith(b"-"):
            self._refuse(SYNTAX_ERROR)
            return None
        self._text = Text(number_of(wanted)[0])
        return Open(at)

    def _dele(self, argument: bytes) -> None:
        """DELE: mark a message."""
        at = self._message(argument)
        if at is not None:
            self._deleted[at] = 1
            self._size -= self._messages.size(at)
            self._last = max(self._last, at + 1)
            self._say()

    def _rset(self, argument: bytes) -> None:
        """RSET: forget all marks."""
        for at in range(len(self._deleted)):
            if self._deleted[at]:
                self._size += self._messages.size(at)
        self._deleted = bytearray(len(self._deleted))
        self._last = 0
        self._say()

    def _last_deleted(self, argument: bytes) -> None:
        """LAST: the highest number that was deleted (qmail-pop3d.c pop3_last)."""
        self._say(b"%d" % self._last)

    def _quit(self, argument: bytes) -> Event:
        """QUIT: do what was marked."""
        self.said_goodbye = True
        return Leave(self._deleted)

    def _message(self, argument: bytes) -> int | None:
        """Find the message an argument begins with, counted from 0; refuse and give None where there is none."""
        number, _ = number_of(argument)
        if number is None:
            self._refuse(SYNTAX_ERROR)
        elif number == 0:
            self._refuse(b"messages are counted from 1")
        elif number > len(self._deleted):
            self._refuse(b"not that many messages")
        elif self._deleted[number - 1]:
            self._refuse(b"already deleted")
        else:
            return number - 1
        return None

    def _size_line(self, at: int) -> bytes:
        """Write a line of LIST."""
        return b"%d %d" % (at + 1, self._messages.size(at))

    def _uid_line(self, at: int) -> bytes:
        """Write a line of UIDL."""
        return b"%d %s" % (at + 1, unique_id(self._messages.name(at)))

    # Long replies.

    def _read_list(self) -> None:
        """Write the next part of a list."""
        lines = []
        size = 0
        while self._listed < len(self._deleted) and size <= OUTPUT_MAX:
            at = self._listed
            self._listed += 1
            if not self._deleted[at]:
                lines.append(self._line(at) + b"\r\n")
                size += len(lines[-1])
        if size <= OUTPUT_MAX:
            lines.append(b".\r\n")
            self._state = Mailbox._read_command
        self._output += b"".join(lines)

    def _read_message(self) -> Event:
        """Ask for the next piece of the message."""
        return Read()

    # Answers.

    def _opened(self, answer: Answer) -> None:
        """Begin the message, or refuse."""
        if answer:
            self._say()
            self._state = Mailbox._read_message
        else:
            self._refuse(b"unable to open that message")

    def _got_piece(self, answer: Answer) -> None:
        """Send a piece of the message on its way, or its end."""
        assert isinstance(answer, bytes)
        self._output += self._text.convert(answer)
        if not answer or self._text.is_complete:
            self._output += self._text.finish()
            self._state = Mailbox._read_command

    def _left(self, answer: Answer) -> None:
        """Say goodbye."""
        assert isinstance(answer, int)
        for _ in range(answer):
            self._refuse(b"unable to unlink all deleted messages")
        self._say()
        self._state = Mailbox._read_closed

    verbs = {
        b"STAT": _stat, b"LIST": _list, b"UIDL": _uidl, b"RETR": _retr, b"TOP": _retr, b"DELE": _dele,
        b"RSET": _rset, b"LAST": _last_deleted, b"NOOP": Dialogue._noop, b"QUIT": _quit,
    }


_ANSWERED = {Open: Mailbox._opened, Read: Mailbox._got_piece, Leave: Mailbox._left}
