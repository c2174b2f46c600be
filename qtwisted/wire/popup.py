"""The server's side of POP3 before a client has logged in, in the words of qmail-popup: bytes in, events out.

The only event is Credentials: a name, and a password or the digest of APOP, to check. There is one attempt; whatever
comes of it, the dialogue is over then. Where it succeeds, another goes on in its place (``wire.pop3``).

RFC 1939 4 and 7.
"""

from __future__ import annotations

from qtwisted.wire.dialogue import DATA, Wait
from qtwisted.wire.pop3_dialogue import SYNTAX_ERROR, Dialogue, Event

#: commands after which a client that has not logged in is cut off
TRIES_MAX = 100


class Credentials(Event):
    """The client says who it is: a name, and a password or the digest of one and the stamp."""

    __slots__ = ("login", "password", "stamp")

    def __init__(self, login: bytes, password: bytes, stamp: bytes) -> None:
        """Take what goes to the password program."""
        self.login = login
        self.password = password
        self.stamp = stamp


class Login(Dialogue):
    """The dialogue of qmail-popup, up to the one attempt to log in.

    Unlike 1.02: a client that has said a hundred things and not logged in is cut off.
    """

    otherwise = b"authorization first"

    def __init__(self, stamp: bytes) -> None:
        """Greet with the stamp, ``<…@host>``, which must be another one for every client."""
        super().__init__(b"+OK %s\r\n" % stamp)
        self._stamp = stamp
        self._login = b""
        self._tries = 0

    def answer(self, output: bytes) -> None:
        """Say how the attempt ended: what the client gets to read before we close, if anything."""
        if self._asked is not None:
            self._asked = None
            self._output += output
            self._state = Dialogue._read_closed

    def rest(self) -> bytes:
        """Take what the client has sent behind its credentials."""
        return self._lines.clear()

    def _read_command(self) -> Event | Wait | None:
        """Read one command, but not for ever."""
        event = super()._read_command()
        if event is not DATA:
            self._tries += 1
            if event is None and self._tries >= TRIES_MAX:
                self._state = Dialogue._read_closed
        return event

    def _user(self, argument: bytes) -> None:
        """USER: the name."""
        if argument:
            self._login = argument
            self._say()
        else:
            self._refuse(SYNTAX_ERROR)

    def _pass(self, argument: bytes) -> Event | None:
        """PASS: the password."""
        if not self._login:
            self._refuse(b"USER first")
        elif not argument:
            self._refuse(SYNTAX_ERROR)
        else:
            return Credentials(self._login, argument, self._stamp)
        return None

    def _apop(self, argument: bytes) -> Event | None:
        """APOP: the name and the digest."""
        login, blank, digest = argument.partition(b" ")
        if blank:
            return Credentials(login, digest, self._stamp)
        self._refuse(SYNTAX_ERROR)
        return None

    def _quit(self, argument: bytes) -> None:
        """QUIT: the end."""
        self._say()
        self.said_goodbye = True
        self._state = Dialogue._read_closed

    verbs = {b"USER": _user, b"PASS": _pass, b"APOP": _apop, b"QUIT": _quit, b"NOOP": Dialogue._noop}
