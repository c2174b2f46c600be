"""System calls fail in running roles, one at a time: no mail is lost, nobody gets a bounce for it, no role ends.

Each fault meets one message: for a mailbox, for one that takes it later, for one that refuses it for good, and for
another host. ``make reliability`` tries every fault of the table at the first occasion and at each later one;
otherwise a sample is tried.
"""

from __future__ import annotations

import os
import shutil
import signal
import smtplib
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from test.kit.faults import Fault, injected
from test.kit.homes import HOST, PORT, SingleHome
from test.kit.reliability import IS_WHOLE, often
from test.kit.running import PATIENCE, processes, wait_until
from test.kit.senders import arrived
from test.kit.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test.kit.reliability import IS_WHOLE, often
from test.kit.running import Running

HERE, LATER, NEVER, AWAY = f"me@{HOST}", f"later@{HOST}", f"never@{HOST}", "another host"
#: what must come of each message
OUTCOMES = {HERE, LATER, f"bounced {NEVER}", AWAY}
#: when these fail a role may have lost the one it works for; then it ends, and begins anew
TALK = ("sendto", "recvfrom")
#: later occasions than this are not tried
OCCASIONS = often(1, 40)
#: what is not tried again so soon is left to the end
SHORT_PATIENCE = 1.0
#: what can fail where, and how: role, system calls, errors; the first error of each is in the sample
TABLE = (
    ("door", "fsync syncfs", "EIO ENOSPC EDQUOT"),
    ("door", "openat", "EMFILE ENFILE ENOSPC EIO EROFS EACCES"),
    ("door", "write", "ENOSPC EIO EDQUOT EFBIG"),
    ("door", "linkat", "EMLINK ENOSPC EIO EROFS"),
    ("door", "renameat renameat2", "ENOSPC EIO EROFS EXDEV"),
    ("door", "unlinkat ftruncate", "EIO EROFS"),
    ("door", "newfstatat", "EIO ENOMEM"),
    ("send", "fsync", "EIO ENOSPC"),
    ("send", "openat", "EMFILE ENFILE ENOSPC EIO EROFS"),
    ("send", "pwrite64 write", "EIO ENOSPC"),
    ("send", "unlinkat", "EIO EROFS"),
    ("send", "utimensat newfstatat", "EIO ENOMEM"),
    ("send", "read", "EIO"),
    ("lspawn", "openat", "EMFILE ENFILE EIO ENOSPC"),
    ("lspawn", "fsync", "EIO ENOSPC EDQUOT"),
    ("lspawn", "write", "ENOSPC EIO EDQUOT"),
    ("lspawn", "linkat", "ENOSPC EIO EDQUOT"),
    ("lspawn", "clone vfork", "EAGAIN ENOMEM"),
    ("lspawn", "pipe2 newfstatat", "EMFILE ENOMEM"),
    ("lspawn", "setresuid setgroups chdir", "EAGAIN ENOMEM"),
    ("rspawn", "openat socket", "EMFILE ENFILE ENOMEM"),
    ("rspawn", "connect", "ENETUNREACH EADDRNOTAVAIL"),
    ("rspawn", "sendto recvfrom", "ECONNRESET EIO"),
    ("rspawn", "read newfstatat", "EIO ENOMEM"),
    ("front", "accept4", "EMFILE ENFILE ENOBUFS ENOMEM"),
    ("front", "sendto recvfrom", "ECONNRESET EIO"),
    ("front", "openat", "EMFILE ENFILE EIO"),
)


def faults() -> Iterator[tuple[str, str, str]]:
    """Role, system call and error: all of them, or of each row the first error."""
    for role, calls, errors in TABLE:
        for call in calls.split():
            for error in errors.split() if IS_WHOLE else errors.split()[:1]:
                yield role, call, error


class FaultTests(SynchronousTestCase):
    """One system, many faults."""

    skip = None if os.geteuid() == 0 else "needs root, to inject faults into other processes"
    timeout = often(300, 7200)

    def setUp(self) -> None:
        """Start the system with a way to another host."""
        self.assertIsNotNone(shutil.which("strace"), "strace is needed")
        self.home = SingleHome(self)
        self.sink = Sink(self, hangs_up=True)
        self.home.control("smtproutes", f":127.0.0.1:{self.sink.port}\n")
        self.home.control("relayclients", "127.\n")
        with open(f"{self.home.path}/mail/.qmailnever", "w", encoding="ascii") as file:
            file.write("|exit 100\n")
        with open(f"{self.home.path}/mail/.qmaillater", "w", encoding="ascii") as file:
            file.write("|test -e now || exit 111\n./Maildir/\n")
        self.running: Running = self.home.up(*PORT, "--fronts", "1")
        self.port = self.running.port()
        wait_until(lambda: len(self.running.roles()) >= 6, "all roles")
        self.number = 0
        self.wrong: list[str] = []
        self.accepted: dict[str, Fault] = {}

    def test_each(self) -> None:
        """After each fault what was accepted comes about, what was refused does not, and no role is another process.

        What the mail system tries again in minutes only may come after a restart.
        """
        happened = 0
        for role, call, error in faults():
            for when in range(1, OCCASIONS + 1):
                times = self.meet(Fault(role, call, error, when))
                happened += times > 0
                if not times:
                    break
        self.running.stop()
        self.let_later(True)
        self.running = self.home.up(*PORT, "--fronts", "1")
        for name, fault in self.accepted.items():
            self.await_outcomes(name, PATIENCE)
            if missing := OUTCOMES - self.got(name):
                self.wrong.append(f"{fault}: accepted, but does not come about: {sorted(missing)}")
        self.assertEqual(self.wrong, [])
        self.assertGreater(happened, often(20, 100))

    def meet(self, fault: Fault) -> int:
        """Let one message meet one fault; give how often the fault has happened."""
        roles = self.running.roles()
        self.number += 1
        name = f"message-{self.number}"
        self.let_later(False)
        pids = [pid for pid, role in processes(self.home.path).items() if role == fault.role]
        with injected(fault, pids) as outcome:
            reply = self.send(name)
            self.settle()
        self.let_later(True)
        if reply == 250:
            self.accepted[name] = fault
            self.await_outcomes(name, SHORT_PATIENCE)
        self.wrong += [f"{fault}: {what}" for what in self.verdict(name, reply)]
        if self.running.roles() != roles:
            if fault.call not in TALK:
                self.wrong.append(f"{fault}: roles have ended: {self.running.told()[-2000:]}")
            wait_until(lambda: (self.running.read(0.05), len(self.running.roles()) >= 6)[1], "all roles")
        return outcome.times

    def let_later(self, now: bool) -> None:
        """Let the recipient who gets his mail later get it."""
        path = Path(self.home.path, "mail", "now")
        if now:
            path.touch()
        else:
            path.unlink(missing_ok=True)

    def send(self, name: str) -> int | None:
        """Send a message; the code of the reply, None where there was none."""
        text = f"Subject: {name}\r\n\r\nbody of {name}\r\n".encode()
        recipients = (HERE, LATER, NEVER, f"you@{name}.example")
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
                client.ehlo_or_helo_if_needed()
                for command in (f"MAIL FROM:<{HERE}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients)):
                    code, _ = client.docmd(command)
                    if code != 250:
                        return code
                return client.data(text)[0]
        except (smtplib.SMTPException, OSError):
            return None

    def settle(self) -> None:
        """Let the message go until nothing more is said."""
        said = -1
        while said != len(self.running.log):
            said = len(self.running.log)
            for _ in range(4):
                self.running.read(0.05)

    def await_outcomes(self, name: str, patience: float) -> None:
        """Wait for all that should come of a message, having tried again what was put off."""
        def are_there() -> bool:
            """Try again."""
            if self.got(name) == OUTCOMES:
                return True
            self.running.signal(signal.SIGALRM)
            for _ in range(4):
                self.running.read(0.05)
            return False

        try:
            wait_until(are_there, "every outcome", patience)
        except AssertionError:
            pass  # the caller looks

    def got(self, name: str) -> set[str]:
        """What has come of a message."""
        subject = f"Subject: {name}\n".encode()
        found = {who for who, subject in arrived(text for text in self.home.mailbox() if subject in text)}
        if any(b"Subject: %s\r\n" % name.encode() in text for text in self.sink.messages):
            found.add(AWAY)
        return found

    def verdict(self, name: str, reply: int | None) -> Iterator[str]:
        """Say what is wrong already."""
        if more := self.got(name) - (OUTCOMES if reply in (None, 250) else set()):
            yield f"answered with {reply}, but comes about: {sorted(more)}"
        if reply is not None and reply != 250 and not 400 <= reply < 500:
            yield f"answered with {reply}"
