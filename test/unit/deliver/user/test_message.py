"""The message of one delivery."""

from __future__ import annotations

import errno
import itertools
import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user import message
from qtwisted.deliver.user.message import Message, Unreadable

LINE = b"Delivered-To: joe@h\n"


class WithMessages(SynchronousTestCase):
    """A test that opens messages."""

    def open(self, text: bytes) -> Message:
        """A message with this text."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(text)
        fd = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        found = Message(fd)
        self.addCleanup(found.forget_copy)
        return found


class MessageTests(WithMessages):
    """Reading and searching."""

    def test_pieces(self) -> None:
        """Every reading begins at the first byte and gives all, in pieces of bounded size."""
        text = bytes(range(256)) * 1000
        found = self.open(text)
        for _ in range(2):
            pieces = list(found.pieces())
            self.assertEqual(b"".join(pieces), text)
            self.assertLessEqual(max(map(len, pieces)), message.PIECE)

    def test_position_does_not_matter(self) -> None:
        """The descriptor's own position is neither used nor changed."""
        found = self.open(b"abc")
        os.lseek(found._fd, 2, os.SEEK_SET)
        self.assertEqual(b"".join(found.pieces()), b"abc")
        self.assertEqual(os.lseek(found._fd, 0, os.SEEK_CUR), 2)

    def test_empty(self) -> None:
        """An empty message has no pieces and no header."""
        found = self.open(b"")
        self.assertEqual(list(found.pieces()), [])
        self.assertFalse(found.has_header_line(LINE))

    def test_pipe(self) -> None:
        """What cannot be read from any place is no message."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        unreadable = self.assertRaises(Unreadable, list, Message(reader).pieces())
        self.assertEqual(unreadable.trouble.errno, errno.ESPIPE)

    def test_header_line(self) -> None:
        """A line of the header is found wherever it stands, whole and in this case only (L20)."""
        for text in (LINE, b"A: b\n" + LINE, LINE + b"\nbody", b"A: b\n" + LINE + b"C: d\n\nbody"):
            self.assertTrue(self.open(text).has_header_line(LINE), text)

    def test_no_header_line(self) -> None:
        """Neither the body, nor part of a line, nor another case, nor a line without an end counts (L20)."""
        for text in (b"\n" + LINE, b"A: b\n\n" + LINE, b"X-" + LINE, LINE[:-1], LINE[:-1] + b"x\n", LINE.lower(),
                     b" " + LINE, LINE[:-1] + b"\r\n"):
            self.assertFalse(self.open(text).has_header_line(LINE), text)

    @settings(max_examples=200, derandomize=True, deadline=None)
    @given(st.lists(st.sampled_from([LINE, LINE[:-1], b"\n", b"A: b\n", b"x", b"D"]), max_size=8), st.integers(1, 40))
    def test_header_line_in_any_pieces(self, parts: list[bytes], size: int) -> None:
        """The answer does not depend on where the pieces end."""
        text = b"".join(parts)
        complete = text.split(b"\n")[:-1]
        header = list(itertools.takewhile(bool, complete))
        self.patch(message, "PIECE", size)
        self.assertEqual(self.open(text).has_header_line(LINE), LINE[:-1] in header)

    def test_huge_header(self) -> None:
        """A header line of many megabytes is searched with little memory."""
        found = self.open(b"X: " + b"x" * (1 << 22) + b"\n" + LINE + b"\n")
        self.assertTrue(found.has_header_line(LINE))


class CopyTests(WithMessages):
    """What a program gets to read."""

    def test_each_from_the_start(self) -> None:
        """Each program reads from the first byte, whatever others have done (L25)."""
        found = self.open(b"abc")
        one, two = found.for_program(), found.for_program()
        self.addCleanup(os.close, one)
        self.addCleanup(os.close, two)
        self.assertEqual(os.read(one, 10), b"abc")
        os.lseek(one, 1, os.SEEK_SET)
        self.assertEqual(os.read(two, 10), b"abc")

    def test_another_file(self) -> None:
        """The copy is not the file of the queue, in memory or out of it."""
        for text in (b"abc", b"x" * (message.IN_MEMORY + 1)):
            found = self.open(text)
            copy = found.for_program()
            self.addCleanup(os.close, copy)
            self.assertFalse(os.path.sameopenfile(copy, found._fd))
            self.assertEqual(os.fstat(copy).st_nlink, 0)
            self.assertFalse(os.get_inheritable(copy))
            with open(copy, "rb", closefd=False) as file:
                self.assertEqual(file.read(), text)

    def test_sealed(self) -> None:
        """A copy in memory can be changed by nobody (L24)."""
        copy = self.open(b"abc").for_program()
        self.addCleanup(os.close, copy)
        self.assertRaises(OSError, os.write, copy, b"x")
        writable = f"/proc/self/fd/{copy}"
        self.assertRaises(OSError, os.truncate, writable, 0)
        try:
            again = os.open(writable, os.O_RDWR)
        except PermissionError:
            return
        self.addCleanup(os.close, again)
        self.assertRaises(OSError, os.write, again, b"x")

    def test_forgotten(self) -> None:
        """After the delivery no descriptor of the copy is left."""
        before = os.listdir("/proc/self/fd")
        found = self.open(b"abc")
        os.close(found.for_program())
        found.forget_copy()
        self.assertEqual(len(os.listdir("/proc/self/fd")), len(before) + 1)

    def test_no_place(self) -> None:
        """Where no temporary file can be made, memory is used."""
        self.patch(message, "COPY_PLACES", (b"/proc", b"/nonexistent"))
        fd = message.unlinked_file()
        self.addCleanup(os.close, fd)
        self.assertEqual(os.fstat(fd).st_size, 0)

    def test_no_proc(self) -> None:
        """Without /proc programs share one position, which is set back for each."""
        found = self.open(b"abc")
        really = os.open

        def fail(path: bytes, *rest: int) -> int:
            """Open anything but what is in /proc."""
            if path.startswith(b"/proc"):
                raise FileNotFoundError
            return really(path, *rest)

        self.patch(message.os, "open", fail)
        for _ in range(2):
            copy = found.for_program()
            self.assertEqual(os.read(copy, 10), b"abc")
            os.close(copy)
