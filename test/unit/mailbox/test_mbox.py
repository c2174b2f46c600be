"""Messages in mbox files."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.mailbox import mbox
from qtwisted.system.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADING = b"From s@t Sun Nov 22 13:40:12 2026\nReturn-Path: <s@t>\n"
MESSAGE = b"Subject: hi\nFrom: x\n\nbody\nFrom here\n>From q\n.\nend\n"


def quote(text: bytes) -> bytes:
    """Quote a message the simple way: line by line."""
    lines = text.split(b"\n")
    done = b"\n".join(b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines)
    return done + (b"\n" if done.endswith(b"\n") or not done else b"\n\n")


class QuoteTests(SynchronousTestCase):
    """The text of a message in an mbox file."""

    def test_from_lines(self) -> None:
        """Lines that begin with From_, quoted or not, are quoted once more; header lines too (L1, L31)."""
        self.assertEqual(b"".join(mbox.quoted([MESSAGE])),
                         b"Subject: hi\nFrom: x\n\nbody\n>From here\n>>From q\n.\nend\n\n")
        self.assertEqual(b"".join(mbox.quoted([b"From x\n\nFromage\n From y\n"])),
                         b">From x\n\nFromage\n From y\n\n")

    def test_no_final_newline(self) -> None:
        """A last line without line feed gets one before the blank line (L25)."""
        self.assertEqual(b"".join(mbox.quoted([b"a\nFrom b"])), b"a\n>From b\n\n")
        self.assertEqual(b"".join(mbox.quoted([b"a\nFrom "])), b"a\n>From \n\n")
        self.assertEqual(b"".join(mbox.quoted([b"a\nFrom"])), b"a\nFrom\n\n")

    def test_empty(self) -> None:
        """An empty message is one blank line."""
        self.assertEqual(b"".join(mbox.quoted([])), b"\n")

    @settings(max_examples=300, derandomize=True, deadline=None)
    @given(st.lists(st.sampled_from([b"From ", b">", b"\n", b"F", b"From", b" ", b"x"]), max_size=12), st.data())
    def test_any_portions(self, words: list[bytes], data: st.DataObject) -> None:
        """However a message is cut into pieces, it is quoted the same way."""
        text = rest = b"".join(words)
        pieces = []
        while rest:
            cut = data.draw(st.integers(1, len(rest)))
            pieces.append(rest[:cut])
            rest = rest[cut:]
        self.assertEqual(b"".join(mbox.quoted(pieces)), quote(text))

    def test_bounded(self) -> None:
        """A line of nothing but > is not collected without limit."""
        held = 0
        for piece in mbox.quoted([b">" * 65536] * 20):
            held = max(held, len(piece))
        self.assertLessEqual(held, 3 * 65536)


class DeliverTests(SynchronousTestCase):
    """What is in the file afterwards."""

    def setUp(self) -> None:
        """A name for the file."""
        self.path = os.fsencode(self.mktemp())

    def deliver(self, *pieces: bytes) -> None:
        """Deliver a message."""
        mbox.deliver(Disk(), self.path, HEADING, pieces)

    def read(self) -> bytes:
        """What is in the file."""
        with open(self.path, "rb") as file:
            return file.read()

    def test_new_file(self) -> None:
        """A file that does not exist is made with mode 0600 (L1)."""
        before = os.umask(0o077)
        self.addCleanup(os.umask, before)
        self.deliver(b"x\n")
        self.assertEqual(self.read(), HEADING + b"x\n\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_append(self) -> None:
        """A second message stands behind the first."""
        self.deliver(b"x\n")
        self.deliver(b"y\n")
        self.assertEqual(self.read(), HEADING + b"x\n\n" + HEADING + b"y\n\n")

    def test_unopened(self) -> None:
        """What cannot be opened for writing is told from what cannot be written (L23, L28)."""
        os.mkdir(self.path)
        found = self.assertRaises(mbox.Unopened, self.deliver, b"x")
        self.assertEqual(found.trouble.errno, errno.EISDIR)

    def test_fifo(self) -> None:
        """A FIFO nobody reads is not waited for (L28)."""
        os.mkfifo(self.path)
        found = self.assertRaises(mbox.Unopened, self.deliver, b"x")
        self.assertEqual(found.trouble.errno, errno.ENXIO)

    def test_full(self) -> None:
        """A device without room is an error (L23)."""
        self.path = b"/dev/full"
        self.assertEqual(self.assertRaises(OSError, self.deliver, b"x").errno, errno.ENOSPC)

    def test_null(self) -> None:
        """What cannot be synced is an error, even the null device."""
        self.path = b"/dev/null"
        self.assertEqual(self.assertRaises(OSError, self.deliver, b"x").errno, errno.EINVAL)

    def test_trouble_in_the_middle(self) -> None:
        """What was written before trouble came is taken back, to the byte (L30)."""
        self.deliver(b"x\n")
        before = self.read()

        class Filling(Disk):
            """A disk on which only so much fits."""

            room = 3

            def write_all(self, fd: int, data: bytes) -> None:
                """Write, or fail in the middle."""
                self.room -= 1
                super().write_all(fd, data if self.room else data[:5])
                if not self.room:
                    raise OSError(errno.EDQUOT, "no quota")

        found = self.assertRaises(OSError, mbox.deliver, Filling(), self.path, HEADING, [b"a\n" * 50, b"b\n" * 50])
        self.assertEqual(found.errno, errno.EDQUOT)
        self.assertEqual(self.read(), before)

    def test_sync_fails(self) -> None:
        """A message that could not be synced is taken back."""

        class Broken(Disk):
            """A disk that cannot sync."""

            def fsync(self, fd: int) -> None:
                """Fail."""
                raise OSError(errno.EIO, "broken")

        self.assertRaises(OSError, mbox.deliver, Broken(), self.path, HEADING, [b"x"])
        self.assertEqual(self.read(), b"")

    def test_trouble_with_the_message(self) -> None:
        """If the message cannot be read to its end, nothing of it stays."""

        def pieces() -> Iterator[bytes]:
            """A message that breaks off."""
            yield b"x\n"
            raise ValueError("no more")

        self.assertRaises(ValueError, mbox.deliver, Disk(), self.path, HEADING, pieces())
        self.assertEqual(self.read(), b"")

    def test_unlocked(self) -> None:
        """Where locking does not work nothing is taken back: somebody else may have written behind us."""

        def pieces() -> Iterator[bytes]:
            """A message that breaks off."""
            yield b"x\n"
            raise ValueError("no more")

        self.assertRaises(ValueError, mbox.deliver, Disk(), self.path, HEADING, pieces(), lambda fd: False)
        self.assertEqual(self.read(), HEADING + b"x\n")

    def test_locked_for_too_long(self) -> None:
        """If the lock cannot be had in time nothing is written."""

        def lock(fd: int) -> bool:
            """The alarm has gone off."""
            raise mbox.LockTimeout

        self.assertRaises(mbox.LockTimeout, mbox.deliver, Disk(), self.path, HEADING, [b"x"], lock)
        self.assertEqual(self.read(), b"")

    def test_lock_is_held(self) -> None:
        """While a message is written nobody else can lock the file, and afterwards he can."""

        def pieces() -> Iterator[bytes]:
            """Try to get the lock in the middle."""
            with open(self.path, "rb") as other:
                self.assertRaises(BlockingIOError, fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield b"x"

        mbox.deliver(Disk(), self.path, HEADING, pieces())
        with open(self.path, "rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_alarm(self) -> None:
        """The alarm that limits the wait for a lock is off afterwards, and raises when it goes off."""
        import signal

        with open(self.path, "wb") as file:
            self.assertTrue(mbox.lock_for_a_while(file.fileno()))
        self.assertEqual(signal.alarm(0), 0)
        self.assertRaises(mbox.LockTimeout, mbox._too_long)

    def test_no_locks_here(self) -> None:
        """What cannot be locked at all is written without a lock."""
        reader, writer = os.pipe()
        os.close(reader)
        os.close(writer)
        self.assertFalse(mbox.lock_for_a_while(writer))
