"""The role that has passwords checked: what it starts, what it hands over, and what it reports."""

from __future__ import annotations

import array
import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.trust.login import checkpassword
from qtwisted.trust.login.auth import CHILDREN_MAX, Auth
from qtwisted.wire import logins
from qtwisted.wire.logins import Attempt, ProtocolError

JOE = Attempt(b"192.0.2.7", b"joe", b"se cret", b"<1.2@h>")


class AuthTests(SynchronousTestCase):
    """The front is a socket pair, and nothing is really started."""

    def setUp(self) -> None:
        """Make a home and the role."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/control")
        self.front, line = socket.socketpair()
        self.addCleanup(self.front.close)
        self.addCleanup(line.close)
        self.front.settimeout(10)
        self.lines: list[str] = []
        self.auth = Auth(self.home, line, self.lines.append)
        self.started: list[tuple[object, ...]] = []
        self.trouble: Exception | None = None
        self.patch(checkpassword, "start", self.start)
        self.patch(os, "environb", {b"PATH": b"/bin", b"SECRET": b"x"})

    def start(self, argv: list[bytes], credentials: bytes, environ: dict[bytes, bytes],
              copies: list[tuple[int, int]]) -> int:
        """Take note of what is to be started; give a pid."""
        if self.trouble is not None:
            raise self.trouble
        self.started.append((argv, credentials, environ, [theirs for _, theirs in copies]))
        return 4000 + len(self.started)

    def control(self, text: str) -> None:
        """Write control/checkpassword."""
        with open(f"{self.home}/control/checkpassword", "w", encoding="ascii") as file:
            file.write(text)

    def send(self, data: bytes, *fds: int) -> bool:
        """Send something to the role, and let it listen."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.front.sendmsg([data], rights)
        return self.auth._listen()

    def attempt(self, attempt: Attempt = JOE) -> None:
        """Send an attempt with one end of a session."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        with theirs:
            self.send(logins.attempt_bytes(7, attempt), theirs.fileno())

    def test_program(self) -> None:
        """The usual program gets the credentials and the session, and turns into qmail-pop3d."""
        self.attempt()
        ((argv, credentials, environ, copies),) = self.started
        self.assertEqual(argv, [b"qmail-checkpassword-system", b"qmail-pop3d", b"Maildir"])
        self.assertEqual((credentials, copies), (b"joe\0se cret\0<1.2@h>\0", [0, 1]))
        self.assertEqual(environ, {b"PATH": b"/bin", b"QMAILHOME": os.fsencode(self.home), b"PROTO": b"TCP",
                                   b"TCPREMOTEIP": b"192.0.2.7"})

    def test_control_file(self) -> None:
        """control/checkpassword names another one, with arguments as a shell would part them, from now on."""
        self.control("prog 'a b' c\n")
        self.attempt()
        self.control("other\n")
        self.attempt()
        self.assertEqual(self.started[0][0], [b"prog", b"a b", b"c", b"qmail-pop3d", b"Maildir"])
        self.assertEqual(self.started[1][0], [b"other", b"qmail-pop3d", b"Maildir"])

    def test_bad_control_file(self) -> None:
        """A command that makes no sense lets nobody in, and the operator is told."""
        for text in ("", "'", " \n"):
            self.control(text)
            self.attempt()
            self.assertEqual(self.front.recv(9), logins.ending_bytes(7, logins.REFUSED))
            self.assertTrue(self.lines.pop().startswith("alert: auth: cannot run the password program: "))

    def test_cannot_start(self) -> None:
        """A program that is not there refuses everybody, and the operator is told."""
        self.trouble = FileNotFoundError(2, "No such file or directory")
        self.attempt()
        self.assertEqual(self.front.recv(9), logins.ending_bytes(7, logins.REFUSED))
        self.assertEqual(len(self.lines), 1)

    def test_endings(self) -> None:
        """How a process ended is reported with the number of its attempt."""
        for status, ending in ((0, logins.ENDED), (1 << 8, logins.REFUSED), (111 << 8, logins.REFUSED),
                               (9, logins.CRASHED)):
            self.attempt()
            ended = [(4000 + len(self.started), status)]
            self.patch(os, "waitpid", lambda pid, flags, ended=ended: ended.pop() if ended else (0, 0))
            self.auth._reap()
            self.assertEqual(self.front.recv(9), logins.ending_bytes(7, ending))

    def test_too_many(self) -> None:
        """There is an end to how many processes are started."""
        self.auth._children = dict.fromkeys(range(CHILDREN_MAX), 0)
        self.attempt()
        self.assertEqual(self.front.recv(9), logins.ending_bytes(7, logins.REFUSED))
        self.assertEqual(self.started, [])

    def test_front_gone(self) -> None:
        """At the end of the front there is nothing more to do."""
        self.front.close()
        self.assertFalse(self.auth._listen())

    def test_hostile_front(self) -> None:
        """A front that sends no descriptor, a file, or nonsense is not served any more."""
        frame = logins.attempt_bytes(7, JOE)
        self.assertRaises(ProtocolError, self.send, frame)
        with open("/dev/null", "rb") as file:
            self.assertRaises(ProtocolError, self.send, frame, file.fileno())
        self.assertEqual(self.started, [])

    def test_nothing_is_kept_open(self) -> None:
        """Our copy of the session's end is closed when the program has it."""
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                self.send(logins.attempt_bytes(7, JOE), theirs.fileno())
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
