"""Tests of qmail-clean: its commands, its answers, and the old files in pid/."""

from __future__ import annotations

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store import clean
from qtwisted.system.disk import Disk
from test.kit.doors import make_queue

SPLIT = 23


class CleanCase(SynchronousTestCase):
    """A test with a queue on disk."""

    def setUp(self) -> None:
        """Make it."""
        self.queue = self.mktemp()
        make_queue(self.queue)
        self.disk = Disk(self.queue)
        self.addCleanup(self.disk.release)

    def put(self, *names: str) -> None:
        """Make files."""
        for name in names:
            with open(f"{self.queue}/{name}", "w", encoding="ascii"):
                pass

    def there(self, *names: str) -> list[str]:
        """Which of these exist."""
        return [name for name in names if os.path.exists(f"{self.queue}/{name}")]


class CommandTests(CleanCase):
    """What each command does."""

    def test_table(self) -> None:
        """Each command gives exactly one byte, and a rejected one removes nothing (core-send 8.5)."""
        for command, answer in (
            (b"todo/12\0", b"+"),
            (b"foop/12\0", b"+"),
            (b"to/1\0", b"x"),
            (b"todo/\0", b"x"),
            (b"mess/77\0", b"x"),
            (b"xxxx/12\0", b"x"),
            (b"foop/" + b"1" * 95 + b"\0", b"x"),
            (b"foop/" + b"1" * 94 + b"\0", b"+"),
            (b"todo/x\0", b"x"),
            (b"todo/12a\0", b"x"),
            (b"done/12\0", b"x"),
        ):
            self.put("todo/12", "intd/12")
            wanted = [] if command == b"todo/12\0" else ["todo/12"]
            self.assertEqual(clean.carry_out(self.disk, SPLIT, command), answer, command)
            self.assertEqual(self.there("todo/12"), wanted)

    def test_files(self) -> None:
        """todo removes intd/N and todo/N, foop intd/N and mess/N."""
        names = ("intd/50", "todo/50", "mess/4/50")
        self.put(*names)
        clean.carry_out(self.disk, SPLIT, b"todo/50\0")
        self.assertEqual(self.there(*names), ["mess/4/50"])
        self.put(*names)
        clean.carry_out(self.disk, SPLIT, b"foop/50\0")
        self.assertEqual(self.there(*names), ["todo/50"])

    def test_trouble(self) -> None:
        """What cannot be removed is answered with an exclamation mark, and the second file is left."""
        os.mkdir(f"{self.queue}/intd/50")
        self.put("todo/50")
        self.assertEqual(clean.carry_out(self.disk, SPLIT, b"todo/50\0"), b"!")
        self.assertEqual(self.there("todo/50"), ["todo/50"])


class PidTests(CleanCase):
    """Old files in pid/."""

    def test_age(self) -> None:
        """What was neither read nor written for 36 hours goes, younger files and directories stay (QUE-21)."""
        self.put("pid/x", "pid/y", "pid/read", "pid/written")
        now = os.stat(f"{self.queue}/pid/x").st_mtime
        for name, accessed_at, modified_at in (
            ("x", now - 129600, now - 129600),
            ("y", now - 129590, now - 129590),
            ("read", now, now - 200000),
            ("written", now - 200000, now),
        ):
            os.utime(f"{self.queue}/pid/{name}", (accessed_at, modified_at))
        os.mkdir(f"{self.queue}/pid/directory")
        os.utime(f"{self.queue}/pid/directory", (0, 0))
        clean.clean_pid(self.disk, now)
        self.assertEqual(sorted(os.listdir(f"{self.queue}/pid")), ["directory", "read", "written", "y"])

    def test_no_directory(self) -> None:
        """A queue without pid/ is somebody else's trouble."""
        os.rmdir(f"{self.queue}/pid")
        clean.clean_pid(self.disk, 1e12)


class ProgramTests(CleanCase):
    """Reading commands and writing answers."""

    def run_program(self, data: bytes) -> tuple[object, bytes]:
        """Run the program on these bytes, in a home with this queue; give its exit code and its answers."""
        home = self.mktemp()
        os.mkdir(home)
        os.rename(self.queue, home + "/queue")
        self.queue = home + "/queue"
        pieces = [data[at : at + 7] for at in range(0, len(data), 7)]
        answers: list[bytes] = []
        self.patch(os, "environ", {"QMAILHOME": home})
        self.patch(clean.os, "read", lambda fd, count: pieces.pop(0) if pieces else b"")
        self.patch(clean.os, "write", lambda fd, data: answers.append(data) or len(data))
        error = self.assertRaises(SystemExit, clean.main)
        return error.code, b"".join(answers)

    def test_commands(self) -> None:
        """Commands are answered in order, however they are cut; half a command at the end is not carried out."""
        self.put("todo/12", "mess/1/1")
        data = b"todo/12\0bad\0" + b"y" * 500 + b"\0foop/7\0foop/1"
        self.assertEqual(self.run_program(data), (0, b"+xx+"))
        self.assertEqual(self.there("todo/12", "mess/1/1"), ["mess/1/1"])

    def test_pid_round(self) -> None:
        """pid/ is looked through at start and after every 30 commands."""
        rounds: list[float] = []
        self.patch(clean, "clean_pid", lambda disk, now: rounds.append(now))
        self.run_program(b"todo/1\0" * 61)
        self.assertEqual(len(rounds), 3)

    def test_no_reader(self) -> None:
        """If an answer cannot be written it exits 100."""

        def fail(fd: int, data: bytes) -> int:
            """Fail as a closed pipe does."""
            raise OSError(errno.EPIPE, "broken pipe")

        self.patch(clean, "carry_out", lambda disk, split, command: b"+")
        home = os.path.dirname(self.queue)
        os.rename(self.queue, home + "/queue")
        self.patch(os, "environ", {"QMAILHOME": home})
        pieces = [b"todo/1\0"]
        self.patch(clean.os, "read", lambda fd, count: pieces.pop() if pieces else b"")
        for write in (fail, lambda fd, data: 0):
            pieces[:] = [b"todo/1\0"]
            self.patch(clean.os, "write", write)
            self.assertEqual(self.assertRaises(SystemExit, clean.main).code, 100)

    def test_no_queue(self) -> None:
        """Without a queue it exits 111."""
        self.patch(os, "environ", {"QMAILHOME": self.mktemp()})
        self.assertEqual(self.assertRaises(SystemExit, clean.main).code, 111)
