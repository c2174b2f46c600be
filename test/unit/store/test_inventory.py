"""Tests: the queue as its files tell, whatever happens to them meanwhile."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store.inventory import Inventory, Recipient
from test.kit.queues import SPLIT, directories, fill, put


class InventoryTests(SynchronousTestCase):
    """Messages, found and read."""

    def setUp(self) -> None:
        """Make an empty queue."""
        self.queue = os.path.abspath(self.mktemp())
        directories(self.queue)
        self.inventory = Inventory(self.queue, SPLIT)

    def path(self, kind: str, number: int) -> str:
        """Name a file."""
        part = f"/{number % SPLIT}" if kind in ("mess", "info", "local", "remote") else ""
        return f"{self.queue}/{kind}{part}/{number}"

    def numbers(self) -> list[int]:
        """The messages found."""
        return sorted(message.number for message in self.inventory.messages())

    def test_preprocessed(self) -> None:
        """Sender, birth, size and recipients with their channels, done or not."""
        fill(self.queue, 1, 1000)
        put(self.path("local", 1000), b"Djoe@test.example\0Tann@test.example\0Xodd\0Thalf")
        [message] = self.inventory.messages()
        self.assertEqual((message.number, message.state, message.sender), (1000, "queued", b"s1000@test.example"))
        self.assertEqual((message.born_at, message.size), (1_800_000_000, len("Subject: 1000\n\nhello\n")))
        self.assertEqual(list(self.inventory.recipients(message)), [
            Recipient("local", b"joe@test.example", True), Recipient("local", b"ann@test.example", False),
            Recipient("remote", b"r1000@far.example", False)])

    def test_states(self) -> None:
        """On hold counts before failures, and a file in todo before everything."""
        fill(self.queue, 4, 1000)
        os.chmod(self.path("info", 1001), 0o700)
        put(self.path("bounce", 1001), b"<x>:\nno\n\n")
        put(self.path("bounce", 1002), b"<x>:\nno\n\n")
        put(self.path("todo", 1003), b"u1\0p2\0Fme@x\0Ta@y\0Tb@y\0")
        states = {message.number: message.state for message in self.inventory.messages()}
        self.assertEqual(states, {1000: "queued", 1001: "held", 1002: "bouncing", 1003: "todo"})
        message = self.inventory.message(1003)
        assert message is not None
        self.assertEqual(message.sender, b"me@x")
        self.assertEqual(list(self.inventory.recipients(message)), [Recipient("", b"a@y", False),
                                                                    Recipient("", b"b@y", False)])
        self.assertEqual(self.inventory.failures(1002, 5), b"<x>:\n")
        self.assertEqual(self.inventory.counts(), (4, 1))

    def test_strange_names(self) -> None:
        """Names that are no numbers are no messages."""
        for name in ("x", "007", "-1", "1.held", str(1 << 64)):
            put(f"{self.queue}/info/0/{name}", b"Fx\0")
            put(f"{self.queue}/todo/{name}", b"Fx\0")
        self.assertEqual(self.numbers(), [])

    def test_vanishing(self) -> None:
        """A message that leaves while it is looked at is passed over, or has no recipients."""
        fill(self.queue, 3, 1000)
        messages = self.inventory.messages()
        first = next(messages)
        for number in range(1000, 1003):
            for kind in ("mess", "info", "remote"):
                os.unlink(self.path(kind, number))
        self.assertEqual(list(self.inventory.recipients(first)), [])
        self.assertEqual(list(messages), [])
        self.assertIsNone(self.inventory.message(1001))

    def test_taken_over(self) -> None:
        """A message that leaves todo for info meanwhile is given once."""
        fill(self.queue, 1, 1000)
        os.rename(self.path("info", 1000), f"{self.queue}/pid/1")
        put(self.path("todo", 1000), b"Fme@x\0Ta@y\0")
        messages = self.inventory.messages()
        self.assertEqual(next(messages).state, "todo")
        os.unlink(self.path("todo", 1000))
        os.rename(f"{self.queue}/pid/1", self.path("info", 1000))
        self.assertEqual(list(messages), [])
        self.assertEqual(self.numbers(), [1000])

    def test_no_plain_files(self) -> None:
        """Links, pipes and directories are not followed, opened or waited for."""
        fill(self.queue, 3, 1000)
        secret = f"{self.queue}/pid/secret"
        put(secret, b"Fsecret\0Tsecret\0")
        for number, make in ((1000, lambda path: os.symlink(secret, path)), (1001, os.mkfifo), (1002, os.mkdir)):
            for kind in ("info", "remote"):
                os.unlink(self.path(kind, number))
                make(self.path(kind, number))
        for message in self.inventory.messages():
            self.assertIsNone(message.sender)
            self.assertEqual(list(self.inventory.recipients(message)), [])

    def test_endless_record(self) -> None:
        """A record without end is no record, and costs no memory."""
        fill(self.queue, 1, 1000)
        put(self.path("remote", 1000), b"Ta@y\0T" + b"x" * 1_000_000)
        [message] = self.inventory.messages()
        self.assertEqual(len(list(self.inventory.recipients(message))), 1)

    def test_no_directory(self) -> None:
        """A directory that cannot be read is an error, not an empty one."""
        os.rmdir(f"{self.queue}/info/5")
        self.assertRaises(FileNotFoundError, self.numbers)
        self.assertRaises(FileNotFoundError, Inventory, f"{self.queue}/none", SPLIT)

    def test_streaming(self) -> None:
        """The first message is there before the others have been looked at."""
        fill(self.queue, 500, 1000)
        looked: list[str] = []
        disk = self.inventory._disk
        stat = disk.stat
        self.patch(disk, "stat", lambda path: (looked.append(path), stat(path))[1])
        next(self.inventory.messages())
        self.assertLess(len(looked), 10)

    def test_due(self) -> None:
        """The time noted for the next start is that of the recipient file."""
        fill(self.queue, 1, 1000)
        os.utime(self.path("remote", 1000), (5, 4711))
        self.assertEqual(self.inventory.due_at("remote", 1000), 4711)
        self.assertIsNone(self.inventory.due_at("local", 1000))
