"""qmail-queue and a door that really runs: what ends up in the queue directories, and with which exit code."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope
from qtwisted.store.client import open_submission
from qtwisted.wire import door
from test.kit.doors import SPLIT, DoorHome
from test.kit.running import wait_until
from test.kit.speed import is_done_within

TEXT = b"Subject: x\n\nhi\n"
RECEIVED = (
    rb"Received: \(qmail (\d+) invoked by uid (\d+)\); \d+ [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d -0000\n"
)


class QueueCase(SynchronousTestCase):
    """A test with a home and a running door."""

    def setUp(self) -> None:
        """Start the door."""
        self.home = DoorHome(self)
        self.home.start()
        self.addCleanup(lambda: self.assertNotIn("Traceback", self.home.log()))

    def waiting(self, message: bytes = b"") -> subprocess.Popen[bytes]:
        """Start qmail-queue and let it wait in the middle of the message."""
        process = subprocess.Popen(
            [sys.executable, "-m", "qtwisted.store.queue"],
            stdin=subprocess.PIPE,
            stdout=os.open("/dev/null", os.O_RDONLY),
            env=self.home.environment(),
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stdin is not None
        self.addCleanup(process.stdin.close)
        process.stdin.write(message)
        process.stdin.flush()
        wait_until(lambda: self.handles(process.pid, signal.SIGALRM), "qmail-queue has its signals")
        return process

    def handles(self, pid: int, number: int) -> bool:
        """Does the process catch that signal?"""
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt"))
        return bool(caught >> (number - 1) & 1)


class ProgramTests(QueueCase):
    """qmail-queue as a program."""

    def test_queued(self) -> None:
        """A message is stored under its inode number, byte for byte, behind one Received line (QUE-01)."""
        self.assertEqual(self.home.program(TEXT, b"Fa@b\0Tc@d\0Te@f\0\0"), 0)
        (message,) = self.home.queued()
        match = re.fullmatch(RECEIVED + re.escape(TEXT), message.text)
        assert match is not None, message.text
        self.assertEqual(match[2], b"%d" % os.getuid())
        self.assertEqual(message.todo, b"u%d\0p%s\0Fa@b\0Tc@d\0Te@f\0" % (os.getuid(), match[1]))
        mess = os.stat(f"{self.home.queue}/mess/{message.number % SPLIT}/{message.number}")
        todo = os.stat(f"{self.home.queue}/todo/{message.number}")
        intd = os.stat(f"{self.home.queue}/intd/{message.number}")
        self.assertEqual(mess.st_ino, message.number)
        self.assertEqual(todo.st_ino, intd.st_ino)
        self.assertNotEqual(todo.st_ino, message.number)
        self.assertEqual((mess.st_mode, todo.st_mode), (0o100644, 0o100644))
        self.assertEqual((mess.st_nlink, todo.st_nlink), (1, 2))
        self.assertEqual(self.home.names("pid"), [])

    def test_envelopes(self) -> None:
        """Legal envelopes are stored as they are, without what follows the final zero (QUE-02, 03, 08, 11)."""
        long = b"x" * 1002
        for envelope, stored in (
            (b"Fa@b\0\0", b"Fa@b\0"),
            (b"F\0Tx@y\0\0", b"F\0Tx@y\0"),
            (b"F" + long + b"\0T" + long + b"\0\0", b"F" + long + b"\0T" + long + b"\0"),
            (b"Fa\0Tb\0\0garbage", b"Fa\0Tb\0"),
            (b"F\n\xff\0T\rT\0\0", b"F\n\xff\0T\rT\0"),
        ):
            before = {message.number for message in self.home.queued()}
            self.assertEqual(self.home.program(TEXT, envelope), 0)
            (new,) = [message for message in self.home.queued() if message.number not in before]
            self.assertEqual(new.todo.split(b"\0", 2)[2], stored)

    def test_refused(self) -> None:
        """Bad envelopes give qmail's exit codes and leave no file (QUE-04 to 07, 09)."""
        for envelope, code in (
            (b"Xa\0\0", 91),
            (b"Fa\0Xb\0\0", 91),
            (b"Fa\0Fb\0\0", 91),
            (b"\0", 91),
            (b"Fa\0Tb\0", 54),
            (b"", 54),
            (b"Fa", 54),
            (b"F" + b"x" * 1003 + b"\0\0", 11),
            (b"F\0T" + b"x" * 1003 + b"\0\0", 11),
            (b"F\0T" + b"x" * 2000, 11),
        ):
            self.assertEqual(self.home.program(TEXT, envelope), code, envelope[:10])
        wait_until(lambda: not self.home.rests(), "no rests")

    def test_empty_message(self) -> None:
        """An empty message has only the Received line (QUE-10)."""
        self.assertEqual(self.home.program(b"", b"Fa\0Tb\0\0"), 0)
        (message,) = self.home.queued()
        self.assertTrue(re.fullmatch(RECEIVED, message.text))

    def test_large_message(self) -> None:
        """A message of any size and bytes passes unchanged."""
        text = bytes(range(256)) * 20000
        self.assertEqual(self.home.program(text, b"Fa\0Tb\0\0"), 0)
        (message,) = self.home.queued()
        self.assertEqual(message.text.partition(b"\n")[2], text)

    def test_alarm(self) -> None:
        """The alarm ends it with 52, and the door drops the message at once (QUE-13)."""
        process = self.waiting(b"x" * 200000)
        process.send_signal(signal.SIGALRM)
        self.assertEqual(process.wait(), 52)
        wait_until(
            lambda: not self.home.rests() or self.home.names("pid") == self.pool(), "only the pool is left"
        )
        self.assertEqual(self.home.texts(), [])

    def pool(self) -> list[str]:
        """Names in pid/ that are inode numbers: files that wait for their next use."""
        return [name for name in self.home.names("pid") if name.isdecimal()]

    def test_signals(self) -> None:
        """INT, QUIT and HUP are ignored, TERM kills, a bug signal exits 81; nothing is queued (QUE-13b, 14)."""
        process = self.waiting()
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            process.send_signal(number)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(), -signal.SIGTERM)
        process = self.waiting()
        process.send_signal(signal.SIGSEGV)
        self.assertEqual(process.wait(), 81)
        self.assertEqual(self.home.texts(), [])

    def test_no_home(self) -> None:
        """Without a home it exits 61, without a queue 62 (QUE-16)."""
        self.assertEqual(self.home.program(TEXT, b"Fa\0\0", {"QMAILHOME": self.home.path + "/none"}), 61)
        shutil.move(self.home.queue, self.home.queue + ".away")
        self.assertEqual(self.home.program(TEXT, b"Fa\0\0"), 62)

    def test_no_trigger(self) -> None:
        """Without lock/trigger, or with a plain file in its place, mail is queued all the same (QUE-25)."""
        os.unlink(self.home.queue + "/lock/trigger")
        self.assertEqual(self.home.program(TEXT, b"Fa\0\0"), 0)
        with open(self.home.queue + "/lock/trigger", "w", encoding="ascii"):
            pass
        self.assertEqual(self.home.program(TEXT, b"Fa\0\0"), 0)
        self.assertEqual(os.stat(self.home.queue + "/lock/trigger").st_size, 0)

    def test_trigger(self) -> None:
        """Where no qmail-send of ours listens, one zero byte is written to lock/trigger."""
        trigger = os.open(self.home.queue + "/lock/trigger", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, trigger)
        self.assertEqual(self.home.program(TEXT, b"Fa\0\0"), 0)
        self.assertTrue(select.select([trigger], [], [], 10)[0])
        self.assertEqual(os.read(trigger, 10), b"\0")

    def test_blocking_client(self) -> None:
        """Programs that hand in mail learn the number that the log will show, or the problem in qmail's words."""
        submission = open_submission(self.home.path, {})
        submission.write(TEXT)
        result = submission.commit(Envelope(b"a@b", (b"c@d",)))
        self.assertTrue(result.ok)
        self.assertIn(b"\0p%d\0" % result.qp, self.home.queued()[0].todo)
        submission = open_submission(self.home.path, {})
        result = submission.commit(Envelope(b"a" * 1003, ()))
        self.assertEqual(result.problem, b"Denvelope address too long for qq (#5.1.3)")
        submission = open_submission(self.home.path, {})
        submission.write(b"x" * 300000)
        submission.abandon()
        wait_until(lambda: len(self.home.texts()) == 1, "the abandoned message is gone")

    def test_long_path(self) -> None:
        """A home whose path is longer than a socket address can be used."""
        deep = self.home.place + "/" + "d" * 120
        os.mkdir(deep)
        home = DoorHome(self, deep)
        home.start()
        self.assertEqual(home.program(TEXT, b"Fa\0\0"), 0)


class LifeTests(QueueCase):
    """The door's own start and end."""

    def test_killed_door(self) -> None:
        """Killed under load, the door has lost nothing it answered for, and its successor clears the rests."""
        stored: dict[bytes, bytes] = {}
        for round_number in range(5):
            caller = self.home.caller()
            for ident in range(1, 41):
                name = b"%d-%d" % (round_number, ident)
                caller.message(ident, b"text of %s\n" % name * 50, b"Fs\0T%s\0\0" % name)
            for _ in range(5 + 7 * round_number):
                answer = caller.answer()
                assert answer is not None and answer[0] == door.STORED, answer
                stored[b"%d-%d" % (round_number, answer[1])] = answer[2]
            self.home.kill()
            caller.close()
            self.home.start()
        self.home.caller().close()
        self.assertEqual(self.home.program(TEXT, b"Fa\0Tlast\0\0"), 0)
        found = {}
        for message in self.home.queued():
            name = message.todo.split(b"\0")[3][1:]
            found[name] = message.todo.split(b"\0")[1][1:]
            if name != b"last":
                self.assertEqual(message.text.partition(b"\n")[2], b"text of %s\n" % name * 50)
        self.assertEqual({name: found.get(name) for name in stored}, stored)
        self.assertEqual([name for name in self.home.names("pid") if name.startswith("door.")], [])

    def test_numbers_stay_unique(self) -> None:
        """The qp number of a message is never used again, not even after a restart."""
        numbers = set()
        for _ in range(3):
            caller = self.home.caller()
            for ident in range(1, 21):
                caller.message(ident, b"", b"F\0\0")
            for _ in range(20):
                answer = caller.answer()
                assert answer is not None
                numbers.add(int(answer[2]))
            caller.close()
            self.home.stop()
            self.home.start()
        self.assertEqual(len(numbers), 60)

    def test_stop(self) -> None:
        """At SIGTERM the door leaves nothing in pid/ and exits 0; its sockets stay where they are."""
        caller = self.home.caller()
        caller.send(door.frame(door.WATCH, 0))
        caller.message(1, TEXT, b"Fa\0\0")
        news = [caller.answer(), caller.answer()]
        number = next(frame[2] for frame in news if frame is not None and frame[0] == door.NOTICE).split(
            b"\0"
        )[0]
        caller.send(door.frame(door.COMMAND, 5, b"done/%s\0" % number))
        self.assertEqual(caller.answer(), (door.DONE, 5, b"+"))
        self.assertEqual(len(self.home.names("pid")), 2)
        self.assertEqual(self.home.stop(), 0)
        self.assertEqual(self.home.rests(), [])
        self.assertEqual(sorted(os.listdir(self.home.path + "/run")), ["queue-priv.sock", "queue.sock"])

    def test_one_door(self) -> None:
        """A second door on the same queue does not start."""
        self.home.caller().close()
        self.assertEqual(self.home.program(TEXT, b"Fa\0\0"), 0)
        first, self.home.process = self.home.process, None
        self.home.start()
        assert self.home.process is not None and first is not None
        self.assertEqual(self.home.process.wait(30), 111)
        self.home.process = first
        self.assertIn("alert: cannot start", self.home.log())

    def test_rests(self) -> None:
        """At start the rests of a dead door go; what others may be writing, orphans and junk stay (QUE-22, 23)."""
        self.home.stop()
        junk = ["pid/123.456.1", "intd/106", "todo/notanumber", "mess/4/foo", "mess/16/108", "intd/108"]
        for name in [*junk, "pid/4711", "pid/door.1.2"]:
            with open(f"{self.home.queue}/{name}", "w", encoding="ascii"):
                pass
        os.mkdir(self.home.queue + "/pid/directory")
        os.mkdir(self.home.queue + "/pid/4712")
        self.home.start()
        self.assertEqual(self.home.program(TEXT, b"Fa\0\0"), 0)
        self.assertEqual(self.home.names("pid"), ["123.456.1", "4712", "directory"])
        for name in junk:
            self.assertTrue(os.path.exists(f"{self.home.queue}/{name}"), name)

    def test_messages_of_the_original(self) -> None:
        """A queue written by qmail itself is left as it is, whichever state its messages are in."""
        self.home.stop()
        kept = []
        for name, content in (
            ("mess/4/27", b"Received: x\n\nhi\n"),
            ("intd/27", b"u1\0p2\0Fa\0Tb\0"),
            ("mess/5/28", b""),
        ):
            with open(f"{self.home.queue}/{name}", "wb") as file:
                file.write(content)
            kept.append((name, content))
        os.link(self.home.queue + "/intd/27", self.home.queue + "/todo/27")
        self.home.start()
        self.assertEqual(self.home.program(TEXT, b"Fa\0\0"), 0)
        for name, content in kept:
            self.assertEqual(self.home.read(name), content)
        wait_until(lambda: "2 messages have a number" in self.home.log(), "the log tells of foreign numbers")


class FullDiskTests(SynchronousTestCase):
    """A disk without space."""

    def test_full(self) -> None:
        """A full disk gives 53 and leaves nothing; when there is space again mail is taken (QUE-17)."""
        home = DoorHome(self)
        shutil.rmtree(home.queue)
        os.mkdir(home.queue)
        script = (
            'mount -t tmpfs -o size=400k tmpfs "$0/queue" && cd "$0/queue" && mkdir pid intd todo lock mess && '
            'cd mess && mkdir $(seq 0 22) && exec "$@"'
        )
        namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
            raise AssertionError("this machine allows no mount namespaces")
        home.start([*namespace, "sh", "-c", script, home.path])
        caller = home.caller()
        caller.message(1, b"x" * 1000000, b"Fa\0\0")
        self.assertEqual(caller.answer(), (door.REFUSED, 1, b"53"))
        caller.message(2, b"x" * 1000, b"Fa\0\0")
        answer = caller.answer()
        assert answer is not None
        self.assertEqual(answer[:2], (door.STORED, 2))
        self.assertIn("(exit code 53): No space left on device", home.log())
        idents = iter(range(3, 100))

        def refused() -> None:
            """Hand in one more that is too large."""
            ident = next(idents)
            caller.message(ident, b"x" * 1000000, b"Fa\0\0")
            self.assertEqual(caller.answer(), (door.REFUSED, ident, b"53"))

        self.assertTrue(is_done_within(10, refused))
        inside = f"/proc/{self.pid_of(home)}/root{home.queue}"
        self.assertEqual(len(os.listdir(inside + "/todo")), 1)
        self.assertEqual(os.listdir(inside + "/pid"), [])

    def pid_of(self, home: DoorHome) -> int:
        """The process of the door: unshare and sh have become it."""
        assert home.process is not None
        return home.process.pid
