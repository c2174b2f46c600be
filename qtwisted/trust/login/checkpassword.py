"""The checkpassword interface: how a program is asked whether somebody may log in, and how it answers.

A password program reads ``login NUL password NUL stamp NUL`` from descriptor 3. It exits 1 to refuse, 2 if it was
called wrongly, 111 if it cannot tell now. Otherwise it becomes the user, for good, and then the program that its
arguments name.

``start`` is the side of who asks. ``serve`` is the side of who answers: a password program of ours is a function
that looks at the credentials.

Rules this file keeps:

* Nobody logs in as uid 0, or with an empty password.
* The user gets exactly one group, and a look at every id before anything is run as him.
* No error is printed: what a password program prints goes to the client.
"""

from __future__ import annotations

import os

from qtwisted.model.frozen import NamedTuple
from qtwisted.system.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Check = Callable[["Credentials"], "User | None"]

#: the descriptor it is all about
CREDENTIALS = 3
#: and what may be read from it
SIZE_MAX = 512

REFUSED = 1
MISUSED = 2
LATER = 111

#: what Python ignores and a program expects at its default
_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)


class Credentials(NamedTuple):
    """What a client says to log in; for APOP the password is the MD5 of stamp and secret in hexadecimal."""

    login: bytes
    password: bytes
    stamp: bytes


class User(NamedTuple):
    """Who somebody becomes who has logged in, and where he is at home."""

    uid: int
    gid: int
    home: bytes
    shell: bytes = b"/bin/sh"


class Failed(Exception):
    """A password program ends with this exit code."""

    def __init__(self, code: int) -> None:
        """Take the code."""
        super().__init__(code)
        self.code = code


# ---- who asks


class PipeError(Exception):
    """The credentials could not be handed over; ``step`` says what could not be done to the pipe: open or write."""

    def __init__(self, step: bytes) -> None:
        """Take the step."""
        super().__init__(step)
        self.step = step


def start(argv: Sequence[bytes], credentials: bytes, environ: Mapping[bytes, bytes],
          copies: Sequence[tuple[int, int]]) -> int:
    """Start a password program with credentials on descriptor 3; give its pid.

    *copies* names a descriptor of ours and its number there, for each that it gets besides. Raises PipeError, or
    OSError if the program cannot be run.
    """
    try:
        reading, writing = os.pipe()
    except OSError as error:
        raise PipeError(b"open") from error
    try:
        try:
            # it fits into the pipe, so this waits for nobody, and a program that does not read is no trouble
            os.write(writing, credentials)
        except OSError as error:
            raise PipeError(b"write") from error
        finally:
            os.close(writing)
        # a copy to its own number would keep the mark that closes it
        os.set_inheritable(reading, reading == CREDENTIALS)
        actions = [(os.POSIX_SPAWN_DUP2, ours, theirs) for ours, theirs in (*copies, (reading, CREDENTIALS))]
        return os.posix_spawnp(argv[0], list(argv), environ, file_actions=actions, setsigdef=_SIGNALS, setsigmask=())
    finally:
        os.close(reading)


# ---- who answers


def serve(argv: Sequence[bytes], check: Check) -> int:
    """Be a password program: ask *check*, and become the user and the program that *argv* names after our own.

    Gives the exit code if that comes to nothing. *check* gives None to refuse, and raises Failed if it cannot tell.
    """
    try:
        credentials = read()
        if len(argv) < 2:
            raise Failed(MISUSED)
        user = check(credentials)
        if user is None or not credentials.password:
            raise Failed(REFUSED)
        become(user, credentials.login)
        return execute(argv[1:])
    except Failed as failure:
        return failure.code


def read() -> Credentials:
    """Read the credentials."""
    data = b""
    try:
        while len(data) <= SIZE_MAX and (piece := os.read(CREDENTIALS, SIZE_MAX + 1 - len(data))):
            data += piece
        os.close(CREDENTIALS)
    except OSError:
        raise Failed(MISUSED) from None
    if len(data) > SIZE_MAX:
        raise Failed(REFUSED)
    fields = data.split(b"\0")
    if len(fields) < len(Credentials._fields):
        raise Failed(MISUSED)
    return Credentials(*fields[: len(Credentials._fields)])


def become(user: User, login: bytes) -> None:
    """Turn into the user, at home, with an environment that says so; without root, only into who we are."""
    from qtwisted.system import privileges

    if not user.uid:
        raise Failed(REFUSED)
    try:
        if not os.geteuid():
            privileges.become(user.uid, user.gid, [user.gid])
        elif user.uid != os.geteuid():
            raise Failed(LATER)
        os.chdir(user.home)
    except (privileges.PrivilegeError, OSError):
        raise Failed(LATER) from None
    os.environb.update({b"USER": login, b"HOME": user.home, b"SHELL": user.shell})


def execute(argv: Sequence[bytes]) -> int:
    """Become the program; give the exit code for one that cannot be run."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], list(argv))
    except OSError:
        return LATER
