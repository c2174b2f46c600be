"""What the two dialogues of POP3 have in common: command lines in, replies out, one question at a time.

Rules this file keeps:

* While an event is unanswered nothing more is read.
* Every reply is ready when ``next()`` says DATA; a long one comes in parts, with SEND between them.
* Memory is bounded whatever the client sends: a command line, and 16 KB of replies.

RFC 1939 3; commands are read as in 1.02 (commands.c).
"""

from __future__ import annotations

from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, SEND, Wait
from qtwisted.wire.lines import Endless, Lines, TooLong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

#: RFC 2449 4 allows 255; passwords may be longer
LINE_MAX = 1024
#: a longer line is refused when its end comes, unless it does not come within this
LINE_PATIENCE = 1024 * 1024
#: output beyond this waits for the driver to send it
OUTPUT_MAX = 16 * 1024

LINE_TOO_LONG = b"line too long"
SYNTAX_ERROR = b"syntax error"


class Event:
    """Something a client wants."""

    __slots__ = ()


class Dialogue:
    """What both cores have in common: command lines in, replies out."""

    #: what a command does, by its name in capitals; it may make an event to ask about
    verbs: Mapping[bytes, Callable[[Any, bytes], Event | None]]
    #: how any other command is refused
    otherwise: bytes

    def __init__(self, greeting: bytes) -> None:
        """Begin with something to say."""
        self._lines = Lines(LINE_MAX, LINE_PATIENCE)
        self._output = greeting
        self._asked: Event | None = None
        self._state: Callable[[Any], Event | Wait | None] = self.__class__._read_command
        #: did the client end the dialogue itself, with QUIT?
        self.said_goodbye = False

    # The five methods of a core; ``answer`` is that of each dialogue.

    def received(self, data: bytes) -> None:
        """Take bytes from the client; they are looked at when ``next()`` is called."""
        self._lines.add(data)

    def next(self) -> Event | Wait:
        """Give the next thing the client wants, or say what is needed first."""
        if self._asked is not None:
            return ANSWER
        while True:
            if len(self._output) > OUTPUT_MAX:
                return SEND
            event = self._state(self)
            if event is not None:
                break
        if not isinstance(event, Wait):
            self._asked = event
        return event

    def take(self) -> bytes:
        """Give the replies that have not been sent yet."""
        output, self._output = self._output, b""
        return output

    def lost(self) -> None:
        """The client is gone: an unanswered question is forgotten."""
        self._asked = None
        self._state = Dialogue._read_closed

    # Readers, one per state.

    def _read_closed(self) -> Wait:
        """Read nothing more."""
        return CLOSE

    def _read_command(self) -> Event | Wait | None:
        """Read one command and do what it says; a NUL ends the line (commands.c)."""
        try:
            line = self._lines.line()
        except TooLong:
            self._refuse(LINE_TOO_LONG)
            return None
        except Endless:
            self._refuse(LINE_TOO_LONG)
            self._state = Dialogue._read_closed
            return None
        if line is None:
            return DATA
        name, _, argument = line.partition(b"\0")[0].partition(b" ")
        verb = self.verbs.get(name.upper())
        if verb is None:
            self._refuse(self.otherwise)
            return None
        return verb(self, argument.lstrip(b" "))

    # What many commands do.

    def _say(self, text: bytes = b"") -> None:
        """Answer with success and some data."""
        self._output += b"+OK %s\r\n" % text

    def _refuse(self, text: bytes) -> None:
        """Answer with an error."""
        self._output += b"-ERR %s\r\n" % text

    def _noop(self, argument: bytes) -> None:
        """NOOP: nothing."""
        self._say()
