"""Hands one message to the queue and waits for the answer: for programs that are started for one message.

    submission = open_submission(home, os.environ)
    submission.write(text)
    result = submission.commit(Envelope(sender, recipients))

Trouble of any kind is in the result, never an exception. If QMAILQUEUE is set in the environment its program
takes the message instead of the door (see ``external``).

While the door is being restarted the connection is tried again for half a minute. Once part of a message has
been sent nothing is tried again: the door may have stored it, and a message must not be queued twice by our
doing.
"""

from __future__ import annotations

import os
import time

from qtwisted.model.envelope import ADDRESS_MAX, BAD_FORMAT, TOO_LONG, Envelope, submission
from qtwisted.model.submission import Result, result_of
from qtwisted.wire import door

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from typing import Protocol

    class Submission(Protocol):
        """A message being handed in."""

        def write(self, piece: bytes) -> None:
            """Add to the text."""

        def envelope(self, records: bytes) -> None:
            """Give records of an envelope too long to hold (``interface.Draft``)."""

        def commit(self, envelope: Envelope | None = None) -> Result:
            """Give the envelope, or its end, and wait for the outcome."""

        def abandon(self) -> None:
            """Drop the message."""


PRIVATE = "queue-priv.sock"
PUBLIC = "queue.sock"

#: how long a connection is tried for, in seconds
RETRY_FOR = 30.0
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
#: so much is collected before it is sent; a message up to this size is sent in one go when it is complete
SEND_AT = 65536
#: longer than the door serves anybody
ANSWER_WITHIN = 86400.0

# exit codes of qmail-queue
UNREACHABLE = 71
TIMED_OUT = 72
LOST = 74
BUG = 81


def open_submission(home: str, environ: Mapping[str, str]) -> Submission:
    """Start handing in a message to the queue of ``home``, or to the program that QMAILQUEUE names."""
    program = environ.get("QMAILQUEUE")
    if program is not None:
        from qtwisted.store.external import ProgramSubmission

        return ProgramSubmission(home, program, environ)
    return DoorSubmission(DoorCall(home))


def connect(home: str, sleep: Callable[[float], None] = time.sleep) -> socket.socket:
    """Connect to the door, as a role if we are one; raise OSError if it cannot be reached for half a minute."""
    from qtwisted.system.sockets import connect_unix

    names = (PRIVATE, PUBLIC) if is_role(home, os.geteuid()) else (PUBLIC,)
    give_up_at = time.monotonic() + RETRY_FOR
    pause = FIRST_PAUSE
    while True:
        for name in names:
            try:
                return connect_unix(home + "/run", name)
            except OSError as error:
                trouble = error
        if time.monotonic() + pause > give_up_at:
            raise trouble
        sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def is_role(home: str, uid: int) -> bool:
    """Is this the user of a role that hands in mail, for whom there is a socket of its own?"""
    from qtwisted.config.conf import ids, load

    try:
        found = ids(load(home))
    except Exception:
        return False  # the door knows better; the socket for everybody will do
    return uid in (found.alias_uid, found.qmaild_uid, found.qmails_uid, found.qmailr_uid, 0)


class DoorCall:
    """One message on one connection to the door, in pieces of any size."""

    def __init__(self, home: str) -> None:
        """Connect later, when there is something to send."""
        self._home = home
        self._socket: socket.socket | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._code: int | None = None

    def piece(self, data: bytes) -> None:
        """Send a piece of the text."""
        self._add(door.frames(door.PIECE, 1, data))

    def envelope(self, data: bytes) -> None:
        """Send a piece of the envelope."""
        self._add(door.frames(door.ENVELOPE, 1, data))

    def answer(self) -> tuple[int, int]:
        """Wait for the door's answer: the exit code of qmail-queue and the number of the message."""
        self._send()
        connection = self._socket
        if self._code is not None or connection is None:
            return (BUG if self._code is None else self._code), 0
        try:
            connection.settimeout(ANSWER_WITHIN)
            return self._read_answer(connection)
        except TimeoutError:
            return TIMED_OUT, 0
        except (OSError, door.FrameError, ValueError):
            return LOST, 0
        finally:
            self.close()

    def close(self) -> None:
        """End the connection; a message that is not complete is dropped by the door."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read_answer(self, connection: socket.socket) -> tuple[int, int]:
        """Read frames until one answers our message."""
        reader = door.FrameReader(door.FROM_DOOR)
        while data := connection.recv(4096):
            for letter, ident, payload in reader.received(data):
                if ident == 1 and letter == door.STORED:
                    return 0, int(payload)
                if ident == 1 and letter == door.REFUSED:
                    return int(payload) or BUG, 0
        return LOST, 0

    def _add(self, data: bytes) -> None:
        """Hold a little, send a lot."""
        if self._code is None:
            self._held.append(data)
            self._size += len(data)
            if self._size > SEND_AT:
                self._send()

    def _send(self) -> None:
        """Send what is held; remember the first trouble and send nothing after it."""
        data, self._held, self._size = b"".join(self._held), [], 0
        if self._code is not None or not data:
            return
        if self._socket is None:
            try:
                self._socket = connect(self._home)
            except OSError:
                self._code = UNREACHABLE
                return
        try:
            self._socket.sendall(data)
        except OSError:
            self._code = LOST
            self.close()


class DoorSubmission:
    """A message handed in to the door."""

    def __init__(self, call: DoorCall) -> None:
        """Use a connection that nobody else uses."""
        self._call = call

    def write(self, piece: bytes) -> None:
        """Add to the text."""
        self._call.piece(piece)

    def envelope(self, records: bytes) -> None:
        """Give records of the envelope."""
        self._call.envelope(records)

    def commit(self, envelope: Envelope | None = None) -> Result:
        """Give the envelope, or its end, and wait until the message is durable or refused."""
        problem = 0 if envelope is None else fault(envelope)
        if problem:
            self._call.close()
            return result_of(problem, 0)
        self._call.envelope(b"\0" if envelope is None else submission(envelope))
        return result_of(*self._call.answer())

    def abandon(self) -> None:
        """Drop the message."""
        self._call.close()


def fault(envelope: Envelope) -> int:
    """Check an envelope before it is sent: 0, or the exit code of qmail-queue for what is wrong with it.

    A zero byte in an address would end its record and begin another.
    """
    for address in (envelope.sender, *envelope.recipients):
        if b"\0" in address:
            return BAD_FORMAT
        if len(address) > ADDRESS_MAX:
            return TOO_LONG
    return 0
