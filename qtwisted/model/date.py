"""Dates as qmail writes them: in UTC and English, for any 64-bit number of seconds."""

from __future__ import annotations

_DAYS = (b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def rfc822(seconds: int, zone: bytes = b"-0000") -> bytes:
    """Write the stamp of Received and Date fields: ``22 Nov 2026 13:40:12 -0000``, the day not padded."""
    days, second = divmod(seconds, 86400)
    year, month, day = _civil(days)
    return b"%d %s %d %s %s" % (day, _MONTHS[month], year, _clock(second), zone)


def mbox(seconds: int) -> bytes:
    """Write the stamp of an mbox From_ line: ``Sun Nov 22 13:40:12 2026``, the day padded with a zero."""
    days, second = divmod(seconds, 86400)
    year, month, day = _civil(days)
    return b"%s %s %02d %s %d" % (_DAYS[days % 7], _MONTHS[month], day, _clock(second), year)


def digits(seconds: int) -> bytes:
    """Write the stamp inside Message-IDs: ``20261122134012``."""
    days, second = divmod(seconds, 86400)
    year, month, day = _civil(days)
    return b"%d%02d%02d%s" % (year, month + 1, day, _clock(second).replace(b":", b""))


def _clock(second: int) -> bytes:
    """Write the time of day."""
    return b"%02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)


def _civil(days: int) -> tuple[int, int, int]:
    """Turn days since 1 January 1970 into year, month counted from 0, and day of the Gregorian calendar.

    Years are counted from March, so that the leap day comes last, in eras of 400 years, which are equally
    long.
    """
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * from_march + 2) // 5 + 1
    month = (from_march + 2) % 12
    return era * 400 + year_of_era + (month < 2), month, day
