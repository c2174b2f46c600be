"""Looking into a queue: as those who may and those who may not, at a running system, and at a very long queue."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import NOBODY, code
from test.kit.homes import SingleHome, scratch
from test.kit.queue_files import QueueFiles
from test.kit.running import wait_until
from test.kit.world import NOT_ROOT, ROLES, World

MANY = 100_000
#: what a program may use of the CPU before it prints, in seconds, where one second of time is allowed
CPU_MAX = 1.0
#: how much its memory may grow while it prints all the rest, in KiB
GROWTH_MAX = 2048


def used_cpu(pid: int) -> float:
    """The seconds of CPU that a process has used."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        words = file.read().rpartition(b")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid: int) -> int:
    """The most memory that a process had at a time, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


class LongQueueTests(SynchronousTestCase):
    """A hundred thousand messages.

    Their files are a few inodes with very many names, which is all the same to who looks at them and quicker to make.
    """

    def setUp(self) -> None:
        """Make the queue; the file system allows an inode 65,000 names, so each directory has its own."""
        self.home = f"{scratch(self)}/home"
        files = QueueFiles(self.home)
        first: dict[tuple[str, int], str] = {}
        for number in range(1, MANY + 1):
            for kind, content in (("mess", b"hi\n"), ("info", b"Fs@x\0"), ("remote", b"Tjoe@far.example\0")):
                there = first.setdefault((kind, number % files.split), files.path(kind, number))
                if there == files.path(kind, number):
                    files.put(kind, number, content, 812345679)
                else:
                    os.link(there, files.path(kind, number))

    def start(self, module: str) -> Any:
        """Start a program whose output is a pipe, so that it waits until somebody reads."""
        program: Any = subprocess.Popen(code().module(module), stdout=subprocess.PIPE, bufsize=0,
                                        env={**code().environment(), "QMAILHOME": self.home})
        self.addCleanup(program.wait)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.kill)
        return program

    def test_long_queue(self) -> None:
        """However long a queue is, it is shown at once, in little memory, and for as long as somebody reads."""
        self.check_qread()
        self.check_qstat()
        self.check_nobody_reads_on()

    def check_qread(self) -> None:
        """The first messages come soon, and the last need no more memory than the first."""
        program = self.start("qtwisted.store.qread")
        first = os.read(program.stdout.fileno(), 4096)
        self.assertIn(b"  <s@x> \n\tremote\tjoe@far.example\n", first)
        self.assertLess(used_cpu(program.pid), CPU_MAX)
        at_first = at_last = most_memory(program.pid)
        lines = first.count(b"\n")
        while piece := os.read(program.stdout.fileno(), 65536):
            if lines < 1.9 * MANY:
                at_last = most_memory(program.pid)
            lines += piece.count(b"\n")
        self.assertEqual((program.wait(), lines), (0, 2 * MANY))
        self.assertLess(at_last - at_first, GROWTH_MAX)

    def check_qstat(self) -> None:
        """The messages are counted soon."""
        program = self.start("qtwisted.store.qstat")
        text = program.stdout.read()
        self.assertEqual((text, program.wait()), (
            b"messages in queue: %d\nmessages in queue but not yet preprocessed: 0\n" % MANY, 0))

    def check_nobody_reads_on(self) -> None:
        """When whoever reads has seen enough, the program ends and complains to nobody."""
        program = self.start("qtwisted.store.qread")
        os.read(program.stdout.fileno(), 1)
        program.stdout.close()
        self.assertEqual(program.wait(), 111)


class RunningTests(SynchronousTestCase):
    """A mail system of one user that really runs."""

    def test_a_message_that_waits(self) -> None:
        """A message that cannot be delivered yet is seen by all programs, and gone when it was."""
        home = SingleHome(self)
        with open(f"{home.path}/mail/.qmail-slow", "w", encoding="ascii") as file:
            file.write("|exit 111\n")
        with open(f"{home.path}/users/assign", "r+", encoding="ascii") as file:
            text = file.read().replace("+:", f"=slow:{text_of_user(home)}:-:slow:\n+:", 1)
            file.seek(0)
            file.write(text)
        self.assertEqual(home.run([home.program("qmail-newu")]).returncode, 0)
        running = home.up()
        done = home.run([home.program("qmail-inject"), "-fsender@test.example", "slow", "me"], b"\nhi\n")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        wait_until(lambda: b"  done\tlocal\tme@test.example\n" in self.read(home), "a recipient that is done")
        text = self.read(home)
        self.assertRegex(text, rb"^\d+ \w{3} \d{4} \d\d:\d\d:\d\d GMT  #\d+  \d+  <sender@test\.example> \n")
        self.assertIn(b"\tlocal\tslow@test.example\n", text)
        self.assertEqual(home.run([home.program("qmail-qstat")]).stdout,
                         b"messages in queue: 1\nmessages in queue but not yet preprocessed: 0\n")
        with open(f"{home.path}/mail/.qmail-slow", "w", encoding="ascii") as file:
            file.write("./Maildir/\n")
        running.kill()
        home.up()
        wait_until(lambda: not home.queued(), "the end of the message")
        self.assertEqual(self.read(home), b"")

    def read(self, home: SingleHome) -> bytes:
        """Run qmail-qread."""
        done = home.run([home.program("qmail-qread")])
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout


def text_of_user(home: SingleHome) -> str:
    """The middle of a line of users/assign: who the only user is, and his home."""
    uid, gid = home.user or (os.getuid(), os.getgid())
    return f"nobody:{uid}:{gid}:{home.path}/mail"


class RightsTests(SynchronousTestCase):
    """Who may look, where each role is a user of its own."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Make a world with a home."""
        self.world = World(self)

    def as_role(self, role: str | None, program: str) -> subprocess.CompletedProcess[bytes]:
        """Run a program as the user of a role, or as nobody."""
        uid, gid = (NOBODY, NOBODY) if role is None else ROLES[role]
        become = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--"]
        return self.world.run([*become, f"{self.world.home}/bin/{program}"])

    def test_nobody(self) -> None:
        """Who is no part of the mail system sees nothing (ADM-03)."""
        for program, out in (("qmail-qread", b"fatal: unable to chdir: access denied\n"),
                             ("qmail-tcpto", b"fatal: unable to chdir: access denied\n"),
                             ("qmail-tcpok", b"")):
            done = self.as_role(None, program)
            self.assertEqual((done.returncode, done.stdout), (111, out), program)
        self.assertEqual(done.stderr, f"qmail-tcpok: fatal: unable to chdir to {self.world.home}/queue/lock: "
                                      "access denied\n".encode())
        done = self.as_role(None, "qmail-qstat")
        self.assertEqual(done.stdout, b"messages in queue: -1\nmessages in queue but not yet preprocessed: -1\n")
        self.assertIn(b"access denied", done.stderr)
        self.assertEqual(self.as_role(None, "qmail-upq").returncode, 111)

    def test_roles(self) -> None:
        """qmail-send's user may read the queue, qmail-rspawn's the table, and no other one."""
        self.assertEqual(self.as_role("qmails", "qmail-qread").returncode, 0)
        self.assertEqual(self.as_role("qmailr", "qmail-qread").stdout,
                         b"fatal: unable to opendir info/0: access denied\n")
        self.assertEqual(self.as_role("qmailr", "qmail-tcpto").returncode, 0)
        self.assertEqual(self.as_role("qmailr", "qmail-tcpok").returncode, 0)
        self.assertEqual(self.as_role("qmails", "qmail-tcpto").stdout,
                         b"fatal: unable to open tcpto: access denied\n")
        for role in ("qmails", "qmailq", "qmailr"):
            self.assertEqual(self.as_role(role, "qmail-qstat").returncode, 0, role)

    def test_control_files(self) -> None:
        """Everybody may see what the control files say, and the numbers are those of this home (header of 1.02)."""
        done = self.as_role(None, "qmail-showctl")
        numbers = [ROLES[role][0] if role != "root" else 0 for role in (
            "alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails")]
        numbers += [ROLES["alias"][1], ROLES["qmails"][1]]
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout.decode().split("\n")[:3], [
            f"The qmail control files are stored in {self.world.home}/control.",
            f"The uids and gids are {', '.join(map(str, numbers))}.", ""])
