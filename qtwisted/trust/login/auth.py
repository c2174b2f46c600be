"""The role ``auth``: has passwords checked for the POP3 front, and sessions run as the owners of the mailboxes.

The front sends each attempt to log in with one end of a socket pair, which becomes descriptors 0 and 1 of the
password program (control/checkpassword) and of the session ``qmail-pop3d Maildir`` that it turns into. What the front
hears from us is how that process ended.

Rules this file keeps:

* It runs as root, and does nothing but start that program and wait: it looks at no password and reads nothing of
  a user.
* It knows nothing of the network but what an attempt says, which is bounded, and passed on as data only.
* A front that breaks the protocol ends it; so does the end of the front.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import socket
import stat

from qtwisted.config import fields
from qtwisted.config.control import Control, ControlError
from qtwisted.trust.login import checkpassword
from qtwisted.wire import logins
from qtwisted.wire.logins import Attempt, AttemptReader, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.system.start import Opened

#: what a password program turns into
SESSION = (b"qmail-pop3d", b"Maildir")
#: processes at a time
CHILDREN_MAX = 1000

_READ = 65536
_DESCRIPTORS = 64


class Auth:
    """The attempts under way."""

    def __init__(self, home: str, front: socket.socket, say: Callable[[str], None]) -> None:
        """Serve a front; *say* writes a log line."""
        self._home = home
        self._control = Control(home)
        self._front = front
        self._say = say
        self._reader = AttemptReader()
        self._descriptors: list[int] = []
        self._children: dict[int, int] = {}

    def run(self) -> None:
        """Serve until the front has gone."""
        ended, signalled = socket.socketpair()
        ended.setblocking(False)
        signalled.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *signalled: None)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._front, select.POLLIN)
        poll.register(ended, select.POLLIN)
        is_open = True
        while is_open:
            for fd, _ in poll.poll():
                if fd == ended.fileno():
                    ended.recv(_READ)
                    self._reap()
                else:
                    is_open = self._listen()

    def _listen(self) -> bool:
        """Take attempts; say whether there may be more."""
        data, descriptors, _, _ = socket.recv_fds(self._front, _READ, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        self._descriptors += descriptors
        for number, attempt in self._reader.received(data):
            if not self._descriptors:
                raise ProtocolError("attempt without a descriptor")
            self._begin(number, attempt, self._descriptors.pop(0))
        return bool(data)

    def _begin(self, number: int, attempt: Attempt, session: int) -> None:
        """Start the password program of an attempt."""
        try:
            if not stat.S_ISSOCK(os.fstat(session).st_mode):
                raise ProtocolError("attempt with something that is no socket")
            if len(self._children) >= CHILDREN_MAX:
                raise OSError("too many sessions")
            command = [*self._command(), *SESSION]
            copies = [(session, 0), (session, 1)]
            pid = checkpassword.start(command, attempt.credentials(), self._environment(attempt), copies)
        except (OSError, ControlError, ValueError, checkpassword.PipeError) as trouble:
            self._say(f"alert: auth: cannot run the password program: {trouble}")
            self._report(number, logins.REFUSED)
        else:
            self._children[pid] = number
        finally:
            os.close(session)

    def _command(self) -> list[bytes]:
        """Read what the password program is; raise ControlError or ValueError where that makes no sense."""
        words = shlex.split(os.fsdecode(fields.checkpassword(self._control)))
        if not words:
            raise ControlError("control/checkpassword", 1, "names no program")
        return [os.fsencode(word) for word in words]

    def _environment(self, attempt: Attempt) -> dict[bytes, bytes]:
        """Give what tcpserver would, as far as it is known, and where the programs and the home are."""
        environment = {name: os.environb[name] for name in (b"PATH", b"TZ") if name in os.environb}
        environment[b"QMAILHOME"] = os.fsencode(self._home)
        environment[b"PROTO"] = b"TCP"
        environment[b"TCPREMOTEIP"] = attempt.client
        return environment

    def _reap(self) -> None:
        """Report the processes that have ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            number = self._children.pop(pid, None)
            if number is not None:
                self._report(number, logins.ending_of(os.waitstatus_to_exitcode(status)))

    def _report(self, number: int, ending: bytes) -> None:
        """Tell the front how an attempt ended; it reads all the time."""
        self._front.sendall(logins.ending_bytes(number, ending))


def main(opened: Opened) -> None:
    """Run the role."""
    from qtwisted.system.start import say

    log = opened.fds["log"]
    with socket.socket(fileno=opened.fds["attempts"]) as front:
        try:
            Auth(opened.home, front, lambda line: say(log, line)).run()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the front has gone; sessions that are left see the end of their connections
