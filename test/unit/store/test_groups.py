"""Tests of group commit: what waits together becomes durable together."""

from __future__ import annotations

import errno

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope
from qtwisted.store.kinds import groups as module
from test.kit.owners import NotingOwner
from test.unit.store.queues import SPLIT, MemoryQueue


class GroupTests(SynchronousTestCase):
    """Messages."""

    def test_shared_syncs(self) -> None:
        """All messages of one turn share the syncs of directories; each directory is synced once."""
        queue = MemoryQueue()
        owners = [NotingOwner() for _ in range(10)]
        for owner in owners:
            queue.intake.begin(owner).commit(Envelope(b"", ()))
        self.assertEqual(owners[0].results, [])
        queue.clock.advance(0)
        self.assertTrue(all(owner.result.ok for owner in owners))
        self.assertEqual(sorted(queue.steps("fsync_dir")), [("fsync_dir", "mess/1"), ("fsync_dir", "todo")])
        self.assertEqual(len(queue.steps("fsync")), 20)

    def test_full(self) -> None:
        """A group knows when it is full, so that nobody holds descriptors without end."""
        self.patch(module, "LARGEST", 2)
        queue = MemoryQueue()
        queue.intake.begin(NotingOwner()).commit(Envelope(b"", ()))
        self.assertFalse(queue.intake.groups.is_full())
        owner = NotingOwner()
        queue.intake.begin(owner).commit(Envelope(b"", ()))
        self.assertTrue(queue.intake.groups.is_full())
        queue.intake.groups.run()
        self.assertTrue(owner.result.ok)
        self.assertEqual(queue.clock.getDelayedCalls(), [])

    def test_text_gone(self) -> None:
        """A message whose text somebody took away meanwhile is refused, and its envelope removed."""
        queue = MemoryQueue()
        owner = NotingOwner()
        queue.intake.begin(owner).commit(Envelope(b"", ()))
        (name,) = [name for name in queue.files() if name.startswith("mess/")]
        queue.disk.unlink(name)
        queue.clock.advance(0)
        self.assertEqual(owner.result.problem, b"Zqq trouble creating files in queue (#4.3.0)")
        self.assertEqual((queue.files(), queue.announced), ([], []))

    def test_one_link_fails(self) -> None:
        """A message that cannot be linked is refused alone."""
        queue = MemoryQueue()
        owners = [NotingOwner() for _ in range(3)]
        for owner in owners:
            queue.intake.begin(owner).commit(Envelope(b"", ()))
        failures = [0, errno.EMLINK, 0]
        queue.disk.fails = lambda step, what: failures.pop() if step == "link" else 0
        queue.clock.advance(0)
        self.assertEqual([owner.result.ok for owner in owners], [True, False, True])
        self.assertEqual(len(queue.announced), 2)


class RemovalTests(SynchronousTestCase):
    """What qmail-send is done with."""

    def test_todo(self) -> None:
        """todo takes away intd/N and todo/N, durably; the text stays until foop."""
        queue = MemoryQueue()
        number = queue.enqueue()
        before = len(queue.steps("fsync_dir"))
        self.assertEqual(queue.remove(b"todo", number), b"+")
        self.assertEqual(queue.steps("fsync_dir")[before:], [("fsync_dir", "todo")])
        self.assertEqual(
            [name for name in queue.files() if "pid" not in name], [f"mess/{number % SPLIT}/{number}"]
        )
        self.assertEqual(queue.remove(b"foop", number), b"+")
        self.assertEqual([name for name in queue.files() if "pid" not in name], [])
        self.assertEqual(len(queue.steps("fsync_dir")), before + 1)

    def test_foreign(self) -> None:
        """Files of messages that this door did not write are removed, not used again."""
        queue = MemoryQueue()
        for name in ("mess/1/77", "intd/77"):
            queue.disk.close(queue.disk.create(name))
        queue.disk.link("intd/77", "todo/77")
        self.assertEqual(queue.remove(b"done", 77), b"+")
        self.assertEqual(queue.files(), [])

    def test_missing(self) -> None:
        """What is not there counts as removed."""
        queue = MemoryQueue()
        for verb in (b"todo", b"foop", b"done"):
            self.assertEqual(queue.remove(verb, 99), b"+")

    def test_twice(self) -> None:
        """A removal asked for twice does nothing the second time, even if the inodes serve again."""
        queue = MemoryQueue()
        number = queue.enqueue()
        queue.remove(b"done", number)
        queue.enqueue()
        queue.enqueue()
        kept = [name for name in queue.files() if not name.startswith("pid/")]
        queue.remove(b"foop", 99)
        self.assertEqual(queue.remove(b"done", number + 50), b"+")
        self.assertEqual([name for name in queue.files() if not name.startswith("pid/")], kept)

    def test_order(self) -> None:
        """done takes away the envelope first, makes that durable, and only then the text."""
        queue = MemoryQueue()
        number = queue.enqueue()
        queue.disk.steps.clear()
        queue.remove(b"done", number)
        steps = [step for step in queue.disk.steps if step[0] != "open"]
        self.assertEqual([step[0] for step in steps], ["unlink", "rename", "fsync_dir", "rename"], steps)
        self.assertEqual((steps[0][1], steps[2][1], steps[3][1]), (f"intd/{number}", "todo", f"pid/{number}"))

    def test_patience(self) -> None:
        """done waits a moment for company; todo and a message start the group at once, and done goes with it."""
        queue = MemoryQueue()
        numbers = [queue.enqueue() for _ in range(3)]
        outcomes: list[bytes] = []
        queue.intake.groups.remove(b"done", numbers[0], outcomes.append)
        queue.intake.groups.remove(b"done", numbers[1], outcomes.append)
        queue.clock.advance(0)
        self.assertEqual(outcomes, [])
        queue.intake.groups.remove(b"todo", numbers[2], outcomes.append)
        queue.clock.advance(0)
        self.assertEqual(outcomes, [b"+"] * 3)
        queue.intake.groups.remove(b"done", numbers[2], outcomes.append)
        queue.clock.advance(module.PATIENCE)
        self.assertEqual(len(outcomes), 4)

    def test_many(self) -> None:
        """Very many removals do not wait."""
        self.patch(module, "REMOVALS_MAX", 3)
        queue = MemoryQueue()
        outcomes: list[bytes] = []
        for number in (1, 2, 3):
            queue.intake.groups.remove(b"done", number, outcomes.append)
        queue.clock.advance(0)
        self.assertEqual(len(outcomes), 3)

    def test_failures(self) -> None:
        """A removal that fails is answered with an exclamation mark and stops half-way."""
        for verb, step, what in (
            (b"todo", "unlink", "intd/"),
            (b"todo", "fsync_dir", "todo"),
            (b"done", "fsync_dir", "todo"),
            (b"foop", "unlink", "mess/"),
            (b"done", "unlink", "todo/"),
        ):
            queue = MemoryQueue(recycle=False)
            number = queue.enqueue()
            queue.disk.fails = lambda done, target, step=step, what=what: (
                errno.EIO if done == step and target.startswith(what) else 0
            )
            self.assertEqual(queue.remove(verb, number), b"!", (verb, step))
            self.assertIn(f"mess/{number % SPLIT}/{number}", queue.files())

    def test_message_of_this_group(self) -> None:
        """A message cannot be removed before it is announced."""
        queue = MemoryQueue()
        owner = NotingOwner()
        queue.intake.begin(owner).commit(Envelope(b"", ()))
        (name,) = [name for name in queue.files() if name.startswith("mess/")]
        outcomes: list[bytes] = []
        queue.intake.groups.remove(b"done", int(name.rpartition("/")[2]), outcomes.append)
        queue.clock.advance(1)
        self.assertTrue(owner.result.ok)
        self.assertEqual(outcomes, [b"!"])
        self.assertEqual(len([name for name in queue.files() if not name.startswith("pid/")]), 3)

    def test_remembers_few(self) -> None:
        """Only so many messages are remembered; files of the others are removed."""
        self.patch(module, "REMEMBERED_MAX", 1)
        queue = MemoryQueue()
        first, second = queue.enqueue(), queue.enqueue()
        queue.remove(b"done", second)
        self.assertEqual([name for name in queue.files() if "pid" in name], [])
        queue.remove(b"done", first)
        self.assertEqual(len([name for name in queue.files() if "pid" in name]), 2)

    def test_finished(self) -> None:
        """Whoever sends the answers is told when the group is done."""
        queue = MemoryQueue()
        done: list[int] = []
        queue.intake.groups.finished = lambda: done.append(len(queue.announced))
        queue.enqueue()
        self.assertEqual(done, [1])
