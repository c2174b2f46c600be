"""Tests: the last reports are kept, but only so many."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.schedule.requests import reports
from qtwisted.schedule.requests.reports import LastReports


class ReportsTests(SynchronousTestCase):
    """The table of reports."""

    def test_last(self):
        """The last report about a recipient counts, and no more than its beginning."""
        kept = LastReports()
        kept.note(5, b"a", 100, b"one")
        kept.note(5, b"a", 200, b"t" * 300)
        kept.note(5, b"b", 300, b"three")
        self.assertEqual(list(kept.of(5)), [(b"a", 200, b"t" * 200), (b"b", 300, b"three")])
        self.assertEqual(list(kept.of(6)), [])

    def test_bounded(self):
        """The messages not heard of for longest are forgotten first."""
        self.patch(reports, "REPORTS_MAX", 10)
        kept = LastReports()
        for number in range(10):
            kept.note(number, b"a", 1, b"x")
        kept.note(0, b"a", 2, b"y")
        kept.note(99, b"a", 3, b"z")
        self.assertEqual([number for number in range(100) if list(kept.of(number))], [0, 2, 3, 4, 5, 6, 7, 8, 9, 99])

    def test_one_message(self):
        """One message with very many recipients does not break the bound."""
        self.patch(reports, "REPORTS_MAX", 10)
        kept = LastReports()
        for at in range(25):
            kept.note(5, b"%d" % at, 1, b"x")
        self.assertLessEqual(len(list(kept.of(5))), 10)

    def test_forgotten(self):
        """A message that is gone has none, and makes room."""
        self.patch(reports, "REPORTS_MAX", 2)
        kept = LastReports()
        kept.note(1, b"a", 1, b"x")
        kept.note(2, b"a", 1, b"x")
        kept.forget(1)
        kept.forget(1)
        kept.note(3, b"a", 1, b"x")
        self.assertEqual([number for number in range(5) if list(kept.of(number))], [2, 3])
