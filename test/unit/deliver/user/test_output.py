"""Reports of local deliveries."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user.output import SORRY, Collected, Report


def reported(*parts: bytes) -> bytes:
    """What is reported of these."""
    report = Report()
    for part in parts:
        report.add(part)
    return report.text()


class ReportTests(SynchronousTestCase):
    """The limit of qmail-lspawn (core-spawn A1)."""

    def test_lengths(self) -> None:
        """Up to 3000 bytes pass; of more, 2966 are kept and a sentence is added (SPN-14)."""
        for given, kept in ((2999, 2999), (3000, 3000), (3001, 2997), (5000, 2997), (20000, 2997)):
            text = reported(b"x" * given)
            self.assertEqual(len(text), kept)
            self.assertEqual(text.endswith(b"x" * 2966 + b"\nError report too long, sorry.\n"), given > 3000)

    def test_more_after_a_cut(self) -> None:
        """What comes after a cut is added, and cut again."""
        self.assertEqual(reported(b"x" * 4000, b"abc"), b"x" * 2966 + SORRY + b"abc")
        self.assertEqual(reported(b"x" * 4000, b"abcd"), b"x" * 2966 + SORRY)
        self.assertEqual(reported(b"x" * 4000, b"did 1+0+0\n"), b"x" * 2966 + SORRY)

    def test_nul(self) -> None:
        """Nothing after the first NUL is reported (SPN-13)."""
        self.assertEqual(reported(b"abc\0def"), b"abc")
        self.assertEqual(reported(b"K\0D\0Z"), b"K")

    def test_any_bytes(self) -> None:
        """All other bytes are passed on; the log makes them harmless (L18)."""
        self.assertEqual(reported(b"\x1b[31m%s%n\xff\r"), b"\x1b[31m%s%n\xff\r")

    def test_order_of_saying(self) -> None:
        """Good and bad news stand in one report, in the order in which they came."""
        output = Collected()
        output.say(b"one\n")
        output.complain(b"two\n")
        output.say(b"three\n")
        self.assertEqual(output.report.text(), b"one\ntwo\nthree\n")
