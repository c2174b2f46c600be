"""Hands a message to another program in the place of qmail-queue: the one that QMAILQUEUE names.

The program gets the message on descriptor 0 and the envelope on descriptor 1, runs in the home directory, and
tells the outcome by qmail-queue's exit codes. On descriptor 6 it may write a text of its own, beginning with
D (for good) or Z (for now), and exit 82. It gets our descriptor 2 and no other.

Unlike 1.02: QMAILQUEUE is heeded, as in netqmail, and the text on descriptor 6, as in notqmail.

Unlike 1.02: the program inherits no descriptors but those it needs, and we do not wait for a process of its
own that keeps descriptor 6 open.
"""

from __future__ import annotations

import fcntl
import os
import select

from qtwisted.model.envelope import Envelope, submission
from qtwisted.model.submission import WAIT_FAILED, Result, result_of
from qtwisted.store.client import fault
from qtwisted.system.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

# exit codes
READ_ERROR = 54
HOME_TROUBLE = 61
OWN_TEXT = 82
NO_EXEC = 120

#: a text must be longer than the first and is cut to the second
TEXT_MIN = 3
TEXT_MAX = 255
TEXT_FD = 6


def outcome(code: int | None, text: bytes, number: int) -> Result:
    """Make the result from an exit code (None: killed by a signal), what came on descriptor 6, and the pid."""
    if code == OWN_TEXT and len(text) >= TEXT_MIN:
        words = text[:TEXT_MAX]
        return Result(words if words[:1] in (b"D", b"Z") else b"Z" + words[1:], number)
    return result_of(code, number)


def program_path(home: str, program: str) -> str:
    """Find the program as an exec in the home directory would; there is no search along PATH."""
    return os.path.join(home, program)


class ProgramSubmission:
    """A message handed in to a program, waiting where need be."""

    def __init__(self, home: str, program: str, environ: Mapping[str, str]) -> None:
        """Start the program."""
        self._broken = False
        self._text, text_end = os.pipe()
        message, self._message = os.pipe()
        envelope, self._envelope = os.pipe()
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _become(home, program, environ, (message, envelope, text_end))
        finally:
            for fd in (message, envelope, text_end):
                os.close(fd)

    def write(self, piece: bytes) -> None:
        """Add to the text."""
        self._send(self._message, piece)

    def envelope(self, records: bytes) -> None:
        """Give records of the envelope; the text is complete."""
        self._end_text()
        self._send(self._envelope, records)

    def commit(self, envelope: Envelope | None = None) -> Result:
        """Give the envelope, or its end, and wait for the program's end."""
        problem = 0 if envelope is None else fault(envelope)
        self._end_text()
        if not problem:
            self._send(self._envelope, b"\0" if envelope is None else submission(envelope))
        os.close(self._envelope)
        result = self._wait()
        if problem:
            return result_of(problem, 0)
        return result_of(READ_ERROR, 0) if self._broken and result.ok else result

    def abandon(self) -> None:
        """End the envelope before its end: nothing is queued."""
        self._end_text()
        os.close(self._envelope)
        self._wait()

    def _end_text(self) -> None:
        """Let the program see the end of the text."""
        if self._message >= 0:
            os.close(self._message)
            self._message = -1

    def _send(self, fd: int, data: bytes) -> None:
        """Write all; a program that stops reading is asked for its exit code all the same."""
        try:
            while data and not self._broken:
                data = data[os.write(fd, data) :]
        except OSError:
            self._broken = True

    def _wait(self) -> Result:
        """Wait for the end of the program, not for that of its children; collect its text meanwhile."""
        text = b""
        try:
            ended = os.pidfd_open(self._pid)
        except OSError:
            ended = -1
        try:
            poll = select.poll()
            poll.register(self._text, select.POLLIN)
            if ended >= 0:
                poll.register(ended, select.POLLIN)
            while True:
                ready = [fd for fd, _ in poll.poll()]
                more = os.read(self._text, TEXT_MAX - len(text)) if self._text in ready else b""
                text += more
                if len(text) >= TEXT_MAX or not more:
                    break
        finally:
            os.close(self._text)
            if ended >= 0:
                os.close(ended)
        try:
            status = os.waitpid(self._pid, 0)[1]
        except OSError:
            return Result(WAIT_FAILED, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        return outcome(code, text, self._pid)


def _become(home: str, program: str, environ: Mapping[str, str], fds: tuple[int, int, int]) -> NoReturn:
    """In the child: arrange the descriptors and become the program (qmail.c qmail_open)."""
    code = NO_EXEC
    try:
        # Out of the way of each other first, then to where the program looks for them.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, TEXT_FD + 1) for fd in fds]
        for fd, target in zip(high, (0, 1, TEXT_FD), strict=True):
            os.dup2(fd, target)
        os.closerange(3, TEXT_FD)
        os.closerange(TEXT_FD + 1, os.sysconf("SC_OPEN_MAX"))
        if not _is_open(2):
            os.dup2(os.open("/dev/null", os.O_RDWR), 2)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these two
            signal.signal(number, signal.SIG_DFL)
        code = HOME_TROUBLE
        os.chdir(home)
        code = NO_EXEC
        os.execve(program, [program], dict(environ))
    finally:
        os._exit(code)


def _is_open(fd: int) -> bool:
    """Is there such a descriptor?"""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
