"""tcp-env -- set up TCP-related environment variables

Synopsis::

    tcp-env [-rR] [-ttimeout] program [arg ...]

tcp-env finds out who is at the other end of the TCP connection on descriptor 0, puts that into the environment, and
runs program. It is used in /etc/inetd.conf in front of a server such as qmail-smtpd::

    smtp stream tcp nowait qmaild /var/qmail/bin/tcp-env tcp-env /var/qmail/bin/qmail-smtpd

Under tcpserver, which sets PROTO to TCP and the other variables itself, tcp-env changes nothing.

-r          Ask the client's host who the user is that has made the connection (RFC 1413). This is the default.
-R          Do not ask.
-t timeout  Wait so many seconds for the answer, 30 unless set.

Environment, as tcp-environ(5) describes it: PROTO becomes TCP. TCPLOCALIP, TCPLOCALPORT, TCPREMOTEIP and
TCPREMOTEPORT are the two ends of the connection. TCPLOCALHOST and TCPREMOTEHOST are the names of the hosts in small
letters, whoever made them up; a host without a name has no variable, and where the name servers do not answer the
name is ``softdnserror``. TCPREMOTEINFO is what the client's host says about the user, without blanks; if it will not
tell it is empty, and if it does not answer there is no variable.

Unlike 1.02: IPv6 connections work in tcp-env, too, and an IPv4 client of an IPv6 socket is shown with its IPv4
address.

Exit codes:

| 111  tcp-env was called wrongly, descriptor 0 is no TCP connection, or program cannot be run

Otherwise the exit code is that of program.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

from qtwisted.config.control import leading_number
from qtwisted.model.options import OptionError, getopt
from qtwisted.system.ending import LATER, helped, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence
    from typing import Any

    Environ = MutableMapping[bytes, bytes]

IDENT_PORT = 113
IDENT_FOR = 30
#: no value is longer (tcp-env.c)
INFO_MAX = 998
#: an answer goes on no further
ANSWER_MAX = 4096
SOFT_ERROR = b"softdnserror"

_MAPPED = "::ffff:"


def host_name(ip: str) -> bytes | None:
    """Look up the name of the host at an address; None where it has none."""
    try:
        name, _ = socket.getnameinfo((ip, 0), socket.NI_NAMEREQD)
    except socket.gaierror as error:
        return SOFT_ERROR if error.errno == socket.EAI_AGAIN else None
    except OSError:
        return SOFT_ERROR
    except UnicodeError:
        return None
    return name.lower().encode("utf-8", "surrogateescape")


def plain_ip(address: str) -> str:
    """Write the address of one end; IPv4 plain, even where it came in over IPv6."""
    if address.startswith(_MAPPED) and "." in address:
        return address[len(_MAPPED) :]
    return address


def describe(
    connection: socket.socket,
    environ: Environ,
    find_name: Callable[[str], bytes | None] = host_name,
    ident_for: float | None = IDENT_FOR,
    ident_port: int = IDENT_PORT,
) -> None:
    """Set the variables of a connection; ``ident_for`` is None if nobody is to be asked about the user.

    Raises OSError or ValueError if it is no TCP connection.
    """
    if connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.type != socket.SOCK_STREAM:
        raise ValueError("not a TCP connection")
    local, remote = connection.getsockname(), connection.getpeername()
    environ[b"PROTO"] = b"TCP"
    for side, end in ((b"LOCAL", local), (b"REMOTE", remote)):
        ip = plain_ip(end[0])
        environ[b"TCP" + side + b"PORT"] = b"%d" % end[1]
        environ[b"TCP" + side + b"IP"] = ip.encode()
        _put(environ, b"TCP" + side + b"HOST", find_name(ip))
    info = None
    if ident_for is not None:
        info = ask(connection.family, local, remote, ident_for, ident_port)
    _put(environ, b"TCPREMOTEINFO", info)


def _put(environ: Environ, name: bytes, value: bytes | None) -> None:
    """Set a variable; None takes it away. A NUL, which none can hold, ends the value."""
    if value is None:
        environ.pop(name, None)
    else:
        environ[name] = value.partition(b"\0")[0]


def ask(
    family: socket.AddressFamily, local: Sequence[Any], remote: Sequence[Any], within: float, port: int
) -> bytes | None:
    """Ask the client's host about the user, within so many seconds; None if there is no answer (remoteinfo.c)."""
    until = time.monotonic() + within
    try:
        with socket.socket(family, socket.SOCK_STREAM) as asking:
            asking.bind((local[0], 0, *local[2:]))
            asking.settimeout(max(within, 0.001))
            asking.connect((remote[0], port, *remote[2:]))
            asking.setblocking(False)
            asking.send(b"%d , %d\r\n" % (remote[1], local[1]))
            return _read_info(asking, until)
    except OSError:
        return None


def _read_info(asking: socket.socket, until: float) -> bytes | None:
    """Read a line, or as much of it as can count; None if it does not come."""
    answer = b""
    while b"\n" not in answer and len(answer) < ANSWER_MAX and len(info_in(answer)) < INFO_MAX:
        left = max(until - time.monotonic(), 0)
        if not select.select([asking], [], [], left)[0]:
            return None
        data = asking.recv(ANSWER_MAX)
        if not data:
            return None
        answer += data
    return info_in(answer)


def info_in(answer: bytes) -> bytes:
    """Take what follows the third colon of the first line, without blanks; nothing where there is none."""
    text = answer.partition(b"\n")[0].translate(None, b" \t\r")
    return b"".join(text.split(b":", 3)[3:])[:INFO_MAX]


def main() -> int:
    """Run the program; the answer is the exit code."""
    if helped(__doc__):
        return 0
    return tcp_env([os.fsencode(word) for word in sys.argv])


def tcp_env(argv: list[bytes]) -> int:
    """Set the variables and become the program; give the exit code if that fails."""
    options, command = _options(argv)
    asks, ident_for = True, IDENT_FOR
    for letter, value in options:
        if letter == b"t":
            ident_for = leading_number(value) or 0
        elif letter in (b"r", b"R"):
            asks = letter == b"r"
    if not command:
        return LATER
    try:
        if os.environb.get(b"PROTO") != b"TCP":
            with socket.socket(fileno=os.dup(0)) as connection:
                describe(connection, os.environb, host_name, ident_for if asks else None)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.execvp(command[0], command)
    except (OSError, ValueError):
        return LATER


def _options(argv: list[bytes]) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """Read the command line; an option that does not exist is named and passed over (tcp-env.c)."""
    letters = b"rRt:"
    while True:
        try:
            return getopt(argv, letters)
        except OptionError as wrong:
            say(wrong.text, b"")
            letter = wrong.text[-2:-1]
            if letter in letters or letter == b":":
                return [], []
            letters += letter


if __name__ == "__main__":
    sys.exit(main())
