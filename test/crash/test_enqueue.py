"""The door loses power after every single step of taking, removing and recycling messages.

After each cut the table of states must hold (S1 to S5), every message that was answered must be there (V1), and no
recipient may get another message's text. Each sync that is left out must be noticed: that shows the test can see.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope
from qtwisted.store.kinds.files import FileIntake
from qtwisted.store.kinds.syncing import Syncing
from test.kit.owners import NotingOwner
from test.kit.powercut import Found, Image, PowerCutDisk, empty_queue

if TYPE_CHECKING:
    from collections.abc import Callable

SPLIT = 2
MODELS = ("weak", "ordered")
MODES = ("fsync", "syncfs")


def text_of(name: str) -> bytes:
    """The text of a message; lengths differ, so that recycled files must be cut or grown."""
    return b"text of %s\n" % name.encode() * (1 + ord(name) % 5)


class Run:
    """A door on a disk that is cut off after every step, and what the world outside knows."""

    def __init__(
        self,
        model: str,
        mode: str,
        skips: Callable[[str, str], bool] = lambda step, what: False,
        recycle: bool = True,
    ) -> None:
        """Start with an empty queue."""
        self.disk = PowerCutDisk(empty_queue(SPLIT), model, skips)
        self.clock = Clock()
        self.intake = make_intake(self.disk, self.clock, mode, recycle)
        self.mode = mode
        self.owners: dict[str, NotingOwner] = {}
        self.numbers: dict[str, int] = {}
        self.finished: set[str] = set()  # a removal was asked for
        self.gone: set[str] = set()  # the removal was answered
        self.planned: set[str] = set()  # todo/N was to be removed, info/N takes its place
        self.states = 0
        self.has_failed = False  # a sync was made to fail
        self.intake.groups.announce = self.heard
        self.disk.after_step = self.cut

    def heard(self, number: int, size: int, record: bytes | None) -> None:
        """Note the number of a message by the recipient in its envelope."""
        assert record is not None
        self.numbers[record.split(b"\0")[-2][1:2].decode()] = number

    def enqueue(self, *names: str) -> None:
        """Hand in messages that become one group."""
        for name in names:
            self.owners[name] = NotingOwner()
            draft = self.intake.begin(self.owners[name], 7)  # type: ignore[arg-type]
            draft.write(text_of(name))
            draft.commit(Envelope(b"s@x", (b"%s@y" % name.encode(),)))
        self.clock.advance(0)

    def remove(self, verb: bytes, name: str) -> None:
        """Ask for a removal; the answer must be good."""
        outcomes: list[bytes] = []
        self.finished.add(name) if verb != b"todo" else self.planned.add(name)
        self.intake.groups.remove(verb, self.numbers[name], outcomes.append)
        self.clock.advance(1)
        assert outcomes == [b"+"], outcomes
        if verb != b"todo":
            self.gone.add(name)

    def info(self, name: str, is_there: bool) -> None:
        """Make or remove info/N as qmail-send does; making is durable at once."""
        number, names = self.numbers[name], self.disk.names_now["info"]
        if is_there:
            self.disk.contents[1] = self.disk.durable[1] = b""
            names[str(number)] = self.disk.names_durable["info"][str(number)] = 1
        else:
            self.finished.add(name)
            self.disk.unlink(f"info/{number}")

    # What must hold

    def cut(self) -> None:
        """Look at everything a power cut could leave now."""
        for image in self.disk.crash_states():
            self.states += 1
            self.check(image)

    def check(self, image: Image) -> None:
        """The table holds, what was answered is there, and texts and envelopes belong together."""
        queued = {}
        for number in image.names["todo"]:
            queued[self.check_queued(image, int(number))] = number
        for name, owner in self.owners.items():
            if owner.results and owner.result.ok and name not in self.finished:
                number = str(self.numbers.get(name, ""))
                is_planned = name in self.planned and number in image.names["info"]
                assert name in queued or is_planned or not number, f"{name} is lost"
                if is_planned:
                    self.check_text(image, int(number), name)
            if name in self.gone:
                assert name not in queued, f"{name} comes back"
        if self.disk.model == "ordered":
            self.check_table(image)

    def check_queued(self, image: Image, number: int) -> str:
        """S4: todo/N and mess/N are complete and of one message; give its name."""
        record = image.read(f"todo/{number}")
        assert record is not None
        fields = record.split(b"\0")
        assert len(fields) == 5 and fields[0] == b"u7" and fields[2] == b"Fs@x" and fields[4] == b"", record
        name = fields[3][1:2].decode()
        assert fields[3] == b"T%s@y" % name.encode(), record
        self.check_text(image, number, name)
        text = image.read(f"mess/{number % SPLIT}/{number}")
        begin = b"Received: (qmail %s invoked by uid 7); " % fields[1][1:]
        assert text is None or text.startswith(begin), text  # None is dealt with above
        return name

    def check_text(self, image: Image, number: int, name: str) -> None:
        """mess/N has the whole text of that message."""
        text = image.read(f"mess/{number % SPLIT}/{number}")
        if text is None and self.has_failed and not any(result.ok for result in self.owners[name].results):
            return  # refused, or about to be: a rest that can never be delivered
        assert text is not None, f"{name} has no text"
        assert text.partition(b"\n")[2] == text_of(name), f"{name} has another text: {text!r}"

    def check_table(self, image: Image) -> None:
        """Only the rows S1 to S5 exist: intd/N and todo/N and info/N never without mess/N."""
        for directory in ("intd", "todo", "info"):
            for number in image.names[directory]:
                text = image.read(f"mess/{int(number) % SPLIT}/{number}")
                assert text is not None, f"{directory}/{number} without a text"

    def recovered(self) -> None:
        """After each possible cut a new door cleans up its rests and takes mail again."""
        for image in list(self.disk.crash_states())[:50]:
            disk = PowerCutDisk(image, self.disk.model)
            clock = Clock()
            intake = make_intake(disk, clock, self.mode, True)
            intake.recover()
            assert not disk.names_now["pid"], disk.names_now["pid"]
            owner = NotingOwner()
            draft = intake.begin(owner)
            draft.write(b"new\n")
            draft.commit(Envelope(b"", ()))
            clock.advance(0)
            assert owner.result.ok


def make_intake(disk: PowerCutDisk, clock: Clock, mode: str, recycle: bool) -> FileIntake:
    """Make the door's half of a queue on such a disk."""
    return FileIntake(
        disk,  # type: ignore[arg-type]
        clock,
        clock.seconds,
        lambda uid: b"by uid %d" % uid,
        Syncing(disk, mode, clock.seconds),  # type: ignore[arg-type]
        split=SPLIT,
        recycle=recycle,
    )


def story(run: Run) -> None:
    """Take, plan, finish and recycle messages in groups of one and two."""
    run.enqueue("A", "B")
    run.remove(b"done", "A")
    run.info("B", True)
    run.remove(b"todo", "B")
    run.enqueue("C")
    run.enqueue("D")
    run.info("B", False)
    run.remove(b"foop", "B")
    run.remove(b"done", "C")
    run.enqueue("E", "F")
    run.remove(b"done", "D")
    run.enqueue("G")
    run.recovered()


class PowerCutTests(SynchronousTestCase):
    """Nothing is lost and nothing mixed up, wherever the power fails."""

    def test_every_step(self) -> None:
        """The story holds under both models, both ways to sync, with and without recycling."""
        for model in MODELS:
            for mode in MODES:
                for recycle in (True, False):
                    run = Run(model, mode, recycle=recycle)
                    story(run)
                    self.assertTrue(all(owner.result.ok for owner in run.owners.values()))
                    self.assertGreater(run.states, 100)
                    self.assertEqual(run.disk.open_descriptors(), 0)

    def test_recycles(self) -> None:
        """The story really uses inodes again: fewer files are made than two for each message."""
        run = Run("ordered", "syncfs")
        story(run)
        made = sum(step == "create" for step, _ in run.disk.steps)
        self.assertLess(made, 2 * len(run.owners))
        self.assertIn(("open", f"pid/{run.numbers['A']}"), run.disk.steps)

    def test_order(self) -> None:
        """The steps of one message stand in the durable order: each relies on those before it."""
        run = Run("weak", "fsync")
        run.enqueue("A")
        number = run.numbers["A"]
        part = f"mess/{number % SPLIT}"
        steps = [step for step in run.disk.steps if step[0] not in ("open", "write", "create")]
        self.assertEqual(
            steps,
            [
                ("rename", f"{part}/{number}"),
                ("fsync", "text"),
                ("fsync", "envelope"),
                ("fsync_dir", part),
                ("rename", f"intd/{number}"),
                ("link", f"todo/{number}"),
                ("fsync_dir", "todo"),
            ],
        )


class MutantTests(SynchronousTestCase):
    """A sync that is left out is noticed."""

    def survives(self, mode: str, step: str, what: str) -> bool:
        """Does the story hold with that sync left out?"""
        try:
            for model in MODELS:
                story(Run(model, mode, lambda done, target: done == step and target.startswith(what)))
        except AssertionError:
            return False
        return True

    def test_fsync(self) -> None:
        """Each fsync of the serial way is needed: text, envelope, mess/x, todo, pid."""
        for step, what in (
            ("fsync", "text"),
            ("fsync", "envelope"),
            ("fsync_dir", "mess/"),
            ("fsync_dir", "todo"),
            ("fsync_dir", "pid"),
        ):
            self.assertFalse(self.survives("fsync", step, what), (step, what))

    def test_syncfs(self) -> None:
        """Both syncs of the other way are needed."""
        for step, what in (("syncfs", ""), ("fsync_dir", "todo")):
            self.assertFalse(self.survives("syncfs", step, what), (step, what))


class FailingTests(SynchronousTestCase):
    """A step that fails refuses the message, leaves nothing, and the next message is taken."""

    def failing(self, mode: str, step: str, what: str, number: int, during: str = "B") -> Run:
        """Take A, let that step fail once while B is taken, take C."""
        run = Run("weak", mode)
        run.enqueue("A")
        left = [1]

        def fails(done: str, target: str) -> int:
            """Fail once."""
            if left[0] and done == step and target.startswith(what):
                left[0] = 0
                run.has_failed = True
                return number
            return 0

        run.disk.fails = fails
        run.enqueue(during)
        self.assertEqual(left, [0], (step, what))
        run.enqueue("C")
        return run

    def test_table(self) -> None:
        """Each failing step gives the exit code of qmail-queue, and everything is cleaned up at once."""
        for mode, step, what, number, problem in (
            ("fsync", "create", "pid/", errno.EACCES, b"creating files"),
            ("fsync", "create", "pid/", errno.EMFILE, b"creating files"),
            ("fsync", "write", "", errno.ENOSPC, b"disk full"),
            ("fsync", "write", "", errno.EDQUOT, b"disk full"),
            ("fsync", "rename", "mess/", errno.EACCES, b"creating files"),
            ("fsync", "rename", "intd/", errno.EACCES, b"creating files"),
            ("fsync", "link", "todo/", errno.EMLINK, b"creating files"),
            ("fsync", "fsync", "text", errno.EIO, b"disk full"),
            ("fsync", "fsync", "envelope", errno.EIO, b"disk full"),
            ("fsync", "fsync_dir", "mess/", errno.EIO, b"disk full"),
            ("fsync", "fsync_dir", "todo", errno.EIO, b"disk full"),
            ("syncfs", "syncfs", "", errno.EIO, b"disk full"),
            ("syncfs", "fsync_dir", "todo", errno.EIO, b"disk full"),
        ):
            run = self.failing(mode, step, what, number)
            self.assertIn(problem, run.owners["B"].result.problem, (step, what))
            self.assertTrue(run.owners["C"].result.ok, (step, what))
            names = run.disk.image().names
            kept = {str(run.numbers[name]) for name in "AC"}
            self.assertEqual(set(names["todo"]), kept, (step, what))
            self.assertEqual(set(names["intd"]), kept)
            self.assertEqual(set(names["mess/0"]) | set(names["mess/1"]), kept)
            self.assertEqual(run.disk.open_descriptors(), 0)

    def test_unknown_fate(self) -> None:
        """If a file cannot be looked at, first or last of all, the message is refused and leaves nothing."""
        for when in ("pid", "todo"):
            run = Run("weak", "fsync")
            fstat = run.disk.fstat

            def fails(fd: int, run: Run = run, fstat: Callable[[int], Found] = fstat, when: str = when) -> Found:
                """Fail as long as that directory has names."""
                if run.disk.names_now[when]:
                    raise OSError(errno.ENOMEM, "Cannot allocate memory")
                return fstat(fd)

            run.disk.fstat = fails  # type: ignore[method-assign]
            run.has_failed = True
            run.enqueue("A")
            self.assertIn(b"creating files", run.owners["A"].result.problem)
            names = run.disk.image().names
            self.assertFalse(any(names[directory] for directory in names), names)
            self.assertEqual(run.disk.open_descriptors(), 0)
            run.disk.fstat = fstat  # type: ignore[method-assign]
            run.enqueue("B")
            self.assertTrue(run.owners["B"].result.ok)

    def test_whole_group(self) -> None:
        """When a sync fails, every message of the group is refused and no file is synced a second time."""
        run = Run("weak", "syncfs")
        failures = [errno.EIO]
        run.disk.fails = lambda step, what: failures.pop() if step == "syncfs" and failures else 0
        run.enqueue("A", "B")
        self.assertFalse(run.owners["A"].result.ok or run.owners["B"].result.ok)
        self.assertFalse([step for step in run.disk.steps if step[0] in ("fsync", "fsync_dir", "syncfs")])
        names = run.disk.image().names
        self.assertFalse(any(names[directory] for directory in names))

    def test_voids_pool(self) -> None:
        """After a failed sync nothing that was taken away before is used again."""
        run = Run("weak", "fsync")
        run.enqueue("A")
        run.remove(b"done", "A")
        failures = [errno.EIO]
        run.disk.fails = lambda step, what: failures.pop() if step == "fsync" and failures else 0
        run.enqueue("B")
        self.assertFalse(run.disk.image().names["pid"])
        run.enqueue("C", "D")
        self.assertNotIn(run.numbers["A"], (run.numbers["C"], run.numbers["D"]))
