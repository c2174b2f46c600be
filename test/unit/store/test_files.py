"""Tests of the queue directories as an intake: names, formats, numbers, recovery."""

from __future__ import annotations

import errno

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope
from test.kit.owners import NotingOwner
from test.unit.store.queues import SPLIT, MemoryQueue


class FormatTests(SynchronousTestCase):
    """What a stored message looks like."""

    def test_files(self) -> None:
        """The text has the Received line in front, the envelope begins with uid and number."""
        queue = MemoryQueue()
        number = queue.enqueue(b"Subject: x\n\nhi\n", Envelope(b"a@b", (b"c@d", b"e@f")))
        self.assertEqual(
            queue.files(), sorted([f"mess/{number % SPLIT}/{number}", f"intd/{number}", f"todo/{number}"])
        )
        qp = (1800000000 - 1767225600) * 1000
        self.assertEqual(
            queue.read(f"mess/{number % SPLIT}/{number}"),
            b"Received: (qmail %d invoked by uid 7); 15 Jan 2027 08:00:00 -0000\nSubject: x\n\nhi\n" % qp,
        )
        self.assertEqual(queue.read(f"todo/{number}"), b"u7\0p%d\0Fa@b\0Tc@d\0Te@f\0" % qp)
        self.assertEqual(queue.disk.stat(f"todo/{number}").st_ino, queue.disk.stat(f"intd/{number}").st_ino)
        self.assertEqual(queue.disk.stat(f"mess/{number % SPLIT}/{number}").st_ino, number)

    def test_announced(self) -> None:
        """The watcher hears number, size of the text and the envelope, unless that is long."""
        queue = MemoryQueue()
        number = queue.enqueue(b"hi\n", Envelope(b"", ()))
        size = len(queue.read(f"mess/{number % SPLIT}/{number}"))
        self.assertEqual(queue.announced, [(number, size, queue.read(f"todo/{number}"))])
        number = queue.enqueue(b"", Envelope(b"", (b"x" * 1000,) * 40))
        self.assertEqual(queue.announced[-1][2], None)
        self.assertEqual(len(queue.read(f"todo/{number}").split(b"\0")), 44)

    def test_large(self) -> None:
        """A long text and a long envelope are written piece by piece, not kept."""
        queue = MemoryQueue()
        owner = NotingOwner()
        draft = queue.intake.begin(owner)
        for _ in range(100):
            draft.write(b"x" * 1000)
        draft.envelope(b"F\0")
        for _ in range(50):
            draft.envelope(b"T" + b"y" * 999 + b"\0")
        self.assertGreater(len(queue.steps("write")), 3)
        self.assertEqual([name for name in queue.files() if not name.startswith("pid/")], [])
        draft.envelope(b"\0")
        queue.clock.advance(0)
        self.assertTrue(owner.result.ok)
        number = queue.announced[0][0]
        self.assertEqual(queue.read(f"mess/{number % SPLIT}/{number}").partition(b"\n")[2], b"x" * 100000)
        self.assertEqual(queue.read(f"todo/{number}").count(b"T" + b"y" * 999 + b"\0"), 50)

    def test_recycled(self) -> None:
        """A longer file that is used again is cut to length, text and envelope alike."""
        queue = MemoryQueue()
        number = queue.enqueue(b"long\n" * 100, Envelope(b"s" * 500, (b"r" * 500,)))
        self.assertEqual(queue.remove(b"done", number), b"+")
        queue.enqueue()
        again = queue.enqueue(b"short\n", Envelope(b"", ()))
        self.assertIn(("open", f"pid/{number}"), queue.disk.steps)
        self.assertTrue(queue.read(f"mess/{again % SPLIT}/{again}").endswith(b"-0000\nshort\n"))
        self.assertTrue(queue.read(f"todo/{again}").endswith(b"\0F\0"))

    def test_numbers(self) -> None:
        """Numbers for the log rise with the clock, and by one within a millisecond or when it goes back."""
        queue = MemoryQueue()
        first = queue.intake.next_qp()
        self.assertEqual(queue.intake.next_qp(), first + 1)
        queue.wall += 10
        self.assertEqual(queue.intake.next_qp(), first + 10000)
        queue.wall -= 100
        self.assertEqual(queue.intake.next_qp(), first + 10001)
        queue.wall = 0
        self.assertEqual(queue.intake.next_qp(), first + 10002)


class AbandonTests(SynchronousTestCase):
    """Messages that are not completed."""

    def test_small(self) -> None:
        """A small message that is abandoned never touched the disk."""
        queue = MemoryQueue()
        draft = queue.intake.begin(NotingOwner())
        draft.write(b"x")
        draft.abandon()
        draft.abandon()
        self.assertEqual(queue.disk.steps, [])

    def test_large(self) -> None:
        """A large one leaves its files to the pool; more of it is ignored."""
        queue = MemoryQueue()
        owner = NotingOwner()
        draft = queue.intake.begin(owner)
        draft.write(b"x" * 40000)
        draft.envelope(b"F" + b"x" * 1000 + b"\0")
        draft.envelope((b"T" + b"x" * 1000 + b"\0") * 40)
        draft.abandon()
        draft.write(b"x" * 40000)
        draft.envelope(b"\0")
        self.assertEqual([name.split("/")[0] for name in queue.files()], ["pid", "pid"])
        self.assertEqual((owner.results, queue.disk.open_descriptors()), ([], 0))

    def test_too_late(self) -> None:
        """A complete message cannot be abandoned."""
        queue = MemoryQueue()
        owner = NotingOwner()
        draft = queue.intake.begin(owner)
        draft.commit(Envelope(b"", ()))
        draft.abandon()
        draft.give_up(53)
        draft.envelope(b"F\0\0")
        queue.clock.advance(0)
        self.assertTrue(owner.result.ok)
        self.assertEqual(len(queue.announced), 1)


class RefusalTests(SynchronousTestCase):
    """Messages that are refused."""

    def test_envelope(self) -> None:
        """A fault in the envelope is answered at once and removes what was written; the rest is ignored."""
        for envelope, problem in (
            (b"X", b"Zqq internal bug (#4.3.0)"),
            (b"F" + b"x" * 1003, b"Denvelope address too long for qq (#5.1.3)"),
        ):
            queue = MemoryQueue()
            owner = NotingOwner()
            draft = queue.intake.begin(owner)
            draft.write(b"x" * 100000)
            draft.envelope(envelope)
            draft.envelope(b"Fa\0\0")
            draft.write(b"x" * 100000)
            queue.clock.advance(0)
            self.assertEqual(owner.result.problem, problem)
            self.assertEqual((queue.files(), queue.announced), ([], []))

    def test_given_up(self) -> None:
        """A message given up is answered when its envelope is complete, not before."""
        queue = MemoryQueue()
        owner = NotingOwner()
        draft = queue.intake.begin(owner)
        draft.write(b"x" * 100000)
        draft.give_up(53)
        draft.envelope(b"Fa\0")
        self.assertEqual((owner.results, queue.files()), ([], []))
        draft.envelope(b"\0")
        self.assertEqual(owner.result.problem, b"Zqq write error or disk full (#4.3.0)")

    def test_no_memory(self) -> None:
        """Want of memory is told as such."""
        queue = MemoryQueue()
        owner = NotingOwner()
        draft = queue.intake.begin(owner)

        def fail(fd: int, pieces: list[bytes]) -> None:
            """Fail as a large join does."""
            raise MemoryError

        queue.disk.write_pieces = fail
        draft.commit(Envelope(b"", ()))
        self.assertEqual(owner.result.problem, b"Zqq out of memory (#4.3.0)")

    def test_full(self) -> None:
        """A full disk empties the pool too, is logged once a minute, and the log tells again later."""
        queue = MemoryQueue()
        number = queue.enqueue()
        queue.remove(b"done", number)
        self.assertEqual(len(queue.files()), 2)
        queue.disk.fails = lambda step, what: errno.ENOSPC if step == "write" else 0
        for _ in range(3):
            queue.intake.begin(NotingOwner()).commit(Envelope(b"", ()))
        self.assertEqual(queue.files(), [])
        wanted = "warning: unable to queue a message (exit code 53): No space left on device"
        self.assertEqual(queue.warnings, [wanted])
        queue.wall += 61
        queue.intake.begin(NotingOwner()).commit(Envelope(b"", ()))
        self.assertEqual(queue.warnings, [wanted] * 2)

    def test_number_taken(self) -> None:
        """A message that has our number in mess/ is never overwritten."""
        queue = MemoryQueue()
        owner = NotingOwner()
        draft = queue.intake.begin(owner)
        draft.write(b"x" * 40000)
        (number,) = queue.disk.names_now["pid"].values()
        queue.disk.close(queue.disk.create(f"mess/{number % SPLIT}/{number}"))
        draft.commit(Envelope(b"", ()))
        self.assertEqual(owner.result.problem, b"Zqq trouble creating files in queue (#4.3.0)")
        self.assertEqual(queue.files(), [f"mess/{number % SPLIT}/{number}"])

    def test_rest_in_intd(self) -> None:
        """A rest in intd/ of a message that is gone gives way to a new message of that number."""
        queue = MemoryQueue()
        queue.disk.close(queue.disk.create("intd/1002"))
        number = queue.enqueue()
        self.assertEqual(number, 1002)
        self.assertIn(b"Fs\0", queue.read("intd/1002"))

    def test_rest_in_todo(self) -> None:
        """A rest in todo/ whose text is gone does not get another text: its number is not used."""
        queue = MemoryQueue()
        queue.disk.close(queue.disk.create("todo/1002"))
        self.assertNotEqual(queue.enqueue(), 1002)

    def test_stubborn(self) -> None:
        """What cannot be removed is told in the log and left to its age."""
        queue = MemoryQueue()
        queue.disk.fails = lambda step, what: errno.EIO if step in ("write", "unlink") else 0
        owner = NotingOwner()
        queue.intake.begin(owner).commit(Envelope(b"", ()))
        self.assertFalse(owner.result.ok)
        self.assertIn("warning: unable to remove pid/", queue.warnings[0])


class StartTests(SynchronousTestCase):
    """What is done before the first message and after the last."""

    def test_recover(self) -> None:
        """Everything is synced, and what a dead door left in pid/ goes; nothing else does."""
        queue = MemoryQueue()
        for name in ("pid/17", "pid/door.5.1", "pid/12.34.1", "intd/9", "todo/x"):
            queue.disk.close(queue.disk.create(name))
        queue.intake.recover()
        self.assertEqual(queue.files(), ["intd/9", "pid/12.34.1", "todo/x"])
        self.assertEqual(len(queue.steps("syncfs")), 1)
        queue.disk.fails = lambda step, what: errno.EIO if step == "syncfs" else 0
        queue.intake.recover()
        self.assertEqual(queue.warnings, ["warning: unable to sync the queue: Input/output error"])

    def test_foreign_numbers(self) -> None:
        """Messages whose number is not that of their inode are counted in the log, part by part."""
        queue = MemoryQueue()
        queue.enqueue()
        for _ in queue.intake.check_numbers():
            pass
        self.assertEqual(queue.warnings, [])
        for name in ("mess/1/77", "mess/0/junk"):
            queue.disk.close(queue.disk.create(name))
        self.assertEqual(len(list(queue.intake.check_numbers())), SPLIT)
        self.assertEqual(
            queue.warnings, ["warning: 1 messages have a number that is not that of their inode"]
        )
        del queue.disk.names_now["mess/0"]
        queue.disk.names = self.failing
        list(queue.intake.check_numbers())
        self.assertEqual(queue.warnings[1], "warning: unable to read mess/0: gone")

    def failing(self, path: str) -> list[tuple[str, int]]:
        """Fail to read a directory."""
        raise OSError(2, "gone")

    def test_close(self) -> None:
        """At the end what is complete is stored and answered, and the pool removed."""
        queue = MemoryQueue()
        queue.remove(b"done", queue.enqueue())
        owner = NotingOwner()
        queue.intake.begin(owner).commit(Envelope(b"", ()))
        queue.intake.close()
        self.assertTrue(owner.result.ok)
        self.assertEqual([name for name in queue.files() if name.startswith("pid/")], [])
        self.assertEqual(queue.clock.getDelayedCalls(), [])
