"""Every program of ours started oddly: with descriptors, arguments and an environment that nobody would want.

What each does then is its own affair; but it ends, and shows nobody a traceback.
"""

from __future__ import annotations

import os
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install import launchers
from test.kit.code import code
from test.kit.homes import SingleHome, scratch

#: programs that go on for ever by nature, or are started by others only
LEFT_OUT = {"maildirwatch", "qmail-start"}
#: a little work for those that do nothing without arguments; {} is a directory
WORK = {
    "bouncesaying": ["no", "false"], "condredirect": ["a@b", "true"], "except": ["false"], "forward": ["a@b"],
    "preline": ["cat"], "qreceipt": ["r@x"], "qsmhook": ["cat"], "dot-forward": ["{}/f"], "fastforward": ["{}/f.cdb"],
    "setforward": ["{}/f.cdb", "{}/f.tmp"], "setmaillist": ["{}/l", "{}/l.tmp"], "newinclude": ["{}/f"],
    "maildirmake": ["{}/m"], "qmail-getpw": ["root"], "qmail-remote": ["x", "s", "r"], "qmail-lspawn": ["./Mailbox"],
    "qmail-local": ["-n", "joe", "{}", "joe", "", "", "x", "s@x", "./Mailbox"], "qmail-popup": ["h", "cat"],
    "qmail-pop3d": ["{}/m"], "tcp-env": ["cat"], "mailsubj": ["s", "a@b"], "sendmail": ["a@b"],
    "qmail-inject": ["a@b"], "predate": ["cat"], "datemail": ["a@b"], "qmail-passwd": ["add", "x", "1:1", "/"],
}
ENVIRONMENT = {
    "PATH": os.defpath, "SENDER": "s@x", "NEWSENDER": "s@x", "RECIPIENT": "r@x", "LOCAL": "r", "HOST": "x",
    "USER": "joe", "HOME": "/", "EXT": "", "DTLINE": "D: r\n", "RPLINE": "R\n", "UFLINE": "F\n",
    "MAILDIR": "/nonexistent/m", "MAIL": "/nonexistent/b", "MAILTMP": "/nonexistent/t", "QMAILQUEUE": "/bin/true",
}
#: what the shell does with the descriptors
DESCRIPTORS = ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", ">/dev/full", "0>/dev/null", "1</dev/null")
ARGUMENTS: tuple[list[bytes], ...] = ([], [b""], [b""] * 9, [b"\xff\xe9\x80"], [b"x" * 100000] * 20, [b"-Z"],
                                      [b"--zz"])
UGLY = (b"Traceback", b"Fatal Python", b'File "')


class OddStartTests(SynchronousTestCase):
    """Each program in turn, outside any mail system that runs."""

    def setUp(self) -> None:
        """Make a home and a place to work in."""
        self.home = SingleHome(self)
        self.place = scratch(self)
        with open(f"{self.place}/f", "w", encoding="ascii") as file:
            file.write("a@b\n")
        os.chmod(self.place, 0o777)

    def start(self, name: str, words: list[bytes], shell: str = "", **more: bytes | None) -> tuple[int, bytes]:
        """Start a program as the user of the home; give its exit code and what it says on standard error."""
        environment = {key.encode(): value.encode() for key, value in ENVIRONMENT.items()}
        environment[b"QMAILHOME"] = os.fsencode(self.home.path)
        for key, value in more.items():
            environment.pop(key.encode(), None)
            if value is not None:
                environment[key.encode()] = value
        line = [b"sh", b"-c", b'exec "$@" ' + shell.encode(), b"sh", os.fsencode(self.home.program(name)), *words]
        who = {"user": self.home.user[0], "group": self.home.user[1], "extra_groups": []} if self.home.user else {}
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True,  # type: ignore[call-overload]
                              env=environment, timeout=120, cwd=self.place, check=False, **who)
        return done.returncode, done.stderr

    def check(self, name: str, words: list[bytes], shell: str = "", **more: bytes | None) -> None:
        """A program ends without anything ugly."""
        exit_code, said = self.start(name, words, shell, **more)
        self.assertEqual([ugly for ugly in UGLY if ugly in said], [], (name, words[:3], shell, more, exit_code, said))

    def programs(self) -> list[tuple[str, list[bytes]]]:
        """Names and usual arguments."""
        return [(name, [os.fsencode(word.format(self.place)) for word in WORK.get(name, [])])
                for name, _, _ in launchers.programs() if name not in LEFT_OUT]

    def test_descriptors(self) -> None:
        """Descriptors that are closed, full, or open the wrong way round."""
        for name, words in self.programs():
            for shell in DESCRIPTORS:
                self.check(name, words, shell)

    def test_arguments(self) -> None:
        """No arguments, empty ones, two megabytes of them, bytes that are no text, unknown options."""
        for name, words in self.programs():
            for odd in ARGUMENTS:
                self.check(name, odd)
            self.check(name, [*words, b"\xe9"], LC_ALL=b"C", PYTHONCOERCECLOCALE=b"0")

    def test_environment(self) -> None:
        """Without a home of his own or of the mail system, and with variables that are no text."""
        for name, words in self.programs():
            self.check(name, words, HOME=None)
            self.check(name, words, QMAILHOME=b"/nonexistent")
            self.check(name, words, QMAILHOME=b"/etc/passwd")
            self.check(name, words, **{key: value.encode() + b"\xff" for key, value in ENVIRONMENT.items()
                                       if key not in ("PATH", "QMAILQUEUE")})

    def test_help(self) -> None:
        """The manual is printed whatever the language, and where it cannot be nobody is told of Python."""
        for name, _ in self.programs():
            self.check(name, [b"--help"], LC_ALL=b"C", PYTHONUTF8=b"0", PYTHONCOERCECLOCALE=b"0")
            self.check(name, [b"--help"], ">&-")
            self.check(name, [b"--help"], ">/dev/full")

    def test_nothing_gets_our_numbers(self) -> None:
        """What is closed stays unusable: a file that a program opens does not become its input or output."""
        call = ("import os, sys; from qtwisted.system.ending import helped; helped(''); "
                "sys.exit(os.open('/etc/passwd', os.O_RDONLY))")
        words = [code().executable, "-P", "-s", "-c", call]
        done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words], check=False, timeout=120,
                              env=code().environment())
        self.assertEqual(done.returncode, 3)


class QueueTests(SynchronousTestCase):
    """qmail-queue, on whose exit code its callers rely."""

    def setUp(self) -> None:
        """Make a home with nobody at the door: nothing below gets so far."""
        self.home = SingleHome(self)
        self.text = f"{self.home.place}/text"
        with open(self.text, "wb") as file:
            file.write(b"x" * 200000)  # more than waits for the envelope before it is sent

    def queue(self, shell: str, program: str = "qmail-queue") -> tuple[int, bytes, bytes]:
        """Run it with these descriptors."""
        done = self.home.run(["sh", "-c", f'exec "$0" {shell}', self.home.program(program)])
        return done.returncode, done.stdout, done.stderr

    def test_unreadable(self) -> None:
        """A message or an envelope that cannot be read is a read error, without a word."""
        small = f"{self.home.place}/small"
        with open(small, "wb") as file:
            file.write(b"x\n")
        for shell in ("<&-", "</", "</var/tmp", "0>/dev/null", f"<{small} 1</var/tmp", f"<{small} >&-",
                      f"<{small} >/dev/null", f"<{small} 1</dev/null", f"<{small} >/dev/full", "<&- >&- 2>&-"):
            self.assertEqual(self.queue(shell), (54, b"", b""), shell)

    def test_wrong_envelope(self) -> None:
        """An envelope without end, or in another format, has its own codes."""
        for envelope, exit_code in ((b"Fx", 54), (b"x", 91), (b"Fa\0x", 91), (b"F" + b"a" * 1003 + b"\0\0", 11)):
            path = f"{self.home.place}/envelope"
            with open(path, "wb") as file:
                file.write(envelope)
            self.assertEqual(self.queue(f"</dev/null 1<{path}"), (exit_code, b"", b""), envelope[:9])

    def test_no_home(self) -> None:
        """A home or a queue that is not there is said by the exit code."""
        for home, exit_code in (("/nonexistent", 61), (self.text, 61), ("/var/tmp", 62)):
            done = self.home.run([self.home.program("qmail-queue")], QMAILHOME=home)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (exit_code, b"", b""), home)
