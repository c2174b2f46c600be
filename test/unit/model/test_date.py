"""Dates agree with the calendar, for every year and without a time zone."""

from __future__ import annotations

import datetime
import random

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.date import digits, mbox, rfc822


class DateTests(SynchronousTestCase):
    """The stamps qmail writes."""

    def test_rfc822(self) -> None:
        """The day is not padded, the time is, and the zone is -0000."""
        self.assertEqual(rfc822(1795354812), b"22 Nov 2026 13:40:12 -0000")
        self.assertEqual(rfc822(0), b"1 Jan 1970 00:00:00 -0000")
        self.assertEqual(rfc822(812345679, b"GMT"), b"29 Sep 1995 03:34:39 GMT")

    def test_mbox(self) -> None:
        """The day of the month is padded with a zero."""
        self.assertEqual(mbox(1795354812), b"Sun Nov 22 13:40:12 2026")
        self.assertEqual(mbox(0), b"Thu Jan 01 00:00:00 1970")

    def test_digits(self) -> None:
        """Message-IDs hold date and time as fourteen digits."""
        self.assertEqual(digits(1795354812), b"20261122134012")
        self.assertEqual(digits(0), b"19700101000000")

    def test_agrees_with_the_calendar(self) -> None:
        """Any moment of the years 1 to 9999 is the one that datetime says."""
        epoch = datetime.datetime(1970, 1, 1)
        chance = random.Random(1)
        for _ in range(5000):
            seconds = chance.randrange(-62135596800, 253402300800)
            moment = epoch + datetime.timedelta(seconds=seconds)
            expected = moment.strftime("%a %b %d %H:%M:%S ") + str(moment.year)
            self.assertEqual(mbox(seconds), expected.encode())

    def test_far_years(self) -> None:
        """Times far outside of what clocks show are dates too."""
        self.assertEqual(rfc822(2**62), b"19 Jun 146138514283 07:45:04 -0000")
        self.assertEqual(mbox(-1), b"Wed Dec 31 23:59:59 1969")

    def test_leap_days(self) -> None:
        """2000 and 2024 have a 29 February, 2100 has none."""
        self.assertEqual(rfc822(951782400), b"29 Feb 2000 00:00:00 -0000")
        self.assertEqual(rfc822(1709164800), b"29 Feb 2024 00:00:00 -0000")
        self.assertEqual(rfc822(4107542400), b"1 Mar 2100 00:00:00 -0000")
