"""qmail-qmqpc -- queue a mail message on another host

Synopsis::

    qmail-qmqpc < message 1< envelope

qmail-qmqpc has the interface of qmail-queue: it reads a message from descriptor 0 to its end and then an envelope
from descriptor 1. It hands both by QMQP to one of the hosts listed in control/qmqpservers, and exits 0 when that
host has taken the message. A host where bin/qmail-queue is qmail-qmqpc needs no queue of its own.

Each line of qmqpservers is an address; hosts are tried in turn until one takes the connection. From then on nothing
is tried again, as the host may have queued the message. What it says is not passed on.

The envelope is the letter F, the sender and a zero byte; for each recipient the letter T, the recipient and a zero
byte; and a last zero byte. Without the last zero byte nothing is sent. Nothing is ever written to any descriptor.

Unlike 1.02: a line of qmqpservers may be an IPv6 address, too.

Unlike 1.02: what does not fit into some memory is kept in an unnamed file in $TMPDIR or /tmp.

Exit codes:

| 0    the message is queued
| 31   the host refused the message for good
| 51   out of memory
| 54   unable to read the message or the envelope, or to keep them
| 55   control/qmqpservers is missing, cannot be read, or lists no address
| 56   no socket can be had
| 61   trouble in the home directory
| 71   the host refused the message for now
| 72   the last host that was tried did not answer
| 73   the last host that was tried did not take the connection
| 74   the connection was lost; the message may or may not be queued
| 91   the envelope has a wrong format

Files: HOME/control/qmqpservers; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import socket
import sys

from qtwisted.config.conf import home_dir
from qtwisted.config.control import Control, ControlError
from qtwisted.config.fields import qmqpservers
from qtwisted.model.envelope import BAD_FORMAT, CUT_OFF, EnvelopeError
from qtwisted.system.ending import helped
from qtwisted.system.signals import signal
from qtwisted.wire.dialogue import CLOSE, DATA, SEND
from qtwisted.wire.netstring import netstring, size_of
from qtwisted.wire.qmqp import Answered, QmqpClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import NoReturn

    Server = tuple[socket.AddressFamily, str]
    Connect = Callable[[Server], socket.socket]

PORT = 628
#: how long a host may take to accept a connection, and then for each read and write, in seconds
CONNECT_FOR = 10.0
TALK_FOR = 60.0

PIECE = 65536
#: so much is kept in memory, of the message and of the envelope each
IN_MEMORY = 1024 * 1024

NO_MEMORY = 51
READ_ERROR = 54
NO_SERVERS = 55
NO_SOCKET = 56
HOME_TROUBLE = 61
TIMED_OUT = 72
REFUSED = 73
LOST = 74

_DIGITS = b"0123456789"
_CODES = {b"K": 0, b"Z": 71, b"D": 31}


class Kept:
    """Bytes that are kept until their number is known: in memory, or in a file without a name."""

    def __init__(self, most: int = IN_MEMORY) -> None:
        """Begin with nothing; keep at most so many bytes in memory."""
        self.size = 0
        self._most = most
        self._held: list[bytes] = []
        self._held_size = 0
        self._fd = -1

    def add(self, data: bytes) -> None:
        """Add bytes; raise OSError if the disk is full."""
        self._held.append(data)
        self._held_size += len(data)
        self.size += len(data)
        if self._held_size > self._most:
            self._write()

    def pieces(self) -> Iterator[bytes]:
        """Give all bytes, once."""
        if self._fd >= 0:
            os.lseek(self._fd, 0, os.SEEK_SET)
            while piece := os.read(self._fd, PIECE):
                yield piece
        yield from self._held

    def _write(self) -> None:
        """Write what is in memory."""
        if self._fd < 0:
            self._fd = unnamed_file()
        data = b"".join(self._held)
        self._held.clear()
        self._held_size = 0
        while data:
            data = data[os.write(self._fd, data) :]


def unnamed_file() -> int:
    """Make a file that is gone when we are; in memory where the file system has none without a name."""
    try:
        return os.open(os.environ.get("TMPDIR") or "/tmp", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError:
        return os.memfd_create("qmail-qmqpc")


def read_message(pieces: Iterable[bytes]) -> Kept:
    """Keep a message."""
    kept = Kept()
    for piece in pieces:
        kept.add(piece)
    return kept


def read_envelope(pieces: Iterable[bytes]) -> Kept:
    """Keep an envelope as netstrings; raise EnvelopeError if it is not complete and right (qmail-qmqpc.c getmess)."""
    kept = Kept()
    letter, rest = b"F", b""
    for piece in pieces:
        *records, rest = (rest + piece).split(b"\0")
        strings: list[bytes] = []
        for record in records:
            if not record and letter == b"T":
                kept.add(b"".join(strings))
                return kept
            if record[:1] != letter:
                raise EnvelopeError(BAD_FORMAT)
            strings.append(netstring(record[1:]))
            letter = b"T"
        kept.add(b"".join(strings))
    raise EnvelopeError(CUT_OFF)


def read_all(fd: int) -> Iterator[bytes]:
    """Read a descriptor to its end."""
    while piece := os.read(fd, PIECE):
        yield piece


def server(line: bytes) -> Server | None:
    """Read a line of qmqpservers; None where it is no address. What follows an address does not count (ip.c)."""
    *numbers, last = line.split(b".", 3)
    numbers.append(last[: len(last) - len(last.lstrip(_DIGITS))])
    if len(numbers) == 4 and all(number.isdigit() for number in numbers):
        return socket.AF_INET, ".".join(str(int(number) % 256) for number in numbers)
    text = line.partition(b" ")[0].decode("latin-1")
    try:
        socket.getaddrinfo(text, None, socket.AF_INET6, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return None
    return socket.AF_INET6, text


def connect(where: Server) -> socket.socket:
    """Connect to a host; raise SystemExit where there is no socket to be had."""
    family, address = where
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        sys.exit(NO_SOCKET)
    try:
        connection.settimeout(CONNECT_FOR)
        connection.connect(socket.getaddrinfo(address, PORT, family, socket.SOCK_STREAM)[0][4])
        connection.settimeout(TALK_FOR)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def contents(message: Kept, envelope: Kept) -> Iterator[bytes]:
    """Give what belongs into the outer netstring; pieces are never empty."""
    head = b"%d:" % message.size
    for piece in message.pieces():
        yield head + piece
        head = b""
    yield head + b","
    for piece in envelope.pieces():
        if piece:
            yield piece


def converse(connection: socket.socket, size: int, pieces: Iterator[bytes]) -> int:
    """Hand over a package; give the exit code."""
    core = QmqpClient(size)
    try:
        while True:
            event = core.next()
            if event is CLOSE:
                return LOST
            if event is SEND:
                _write(connection, core.take())
            elif event is DATA:
                _write(connection, core.take())
                data = connection.recv(PIECE)
                if data:
                    core.received(data)
                else:
                    core.lost()
            elif isinstance(event, Answered):
                return _CODES[event.letter]
            else:
                core.answer(next(pieces, b""))
    except OSError:
        return LOST


def _write(connection: socket.socket, data: bytes) -> None:
    """Send all, with the time limit for each write."""
    view = memoryview(data)
    while view:
        view = view[connection.send(view) :]


def hand_over(servers: Iterable[Server], message: Kept, envelope: Kept, connect: Connect) -> int:
    """Try the servers in turn until one takes the connection; give the exit code."""
    code = NO_SERVERS
    for where in servers:
        try:
            connection = connect(where)
        except TimeoutError:
            code = TIMED_OUT
        except OSError:
            code = REFUSED
        else:
            with connection:
                size = size_of(message.size) + envelope.size
                return converse(connection, size, contents(message, envelope))
    return code


def run(home: str, connect: Connect = connect) -> int:
    """Hand over the message from descriptor 0 and the envelope from descriptor 1; give the exit code."""
    try:
        os.chdir(home)
        lines = qmqpservers(Control(home))
    except ControlError:
        return NO_SERVERS
    except OSError:
        return HOME_TROUBLE
    if not lines:
        return NO_SERVERS
    try:
        message = read_message(read_all(0))
        envelope = read_envelope(read_all(1))
    except EnvelopeError:
        return BAD_FORMAT
    except MemoryError:
        return NO_MEMORY
    except OSError:
        return READ_ERROR
    found = [where for where in map(server, lines) if where is not None]
    return hand_over(found, message, envelope, connect)


def main() -> NoReturn:
    """Run the program."""
    if helped(__doc__):
        sys.exit(0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run(os.path.abspath(home_dir(os.environ))))


if __name__ == "__main__":
    main()
