"""Verdicts are K, Z or D, and only those."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.verdict import Verdict, delivered, parse, refused, try_later


class VerdictTests(SynchronousTestCase):
    """The three verdicts and their reports."""

    def test_letters(self) -> None:
        """Delivered is K, try later Z, refused D."""
        self.assertEqual(delivered(), Verdict(b"K", b""))
        self.assertEqual(try_later(b"x\n").report(), b"Zx\n")
        self.assertEqual(refused(b"y").report(), b"Dy")

    def test_reports_are_read(self) -> None:
        """A report is its letter and its text, which may be empty."""
        for report in (b"K", b"Kok\n", b"Zlater", b"Dnever"):
            verdict = parse(report)
            self.assertIsNotNone(verdict)
            assert verdict is not None
            self.assertEqual(verdict.report(), report)

    def test_mangled_reports(self) -> None:
        """An empty report or another letter says nothing."""
        for report in (b"", b"X", b"k", b"\0K", b" K"):
            self.assertIsNone(parse(report))
