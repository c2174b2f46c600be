"""What every mailbox promises, whatever its format: a message is there whole, or not at all.

Inherit from MailboxContract and say how a message is delivered and which messages are there.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from qtwisted.mailbox import maildir, mbox
from qtwisted.system.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TROUBLE = (OSError, mbox.Unopened, maildir.NoMaildir)
"""How a mailbox says that it could not take a message."""

STEPS = ("open", "create", "create_nameless", "give_name", "write_all", "link", "fsync", "fsync_dir")
"""The steps that may fail; taking back must not."""


class FailingDisk(Disk):
    """A disk on which one step fails; it counts the steps."""

    def __init__(self, fails_at: int, number: int = errno.EIO) -> None:
        """Fail the step of that index, counted from 0."""
        super().__init__()
        self.fails_at = fails_at
        self.number = number
        self.count = 0
        for name in STEPS:
            setattr(self, name, self._counted(getattr(self, name)))

    def _counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """A step that counts, and fails when its turn has come."""

        def counted(*args: Any) -> Any:
            """Do the step, or fail."""
            self.count += 1
            if self.count == self.fails_at + 1:
                raise OSError(self.number, os.strerror(self.number))
            return step(*args)

        return counted


class MailboxContract:
    """The promises. A subclass has ``put`` and ``messages``, and is a test case."""

    def put(self, disk: Disk, pieces: Iterable[bytes]) -> None:
        """Deliver a message; raise whatever goes wrong."""
        raise AssertionError("say how")

    def messages(self) -> list[bytes]:
        """The messages that are there, in any order."""
        raise AssertionError("say which")

    def test_whole(self: Any) -> None:
        """A message of several pieces is there byte for byte."""
        self.put(Disk(), [b"Subject: x\n\n", b"a" * 70000, b"\nend\n"])
        self.assertEqual(self.messages(), [b"Subject: x\n\n" + b"a" * 70000 + b"\nend\n"])

    def test_many(self: Any) -> None:
        """Messages do not disturb each other."""
        expected = [b"number %d\n" % number for number in range(20)]
        for text in expected:
            self.put(Disk(), [text])
        self.assertEqual(sorted(self.messages()), sorted(expected))

    def test_no_pieces(self: Any) -> None:
        """Even an empty message is one."""
        self.put(Disk(), [])
        self.assertEqual(self.messages(), [b""])

    def test_every_failure(self: Any) -> None:
        """Whichever step fails, that is said, and nothing of the message is there."""
        self.put(Disk(), [b"before\n"])
        for number in (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            steps = FailingDisk(10**6)
            self.put(steps, [b"measured\n"])
            before = sorted(self.messages())
            for at in range(steps.count):
                self.assertRaises(TROUBLE, self.put, FailingDisk(at, number), [b"one\n", b"two\n"])
                self.assertEqual(sorted(self.messages()), before)

    def test_a_message_that_breaks_off(self: Any) -> None:
        """If the message cannot be read to its end, nothing of it is there."""

        def pieces() -> Iterator[bytes]:
            """Break off."""
            yield b"one\n"
            raise ValueError

        self.assertRaises(ValueError, self.put, Disk(), pieces())
        self.assertEqual(self.messages(), [])
