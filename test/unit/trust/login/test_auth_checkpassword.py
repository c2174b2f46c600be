"""The checkpassword interface from inside: what is read, who is let through, and as whom."""

from __future__ import annotations

import os
import signal

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import accounts
from qtwisted.system import privileges
from qtwisted.trust.login import checkpassword, checkpassword_system, crypts, pam
from qtwisted.trust.login.checkpassword import Credentials, Failed, User

JOE = User(64100, 64101, b"/", b"/bin/zsh")
ARGV = (b"check", b"prog", b"arg")


class ServeTests(SynchronousTestCase):
    """Which exit code, and what is run as whom."""

    def setUp(self) -> None:
        """Replace what would change this process."""
        self.steps: list[object] = []
        self.input = b"joe\0pw\0<1.2@h>\0"
        self.uid = 0
        self.patch(os, "environb", {})
        self.patch(os, "read", self.read)
        self.patch(os, "close", lambda fd: self.steps.append(("close", fd)))
        self.patch(os, "geteuid", lambda: self.uid)
        self.patch(os, "chdir", lambda path: self.steps.append(("chdir", path)))
        self.patch(privileges, "become", lambda *ids: self.steps.append(("become", *ids)))
        self.patch(os, "execvp", lambda name, argv: self.steps.append(("exec", name, argv)))
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def read(self, fd: int, most: int) -> bytes:
        """Read from descriptor 3, in small pieces."""
        self.assertEqual(fd, 3)
        piece, self.input = self.input[: min(most, 5)], self.input[min(most, 5) :]
        return piece

    def serve(self, user: User | None = JOE, argv: tuple[bytes, ...] = ARGV) -> int | None:
        """Be a password program that knows this user."""
        return checkpassword.serve(argv, lambda credentials: user)

    def test_accepted(self) -> None:
        """One group, the ids, home, environment, program: in this order."""
        self.serve()
        self.assertEqual(self.steps, [("close", 3), ("become", 64100, 64101, [64101]), ("chdir", b"/"),
                                      ("exec", b"prog", [b"prog", b"arg"])])
        self.assertEqual(os.environb, {b"USER": b"joe", b"HOME": b"/", b"SHELL": b"/bin/zsh"})

    def test_rejected(self) -> None:
        """Nobody is run as anybody, and the code is 1."""
        self.assertEqual(self.serve(None), 1)
        self.assertEqual(self.steps, [("close", 3)])

    def test_p03_root(self) -> None:
        """Whoever has uid 0 is rejected, whatever the password."""
        self.assertEqual(self.serve(User(0, 0, b"/root")), 1)
        self.input = b"joe\0pw\0<1.2@h>\0"
        self.assertEqual(self.serve(User(0, 1000, b"/root")), 1)
        self.assertEqual(self.steps, [("close", 3), ("close", 3)])

    def test_empty_password(self) -> None:
        """An empty password is never right."""
        self.input = b"joe\0\0<1.2@h>\0"
        self.assertEqual(self.serve(), 1)

    def test_misused(self) -> None:
        """Without a program to run, or without three strings, the code is 2."""
        self.assertEqual(self.serve(argv=(b"check",)), 2)
        for text in (b"", b"joe", b"joe\0pw"):
            self.input = text
            self.assertEqual(self.serve(), 2)

    def test_too_long(self) -> None:
        """512 bytes may be read; more is rejected."""
        self.input = b"joe\0" + b"x" * 506 + b"\0\0"
        self.serve()
        self.assertEqual(self.steps[-1], ("exec", b"prog", [b"prog", b"arg"]))
        self.input = b"joe\0" + b"x" * 507 + b"\0\0"
        self.assertEqual(self.serve(), 1)

    def test_more_strings(self) -> None:
        """What comes behind the stamp is for others."""
        self.input = b"joe\0pw\0<1.2@h>\0more\0"
        seen: list[Credentials] = []
        checkpassword.serve(ARGV, lambda credentials: seen.append(credentials))
        self.assertEqual(seen, [Credentials(b"joe", b"pw", b"<1.2@h>")])

    def test_not_root(self) -> None:
        """Without root we can only be who we are."""
        self.uid = 64100
        self.serve()
        self.assertEqual(self.steps[1:], [("chdir", b"/"), ("exec", b"prog", [b"prog", b"arg"])])
        self.input = b"joe\0pw\0<1.2@h>\0"
        self.uid = 64200
        self.assertEqual(self.serve(), 111)

    def test_trouble(self) -> None:
        """Where it cannot be told, or the home or the program is missing, the code is 111."""

        def fail(*arguments: object) -> User:
            """Fail."""
            raise FileNotFoundError

        self.patch(os, "execvp", fail)
        self.assertEqual(self.serve(), 111)
        self.input = b"joe\0pw\0<1.2@h>\0"
        self.patch(os, "chdir", fail)
        self.assertEqual(self.serve(), 111)
        self.input = b"joe\0pw\0<1.2@h>\0"

        def unknown(credentials: Credentials) -> User:
            """Cannot tell."""
            raise Failed(111)

        self.assertEqual(checkpassword.serve(ARGV, unknown), 111)


class SystemTests(SynchronousTestCase):
    """Which accounts qmail-checkpassword-system lets through."""

    def setUp(self) -> None:
        """Have one account, joe, without PAM."""
        self.compared: list[bytes | None] = []
        self.patch(pam, "library", lambda: None)
        self.patch(checkpassword_system, "shadow", lambda login, today: b"hash" if login == b"joe" else None)
        self.patch(crypts, "matches", self.matches)
        self.patch(checkpassword_system, "account", self.account)

    def matches(self, password: bytes, hashed: bytes | None) -> bool:
        """Compare."""
        self.compared.append(hashed)
        return (password, hashed) == (b"pw", b"hash")

    def account(self, name: bytes) -> accounts.Account | None:
        """Look up."""
        return accounts.Account(b"joe", 7, 8, b"/home/joe", b"") if name == b"joe" else None

    def check(self, login: bytes, password: bytes) -> User | None:
        """Try to log in."""
        return checkpassword_system.check(Credentials(login, password, b"<1.2@h>"))

    def test_shadow(self) -> None:
        """The right password gives the account; a hash is made for a name that nobody has, too."""
        self.assertEqual(self.check(b"joe", b"pw"), User(7, 8, b"/home/joe", b"/bin/sh"))
        self.assertIsNone(self.check(b"joe", b"x"))
        self.assertIsNone(self.check(b"ann", b"pw"))
        self.assertEqual(self.compared, [b"hash", b"hash", None])

    def test_pam(self) -> None:
        """Where there is PAM it decides."""
        self.patch(pam, "library", lambda: "pam")
        asked: list[tuple[object, ...]] = []
        self.patch(pam, "allows", lambda *words: asked.append(words) is None and words[3] == b"yes")
        self.patch(os, "environb", {b"TCPREMOTEIP": b"192.0.2.7"})
        self.assertEqual(self.check(b"joe", b"yes"), User(7, 8, b"/home/joe", b"/bin/sh"))
        self.assertIsNone(self.check(b"joe", b"pw"))
        self.assertEqual(asked[0], ("pam", b"pop3", b"joe", b"yes", b"192.0.2.7"))

    def test_trouble(self) -> None:
        """Where PAM or the accounts cannot be asked, it cannot be told."""

        def fail(*words: object) -> bool:
            """Fail."""
            raise OSError(5, "")

        self.patch(checkpassword_system, "account", fail)
        self.assertEqual(self.assertRaises(Failed, self.check, b"joe", b"pw").code, 111)

        def unable(*words: object) -> bool:
            """Cannot tell."""
            raise pam.PamError

        self.patch(pam, "library", lambda: "pam")
        self.patch(pam, "allows", unable)
        self.assertEqual(self.assertRaises(Failed, self.check, b"joe", b"pw").code, 111)

    def test_no_such_account_in_shadow(self) -> None:
        """The shadow file of the system itself can be asked for anybody."""
        self.patch(checkpassword_system, "shadow", checkpassword_system.shadow)
        self.assertIsNone(checkpassword_system.shadow(b"no such user", 1.0))
