"""qmail-upq brings real queues into shape, and the mail in them arrives."""

from __future__ import annotations

import os
import shutil
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import SingleHome, scratch
from test.kit.queue_files import QueueFiles
from test.kit.running import wait_until

SENDER = "-fsender@test.example"


class LivingQueueTests(SynchronousTestCase):
    """A queue that a mail system filled, and another one goes on with."""

    def setUp(self) -> None:
        """Make a home in which nothing can be delivered for the moment."""
        self.home = SingleHome(self)
        self.deliver("|exit 111\n")

    def deliver(self, line: str) -> None:
        """Say what becomes of mail for any address."""
        with open(f"{self.home.path}/mail/.qmaildefault", "w", encoding="ascii") as file:
            file.write(line)

    def fill(self, count: int) -> bytes:
        """Have so many messages wait in the queue of a system that was stopped; give their listing."""
        running = self.home.up()
        for number in range(count):
            done = self.home.run([self.home.program("qmail-inject"), SENDER, f"u{number}"], b"\nn%d\n" % number)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
        wait_until(lambda: len(self.home.files("local")) == count and not self.home.files("todo"), "waiting mail")
        running.kill()
        return self.listed()

    def listed(self) -> bytes:
        """List the queue, without the numbers."""
        done = self.home.run([self.home.program("qmail-qread")])
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        words = [line.split(b"  ") for line in done.stdout.split(b"\n")]
        lines = [b"  ".join(word for word in line if not word.startswith(b"#")) for line in words]
        return b"\n".join(sorted(lines))

    def restore(self) -> None:
        """Put a copy in the place of the queue, as a backup would."""
        queue = f"{self.home.path}/queue"
        subprocess.run(["cp", "-a", queue, f"{queue}.copy"], check=True)
        shutil.rmtree(queue)
        os.rename(f"{queue}.copy", queue)

    def upq(self) -> subprocess.CompletedProcess[bytes]:
        """Run the program."""
        return self.home.run([self.home.program("qmail-upq")])

    def numbers_are_right(self) -> bool:
        """Has every message the number of the inode of its text?"""
        texts = [f"{self.home.path}/queue/{name}" for name in self.home.files("mess")]
        return all(os.stat(text).st_ino == int(os.path.basename(text)) for text in texts)

    def test_restored_with_another_split(self) -> None:
        """After a restore and a change of conf-split all messages are there as they were, and arrive once."""
        before = self.fill(5)
        self.assertEqual(before.count(b"\tlocal\t"), 5)
        self.restore()
        self.assertFalse(self.numbers_are_right())
        with open(f"{self.home.path}/conf/conf-split", "w", encoding="ascii") as file:
            file.write("7\n")
        done = self.upq()
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b" moved to the directories where they belong\n", done.stdout)
        self.assertIn(b"5 messages renumbered\n", done.stdout)
        self.assertEqual(self.listed(), before)
        self.assertTrue(self.numbers_are_right())
        self.assertEqual(sorted(os.listdir(f"{self.home.path}/queue/info"), key=int), list("0123456"))
        self.assertEqual(self.upq().stdout, b"")
        self.deliver("./Maildir/\n")
        self.home.up()
        wait_until(lambda: not self.home.queued(), "the end of all messages")
        bodies = sorted(text.rpartition(b"\n\n")[2] for text in self.home.mailbox())
        self.assertEqual(bodies, [b"n%d\n" % number for number in range(5)])

    def test_running(self) -> None:
        """Nothing is touched while the system runs."""
        self.home.up()
        done = self.upq()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (
            100, b"", b"qmail-upq: fatal: the mail system is running; stop it first\n"))


class ForeignQueueTests(SynchronousTestCase):
    """Queues of other shapes."""

    def setUp(self) -> None:
        """Make a home without split directories."""
        self.home = f"{scratch(self)}/home"
        self.files = QueueFiles(self.home, split=0)
        os.makedirs(f"{self.home}/conf")
        for name, text in (("conf-split", "3\n"), ("conf-users", f"{os.getuid()}\n" * 8),
                           ("conf-groups", f"{os.getgid()}\n" * 2)):
            self.write(f"conf/{name}", text)
        self.write("queue/lock/sendmutex", "")

    def write(self, name: str, text: str) -> str:
        """Write a file below the home."""
        path = f"{self.home}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def upq(self) -> subprocess.CompletedProcess[str]:
        """Run the program."""
        return subprocess.run(code().module("qtwisted.admin.upq"), capture_output=True, text=True, timeout=60,
                              cwd="/", check=False, env={**code().environment(), "QMAILHOME": self.home})

    def message(self) -> int:
        """Write the text of a message that was never split, and give its number."""
        path = self.write("queue/mess/text", "hi\n")
        number = os.stat(path).st_ino
        os.rename(path, f"{self.home}/queue/mess/{number}")
        return number

    def found(self) -> list[str]:
        """All files of messages."""
        return sorted(os.path.relpath(os.path.join(here, name), f"{self.home}/queue")
                      for here, _, names in os.walk(f"{self.home}/queue") for name in names if "lock" not in here)

    def test_unsplit(self) -> None:
        """A queue of long ago, or with todo split as well, gets the directories of ours."""
        planned, new = self.message(), self.message()
        for kind in ("info", "local", "remote"):
            self.write(f"queue/{kind}/{planned}", "x")
        self.write(f"queue/todo/5/{new}", "x")
        done = self.upq()
        self.assertEqual((done.returncode, done.stderr, done.stdout),
                         (0, "", "2 messages moved to the directories where they belong\n"))
        self.assertEqual(self.found(), sorted(
            [f"{kind}/{planned % 3}/{planned}" for kind in ("mess", "info", "local", "remote")]
            + [f"mess/{new % 3}/{new}", f"todo/{new}"]))
        self.assertEqual(os.listdir(f"{self.home}/queue/todo"), [str(new)])
        self.assertEqual(sorted(os.listdir(f"{self.home}/queue/remote")), ["0", "1", "2"])

    def test_what_stays(self) -> None:
        """Files that belong to no message keep their directory, which is said."""
        self.write("queue/info/9/12345", "x")
        done = self.upq()
        self.assertEqual((done.returncode, done.stderr), (
            111, "qmail-upq: warning: info/9 stays: directory not empty\n"))
        self.assertEqual(self.found(), ["info/9/12345"])

    def test_trouble(self) -> None:
        """Without the lock there is no queue; a split that makes no sense is said with file and line."""
        os.unlink(f"{self.home}/queue/lock/sendmutex")
        done = self.upq()
        self.assertEqual((done.returncode, done.stderr), (
            111, f"qmail-upq: fatal: {self.home}/queue/lock/sendmutex: file does not exist\n"))
        self.write("conf/conf-split", "0\n")
        self.assertEqual(self.upq().stderr,
                         "qmail-upq: fatal: conf/conf-split line 1: is out of range (1 to 1048576)\n")
