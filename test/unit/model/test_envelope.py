"""Envelopes are written and read byte for byte as qmail-queue does."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope, EnvelopeError, parse_submission, submission, todo_record


class WriteTests(SynchronousTestCase):
    """Both forms of an envelope."""

    def test_submission_form(self) -> None:
        """Sender, recipients, and a zero byte that says it is complete."""
        self.assertEqual(submission(Envelope(b"a@b", (b"c@d", b"e@f"))), b"Fa@b\0Tc@d\0Te@f\0\0")
        self.assertEqual(submission(Envelope(b"", ())), b"F\0\0")

    def test_todo_form(self) -> None:
        """Uid, pid, sender and recipients, and nothing after the last record."""
        self.assertEqual(todo_record(1002, 2620, Envelope(b"", (b"q@x",))), b"u1002\0p2620\0F\0Tq@x\0")


class ParseTests(SynchronousTestCase):
    """What qmail-queue accepts on descriptor 1, and its exit codes for the rest."""

    def refused(self, data: bytes) -> int:
        """Give the code with which an envelope is refused."""
        return self.assertRaises(EnvelopeError, parse_submission, data).code

    def test_whole_envelopes(self) -> None:
        """Sender and recipients may be empty, there may be no recipient, and nothing is validated."""
        self.assertEqual(parse_submission(b"Fa@b\0Tc@d\0Te@f\0\0"), Envelope(b"a@b", (b"c@d", b"e@f")))
        self.assertEqual(parse_submission(b"Fa@b\0\0"), Envelope(b"a@b", ()))
        self.assertEqual(parse_submission(b"F\0Tx@y\0\0"), Envelope(b"", (b"x@y",)))
        self.assertEqual(parse_submission(b"F\xff\nF\0T\0\0"), Envelope(b"\xff\nF", (b"",)))

    def test_rest_is_ignored(self) -> None:
        """Bytes after the final zero do not count."""
        self.assertEqual(parse_submission(b"Fa\0Tb\0\0garbage"), Envelope(b"a", (b"b",)))

    def test_wrong_letters(self) -> None:
        """The first record must be F and the others T: code 91."""
        for data in (b"Xa\0\0", b"Fa\0Xb\0\0", b"\0", b"Ta\0\0", b"Fa\0Fb\0\0"):
            self.assertEqual(self.refused(data), 91)

    def test_cut_off(self) -> None:
        """An envelope that ends before its final zero, wherever, is code 54."""
        whole = b"Fa\0Tb\0Tc@d\0\0"
        for length in range(len(whole)):
            self.assertEqual(self.refused(whole[:length]), 54)

    def test_longest_address(self) -> None:
        """Sender and recipients may have 1002 bytes, and one more is code 11, even if no zero follows yet."""
        most = b"x" * 1002
        self.assertEqual(parse_submission(b"F%s\0T%s\0\0" % (most, most)), Envelope(most, (most,)))
        for data in (b"F%sx\0\0", b"F\0T%sx\0\0", b"F%sx", b"F\0T%sx"):
            self.assertEqual(self.refused(data % most), 11)
        self.assertEqual(self.refused(b"F" + most), 54)

    def test_written_is_read(self) -> None:
        """What submission writes, parse_submission reads."""
        for envelope in (Envelope(b"", ()), Envelope(b"s", (b"", b"r", b"r"))):
            self.assertEqual(parse_submission(submission(envelope)), envelope)
