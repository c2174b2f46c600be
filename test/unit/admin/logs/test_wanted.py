"""What an operator may name, and Message-IDs that are looked up in the queue."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.logs.wanted import Wanted, message_ids, pattern
from qtwisted.admin.refusal import Refused


class WordTests(SynchronousTestCase):
    """The words of the command line."""

    def test_refused(self) -> None:
        """What makes no sense is refused."""
        for words in (["qp", "x"], ["msg", "-1"], ["a", "b"], ["qp", "9" * 30], ["delivery", "\u0663"]):
            self.assertRaises(Refused, Wanted, words, "/nowhere")

    def test_patterns(self) -> None:
        """Addresses are compared as the log shows them; nothing in them is special but stars and question marks."""
        self.assertTrue(pattern("a b@x.example").fullmatch(b"a_b@x.example"))
        self.assertTrue(pattern("(a+b).c@x").fullmatch(b"(A+B).c@X"))
        self.assertFalse(pattern("a.c@x").fullmatch(b"abc@x"))
        self.assertTrue(pattern("*").fullmatch(b""))


class MessageIdTests(SynchronousTestCase):
    """Message-IDs are found in the headers of the queue, wherever they stand, and nowhere else."""

    def setUp(self) -> None:
        """Make a queue."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/queue/mess/3")

    def put(self, number: int, text: bytes) -> str:
        """Put a message into the queue."""
        path = f"{self.home}/queue/mess/3/{number}"
        with open(path, "wb") as file:
            file.write(text)
        return path

    def test_found(self) -> None:
        """The field may be folded, in either case, and be one of several."""
        self.put(5, b"Received: x\nMESSAGE-id:\n <a@b>\n\nbody\n")
        self.put(6, b"X: <a@b>\nMessage-ID: <c@b>\n\nMessage-ID: <a@b>\n")
        self.put(7, b"Message-ID: <a@b>\r\n\r\n")
        self.assertEqual(Wanted(["<a@b>"], self.home).in_queue, {5, 7})
        self.assertEqual(Wanted(["<x@b>"], self.home).in_queue, set())

    def test_header_only(self) -> None:
        """A header without end is not read for ever."""
        path = self.put(5, b"X: y\n" * 100_000 + b"Message-ID: <a@b>\n")
        self.assertEqual(message_ids(path), [])

    def test_links(self) -> None:
        """Links are not followed."""
        os.symlink("/etc/passwd", f"{self.home}/queue/mess/3/9")
        wanted = Wanted(["<a@b>"], self.home)
        self.assertEqual((wanted.in_queue, len(wanted.notes)), (set(), 1))
