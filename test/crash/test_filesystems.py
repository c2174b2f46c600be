"""Power cuts on real file systems: the door and the mailboxes, stopped before each of their syncs.

What lies in the image of the file system at such a moment is what a power cut would leave. Everything that was
answered until then must be there after the file system has recovered and so have we; texts are whole and belong to
their envelopes. With the syncs left out the same checks must fail: that shows that they see.
"""

from __future__ import annotations

import os
import select
import subprocess

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope, submission
from qtwisted.store.kinds.files import FileIntake
from qtwisted.store.kinds.syncing import Syncing
from qtwisted.system.disk import Disk
from qtwisted.wire import door
from test.kit.code import code
from test.kit.doors import PATIENCE, SPLIT, DoorHome
from test.kit.filesystems import KINDS, FileSystem
from test.kit.halting import Halts
from test.kit.world import NOT_ROOT

MODES = ("fsync", "syncfs")
OWNER = 65534
TEXT = b"Subject: x\n\n" + b"a line of the message\n" * 3000


def text_of(name: str) -> bytes:
    """The text of a message; lengths differ, so that recycled files must be cut or grown."""
    return b"text of %s\n" % name.encode() * (1 + ord(name) % 5 * 700)


class DoorRun:
    """A real door on a real file system, and what it has answered."""

    def __init__(self, test: SynchronousTestCase, disk: FileSystem, mode: str, is_syncing: bool = True) -> None:
        """Start it."""
        self.disk = disk
        self.is_syncing = is_syncing
        self.home = DoorHome(test, disk.path)
        self.home.write("control/queuesync", mode + "\n")
        disk.settle()
        self.halts = Halts()
        test.addCleanup(self.halts.close)
        self.home.start(halts=self.halts)
        self.caller = self.home.caller()
        test.addCleanup(self.caller.close)
        self.caller.send(door.frame(door.WATCH, 0))
        self.numbers: dict[str, int] = {}
        self.waiting: list[tuple[str, str]] = []  # what was asked for, by the id of its frame
        self.stored: set[str] = set()
        self.finished: set[str] = set()  # a removal was asked for
        self.gone: set[str] = set()  # and was answered

    # What the world asks for

    def enqueue(self, *names: str) -> None:
        """Hand in messages at the same time, and wait for the answers."""
        data = []
        for name in names:
            self.waiting.append(("store", name))
            envelope = submission(Envelope(b"s@x", (b"%s@y" % name.encode(),)))
            ident = len(self.waiting)
            data += [door.frames(door.PIECE, ident, text_of(name)), door.frames(door.ENVELOPE, ident, envelope)]
        self.caller.send(*data)
        self.settle(lambda: self.stored.issuperset(names))

    def remove(self, *names: str) -> None:
        """Have messages removed as after their delivery, and wait for the answers."""
        self.finished.update(names)
        for name in names:
            self.waiting.append(("done", name))
            command = b"done/%d\0" % self.numbers[name]
            self.caller.send(door.frame(door.COMMAND, len(self.waiting), command))
        self.settle(lambda: self.gone.issuperset(names))

    # What comes back

    def settle(self, is_settled) -> None:  # type: ignore[no-untyped-def]
        """Cut the power at every halt until all is answered."""
        while not is_settled():
            ready = select.select([self.caller.socket, self.halts.report], [], [], PATIENCE)[0]
            assert ready, self.home.log()
            if self.caller.socket in ready:
                self.hear()
            elif self.halts.report in ready:
                assert self.halts.halted(), self.home.log()
                self.check()
                self.halts.go_on(self.is_syncing)
        self.check()

    def hear(self) -> None:
        """Note answers and news."""
        while self.caller.has_more():
            letter, ident, payload = self.caller.answer() or (b"", 0, b"")
            if letter == door.NOTICE:
                number, _, record = door.read_notice(payload)
                assert record is not None
                self.numbers[record.split(b"\0")[-2][1:2].decode()] = number
                continue
            kind, name = self.waiting[ident - 1]
            assert (letter, kind) in ((door.STORED, "store"), (door.DONE, "done")), (letter, payload)
            assert letter == door.STORED or payload == b"+", payload
            (self.stored if kind == "store" else self.gone).add(name)

    # What must hold

    def check(self) -> None:
        """Look at what a power cut now would leave, after our own recovery."""
        with self.disk.cut() as path:
            disk = Disk(self.home.queue.replace(self.disk.path, path))
            try:
                queued = self.found(disk)
            finally:
                disk.release()
        assert not (lost := self.stored - self.finished - queued), f"lost: {lost}"
        assert not (back := self.gone & queued), f"come back: {back}"

    def found(self, disk: Disk) -> set[str]:
        """The messages in the queue; each is whole."""
        intake = FileIntake(disk, Clock(), lambda: 0.0, lambda uid: b"", Syncing(disk, "fsync", lambda: 0.0), SPLIT)
        intake.recover()
        names = []
        for number, _ in disk.names("todo"):
            fields = disk.read_file(f"todo/{number}").split(b"\0")
            assert len(fields) == 5 and fields[2] == b"Fs@x" and fields[4] == b"", fields
            names.append(fields[3][1:2].decode())
            text = disk.read_file(intake.mess(int(number)))
            assert text.partition(b"\n")[2] == text_of(names[-1]), f"{names[-1]} has another text: {text[:200]!r}"
        assert len(set(names)) == len(names), names
        return set(names)


def story(run: DoorRun) -> None:
    """Messages alone and in groups, removals, and inodes that are used again."""
    run.enqueue("A")
    run.enqueue("B", "C", "D")
    run.remove("A", "C")
    run.enqueue("E")
    run.enqueue("F", "G")
    run.remove("B", "E")
    run.enqueue("H")


class DoorTests(SynchronousTestCase):
    """The door loses power before each of its syncs."""

    skip = NOT_ROOT

    def test_every_sync(self) -> None:
        """On each file system, with each way of syncing, what was answered is there, and what is gone stays gone."""
        for kind in KINDS:
            for mode in MODES:
                disk = FileSystem(self, kind)
                run = DoorRun(self, disk, mode)
                story(run)
                self.assertGreaterEqual(disk.cuts, 20)
                self.assertEqual(len(run.stored), 8)

    def test_sees_losses(self) -> None:
        """Without its syncs the door loses mail, and these tests see it."""
        for kind in KINDS:
            run = DoorRun(self, FileSystem(self, kind), "fsync", is_syncing=False)
            with self.assertRaisesRegex(AssertionError, "lost"):
                story(run)


class MailboxTests(SynchronousTestCase):
    """qmail-local loses power before each of its syncs, and after its success."""

    skip = NOT_ROOT

    def deliver(self, disk: FileSystem, instruction: str, is_syncing: bool = True) -> list[str]:
        """Deliver a message; give what a reader finds at each halt and after the success."""
        halts = Halts()
        self.addCleanup(halts.close)
        words = code().module("qtwisted.deliver.local", "u", f"{disk.name}/u", "u", "", "", "y", "s@x", instruction)
        found = []
        with open(f"{disk.place}/message", "w+b") as message:
            message.write(TEXT)
            message.seek(0)
            process = subprocess.Popen(
                disk.inside(halts.through(words), OWNER), stdin=message, pass_fds=halts.fds, cwd="/",
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=code().environment())
        halts.started()
        while halts.halted():
            found.append(self.look(disk, instruction))
            halts.go_on(is_syncing)
        output = process.communicate(timeout=PATIENCE)[0]
        self.assertEqual((process.returncode, output), (0, b"did 1+0+0\n"))
        return [*found, self.look(disk, instruction)]

    def home(self, kind: str) -> FileSystem:
        """A file system with a durable home on it."""
        disk = FileSystem(self, kind)
        for name in ("u", "u/Maildir", "u/Maildir/tmp", "u/Maildir/new", "u/Maildir/cur"):
            os.mkdir(f"{disk.path}/{name}", 0o700)
            os.chown(f"{disk.path}/{name}", OWNER, OWNER)
        disk.settle()
        return disk

    def look(self, disk: FileSystem, instruction: str) -> str:
        """Say how much of the message a reader finds after a power cut: none, part or all of it."""
        with disk.cut() as path:
            if instruction == "./Mailbox":
                files = [f"{path}/u/Mailbox"] if os.path.exists(f"{path}/u/Mailbox") else []
            else:
                files = [f"{path}/u/Maildir/new/{name}" for name in os.listdir(f"{path}/u/Maildir/new")]
            texts = []
            for name in files:
                with open(name, "rb") as file:
                    texts.append(file.read())
        if not any(texts):
            return "part" if texts and instruction != "./Mailbox" else "none"
        return "all" if len(texts) == 1 and TEXT in texts[0] else "part"

    def test_maildir(self) -> None:
        """A reader finds no part of a message in new/, and all of it after the success."""
        for kind in KINDS:
            found = self.deliver(self.home(kind), "./Maildir/")
            self.assertEqual(len(found), 3, found)
            self.assertNotIn("part", found)
            self.assertEqual(found[-1], "all")

    def test_mbox(self) -> None:
        """The message is in the mbox after the success."""
        for kind in KINDS:
            self.assertEqual(self.deliver(self.home(kind), "./Mailbox")[-1], "all")

    def test_sees_losses(self) -> None:
        """Without its syncs a delivery is lost, and these tests see it."""
        for kind in KINDS:
            for instruction in ("./Maildir/", "./Mailbox"):
                self.assertNotEqual(self.deliver(self.home(kind), instruction, is_syncing=False)[-1], "all")
