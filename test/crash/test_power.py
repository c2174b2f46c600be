"""The whole mail system loses power again and again under load, on real file systems.

All processes are stopped, the image of the file system as it is then goes on as the disk, and the mail system starts
on it as after a real power cut. In the end every recipient of every message that was answered with 250 has it, or
there is a bounce that names him.
"""

from __future__ import annotations

import os
import random
import signal
import smtplib
import subprocess
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install import portable
from test.kit.code import NOBODY, Code, code
from test.kit.filesystems import FileSystem
from test.kit.homes import HOST, PORT, scratch
from test.kit.reliability import often
from test.kit.running import Running, parent, processes, wait_until
from test.kit.senders import Sender, arrived
from test.kit.world import NOT_ROOT

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

CUTS = often(5, 100)
SENDERS = 3
SEED = 1998
RECIPIENTS = (f"me@{HOST}", f"never@{HOST}", f"later@{HOST}")
#: what must come of each message, in the end
OUTCOMES = (f"me@{HOST}", f"bounced never@{HOST}", f"later@{HOST}")


class Machine:
    """A home on a file system, and the mail system that runs there."""

    def __init__(self, test: SynchronousTestCase, kind: str, build: Code) -> None:
        """Make the home: one recipient gets mail, one never, one later."""
        self.test = test
        self.build = build
        self.disk = FileSystem(test, kind)
        os.chown(self.disk.path, NOBODY, NOBODY)
        self.home = f"{self.disk.name}/home"
        self.path = self.disk.seen(self.home)
        done = subprocess.run(
            self._words(build.module("qtwisted.admin.config", "--home", self.home, HOST)), capture_output=True,
            check=False, env=build.environment(), cwd="/")
        test.assertEqual(done.returncode, 0, done.stderr)
        self.instruct("never", "|exit 100\n")
        self.instruct("later", "|exit 111\n")
        self.disk.settle()

    def _words(self, words: Sequence[str]) -> list[str]:
        """The command line that runs something as the owner of the home."""
        return self.disk.inside(words, NOBODY)

    def instruct(self, extension: str, text: str) -> None:
        """Write a .qmail file."""
        with open(f"{self.path}/mail/.qmail{extension}", "w", encoding="ascii") as file:
            file.write(text)

    def up(self) -> Running:
        """Start the mail system."""
        line = self._words(self.build.twistd("-n", "qmail", "--home", self.home, *PORT, "--fronts", "1"))
        running = Running(line, self.home, self.build.environment())
        self.test.addCleanup(running.kill)
        running.ready()
        return running

    def cut(self, running: Running) -> None:
        """Stop everything at once, lose power, and leave nothing running."""
        stopped: set[int] = set()
        while now := set(processes(self.home)) - stopped:
            for pid in now:
                _signal(pid, signal.SIGSTOP)
            for pid in now:
                wait_until(lambda pid=pid: _stands_still(pid, now), f"process {pid} stands still")
            stopped |= now
        self.disk.snapshot()
        running.process.kill()
        for pid in stopped:
            _signal(pid, signal.SIGKILL)
        running.kill()
        wait_until(lambda: not processes(self.home), "no process")
        self.disk.lose_power()

    def mailbox(self) -> list[bytes]:
        """The messages in the Maildir."""
        folder = f"{self.path}/mail/Maildir/new"
        texts = []
        for name in os.listdir(folder):
            with open(f"{folder}/{name}", "rb") as file:
                texts.append(file.read())
        return texts

    def queued(self) -> list[str]:
        """What makes a message ours."""
        return [name for kind in ("todo", "info", "bounce") for _, _, names in os.walk(f"{self.path}/queue/{kind}")
                for name in names]


def _state(pid: int) -> str:
    """The state of a process as ps shows it; Z when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1].decode()
    except OSError:
        return "Z"


def _stands_still(pid: int, others: set[int]) -> bool:
    """Whether a process that was told to stop does nothing any more.

    One that has just begun a program waits, in a state of its own, until that has replaced its fork, which may have
    been stopped before.
    """
    state = _state(pid)
    return state in "TZ" or (state == "D" and any(parent(each) == pid and _state(each) == "T" for each in others))


def _signal(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class PowerTests(SynchronousTestCase):
    """Power cuts at any moment, one after the other."""

    skip = NOT_ROOT
    timeout = often(300, 3600)

    def test_ext4(self) -> None:
        """Nothing is lost on ext4."""
        self.assertEqual(self.lost("ext4", code(), CUTS), set())

    def test_xfs(self) -> None:
        """Nothing is lost on XFS."""
        self.assertEqual(self.lost("xfs", code(), CUTS), set())

    def test_sees_losses(self) -> None:
        """A build that syncs nothing loses mail, and these tests see it."""
        self.assertNotEqual(self.lost("ext4", self.careless(), 2), set())

    def careless(self) -> Code:
        """The package without its syncs."""
        place = scratch(self)
        portable.copy(place)
        path = f"{place}/qtwisted/system/disk.py"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        changed = text.replace("os.fsync(fd)", "pass").replace("self._syncfs(self._sync_fd)", "0")
        self.assertEqual(len(text) - len(changed), 2 * len("os.fsync(fd)") - 2 * len("pass") + 26)
        with open(path, "w", encoding="utf-8") as file:
            file.write(changed)
        return Code(code().executable, place)

    def lost(self, kind: str, build: Code, cuts: int) -> set[tuple[str, str]]:
        """Lose power again and again; give what was accepted and does not come about: outcome and message."""
        machine = Machine(self, kind, build)
        chance = random.Random(SEED)
        accepted: set[str] = set()
        for turn in range(cuts):
            running = machine.up()
            senders = [Sender(f"{turn}.{number}", running.port(), f"me@{HOST}", RECIPIENTS)
                       for number in range(SENDERS)]
            for sender in senders:
                sender.start()
            wanted = chance.randrange(5, 40)
            while sum(len(sender.accepted) for sender in senders) < wanted:
                running.read(0.02)
            machine.cut(running)
            for sender in senders:
                accepted |= sender.stop()
        self.assertGreater(len(accepted), cuts * 5)
        found = self.found(machine)
        return {(outcome, name) for outcome in OUTCOMES for name in accepted} - set(found)

    def found(self, machine: Machine) -> Counter[tuple[str, str]]:
        """Deliver all that is queued; give who has got which message, or is in the bounce of it."""
        machine.instruct("later", "./Maildir/\n")
        running = machine.up()

        def is_drained() -> bool:
            """Try again what was put off, until nothing is left."""
            running.signal(signal.SIGALRM)
            for _ in range(10):
                running.read(0.05)
            return not machine.queued()

        wait_until(is_drained, "an empty queue", 120)
        running.stop()
        return arrived(machine.mailbox())


class FullDiskTests(SynchronousTestCase):
    """A disk that is full, and has space again."""

    skip = NOT_ROOT
    timeout = 300

    def test_full(self) -> None:
        """While the disk is full mail is put off, nothing of it stays and nobody ends; then it goes on (F01)."""
        machine = Machine(self, "ext4", code())
        running = machine.up()
        wait_until(lambda: (running.read(0.02), len(running.roles()) >= 6)[1], "all roles")
        roles = running.roles()
        self.assertEqual(self.reply(running.port()), 250)
        running.wait_for(r"end msg \d+")
        ballast = f"{machine.path}/ballast"
        with open(ballast, "wb", buffering=0) as file:
            self.assertRaises(OSError, lambda: [file.write(bytes(65536)) for _ in range(64 << 20)])
        big = b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 10000
        for _ in range(3):
            self.assertEqual(self.reply(running.port(), big), 451)
        os.unlink(ballast)
        self.assertEqual(self.reply(running.port()), 250)
        wait_until(lambda: (running.read(0.05), len(machine.mailbox()) == 2)[1], "two messages")
        wait_until(lambda: (running.read(0.05), not machine.queued())[1], "an empty queue")
        self.assertEqual(running.roles(), roles)
        running.stop()

    def reply(self, port: int, text: bytes = b"Subject: x\r\n\r\nhi\r\n") -> int:
        """Send a message; give the code of the reply to it."""
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.ehlo()
            client.mail(RECIPIENTS[0])
            client.rcpt(RECIPIENTS[0])
            return client.data(text)[0]
