"""qmail-popup apart from the protocol: one byte at a time, one attempt, and the words for each ending."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept import popup
from qtwisted.accept.channel import Gone
from qtwisted.trust.login import checkpassword
from qtwisted.trust.login.checkpassword import PipeError
from qtwisted.wire.popup import Credentials, Login
from test.unit.accept.test_pop3d import FakeChannel

JOE = Credentials(b"joe", b"se cret", b"<1.2@h>")


class ConverseTests(SynchronousTestCase):
    """The dialogue."""

    def converse(self, said: bytes) -> FakeChannel:
        """Hold a dialogue in which every attempt succeeds."""
        self.attempts: list[tuple[bytes, ...]] = []
        channel = FakeChannel(said)

        def authenticate(argv: tuple[bytes, ...], credentials: Credentials) -> bytes:
            """Take note of who logs in."""
            self.attempts.append((credentials.login, credentials.password, *argv))
            return b""

        self.patch(popup, "authenticate", authenticate)
        try:
            popup.converse(Login(b"<1.2@h>"), channel, (b"prog",))  # type: ignore[arg-type]
        except Gone:
            pass
        return channel

    def test_nothing_is_lost(self) -> None:
        """What comes behind the password is left for the session to read."""
        channel = self.converse(b"USER joe\r\nPASS se cret\r\nSTAT\r\nQUIT\r\n")
        self.assertEqual(self.attempts, [(b"joe", b"se cret", b"prog")])
        self.assertEqual(channel.unread, b"STAT\r\nQUIT\r\n")
        self.assertEqual(channel.output, b"+OK <1.2@h>\r\n+OK \r\n")

    def test_quit(self) -> None:
        """After QUIT nothing is read or asked."""
        channel = self.converse(b"QUIT\r\nUSER a\r\nPASS b\r\n")
        self.assertEqual((self.attempts, channel.output), ([], b"+OK <1.2@h>\r\n+OK \r\n"))


class AuthenticateTests(SynchronousTestCase):
    """What the client reads where the subprogram cannot be started."""

    def words(self, trouble: Exception) -> bytes:
        """Fail to start the subprogram."""

        def start(*arguments: object) -> int:
            """Fail."""
            raise trouble

        self.patch(checkpassword, "start", start)
        return popup.authenticate([b"prog"], JOE)

    def test_pipe(self) -> None:
        """Trouble with the pipe is told by its step."""
        self.assertEqual(self.words(PipeError(b"open")), b"-ERR unable to open pipe\r\n")
        self.assertEqual(self.words(PipeError(b"write")), b"-ERR unable to write pipe\r\n")

    def test_fork(self) -> None:
        """No more processes."""
        self.assertEqual(self.words(BlockingIOError(11, "")), b"-ERR unable to fork\r\n")

    def test_u6_not_found(self) -> None:
        """A subprogram that is not there fails like one that refuses."""
        self.assertEqual(self.words(FileNotFoundError(2, "")), b"-ERR authorization failed\r\n")
