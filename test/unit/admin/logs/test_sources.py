"""Logs are found and read, whatever form they have."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import time
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.logs import sources
from qtwisted.admin.logs.sources import Place, Source
from qtwisted.admin.refusal import Refused
from qtwisted.model import events
from qtwisted.model.logreading import LONGEST

LINES = b"".join(b"new msg %d\n" % at for at in range(1000))


class FileTests(SynchronousTestCase):
    """Files, compressed, damaged, or none at all."""

    def setUp(self) -> None:
        """Work in a directory of our own."""
        self.place = os.path.abspath(self.mktemp())
        os.mkdir(self.place)

    def write(self, name: str, data: bytes) -> str:
        """Make a file."""
        path = os.path.join(self.place, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def numbers(self, *names: str) -> tuple[list[int], list[str]]:
        """The messages that are new in these files, and what could not be read."""
        source = Source(Place(names))
        return [line.event.number for line in source if isinstance(line.event, events.NewMessage)], source.troubles

    def test_compressed(self) -> None:
        """A file is read as it is, and as gzip, xz and bzip2 make it."""
        import bz2

        for name, pack in (("a", bytes), ("a.gz", gzip.compress), ("a.xz", lzma.compress), ("a.bz2", bz2.compress)):
            self.assertEqual(self.numbers(self.write(name, pack(LINES))), (list(range(1000)), []), name)

    def test_damaged(self) -> None:
        """What can be read of a damaged file is read, the trouble is told, and the next file follows."""
        last = self.write("last", b"new msg 5000\n")
        noise = b"".join(b"new msg %d\n" % (at * 7919 % 99991) for at in range(60000))
        for name, data in (("cut.gz", gzip.compress(noise)[:-400]), ("cut.xz", lzma.compress(noise)[:-400]),
                           ("no.gz", b"no gzip"), ("no.xz", b"no xz"), ("no.bz2", b"no bzip2"),
                           ("bad.gz", gzip.compress(LINES)[:300] + b"\xff" * 300)):
            numbers, troubles = self.numbers(self.write(name, data), last)
            self.assertEqual((numbers[-1], len(troubles)), (5000, 1), name)
            self.assertTrue(troubles[0].startswith(os.path.join(self.place, name) + ": "), troubles)

    def test_missing(self) -> None:
        """A file that is not there is told."""
        numbers, troubles = self.numbers(os.path.join(self.place, "none"), self.write("a", LINES))
        self.assertEqual((len(numbers), len(troubles)), (1000, 1))

    def test_multilog(self) -> None:
        """A directory stands for its files by time, the current one last."""
        for at, name in enumerate(("@400000006ac0f0a1075bcd15.s", "@400000006ac0f0a2075bcd15.u", "current")):
            self.write(name, b"@400000006ac0f0a%d075bcd15 new msg %d\n" % (at, at))
        self.write("lock", b"")
        self.write("state", b"new msg 9\n")
        self.assertEqual(self.numbers(*sources.given([self.place]).files), ([0, 1, 2], []))

    def test_no_log(self) -> None:
        """A directory without a log is refused."""
        self.assertRaises(Refused, sources.given, [self.place])

    def test_rotated(self) -> None:
        """A file that is rotated has its past before it, and nothing else."""
        names = ["mail.log.3.gz", "mail.log-20261129.xz", "mail.log.1", "mail.log"]
        for at, name in enumerate(names):
            self.write(name, b"")
            os.utime(os.path.join(self.place, name), (1000 + at, 1000 + at))
        self.write("mail.log.old", b"")
        self.write("mail.logs", b"")
        found = sources.rotated(os.path.join(self.place, "mail.log"))
        self.assertEqual([os.path.basename(name) for name in found], names)

    def test_commands(self) -> None:
        """The program that takes the lines tells where they are."""
        self.write("current", LINES)
        log = self.write("mail.log", LINES)
        self.patch(sources, "SYSTEM_LOGS", ("/nowhere/mail.log", log))
        self.assertEqual(sources._of_command("/h", "splogger mta 2"), Place((log,), tag=b"mta"))
        self.assertEqual(sources._of_command("/h", f"/command/multilog t s9999 {self.place}"),
                         Place((f"{self.place}/current",)))
        self.assertEqual(sources._of_command(self.place, "tee -a mail.log"), Place((log,)))
        for unknown in ("multilog t", "logger -t qmail", "tee -a"):
            self.assertIsNone(sources._of_command("/h", unknown), unknown)

    def test_not_running(self) -> None:
        """Without a mail system that runs the operator is asked for the log."""
        refused = self.assertRaises(Refused, sources.found, self.place)
        self.assertIn("--log FILE", str(refused))


class LineTests(SynchronousTestCase):
    """Lines come out as they are, and endless ones cost no memory."""

    def read(self, data: bytes, step: int) -> list[bytes]:
        """Cut data into lines, read in pieces."""
        file = io.BytesIO(data)
        read: Callable[[int], bytes] = lambda count: file.read(step)  # noqa: E731
        return list(sources.split_lines(read))

    @settings(max_examples=200, deadline=None)
    @given(some.binary(max_size=60), some.integers(min_value=1, max_value=9))
    def test_lines(self, data: bytes, step: int) -> None:
        """In whatever pieces, the lines are the same; a last one needs no end."""
        wanted = data.split(b"\n")
        self.assertEqual(self.read(data, step), wanted if wanted[-1] else wanted[:-1])

    def test_endless(self) -> None:
        """Of a line longer than any the beginning is given; the rest is not taken for a line."""
        data = b"x" * LONGEST + b"\nend msg 5\n" + b"y" * (3 * LONGEST) + b"end msg 6\nend msg 7\n" + b"z" * 200000
        for step in (1000, LONGEST, 1 << 20):
            told = self.read(data, step)
            self.assertEqual([line[:9] for line in told if line[:3] == b"end"], [b"end msg 5", b"end msg 7"], step)
            self.assertLessEqual(max(map(len, told)), max(LONGEST, 3 * LONGEST + 9 if step > LONGEST else 0))


class TimeTests(SynchronousTestCase):
    """Stamps in local time."""

    def test_year(self) -> None:
        """A stamp without a year is of this year, or of the last one if it would be to come."""
        now = time.mktime((2026, 2, 1, 12, 0, 0, 0, 0, -1))
        read = sources.local_time(now)
        self.assertEqual(read(b"Feb  1 11:59:00"), now - 60)
        self.assertEqual(read(b"Dec 31 12:00:00"), time.mktime((2025, 12, 31, 12, 0, 0, 0, 0, -1)))
        self.assertEqual(read(b"2026-02-01 11:59:00.25"), now - 59.75)

    def test_none(self) -> None:
        """What is no time is none."""
        read = sources.local_time(0.0)
        for text in (b"Foo 30 04:45:01", b"Nov 99 04:45:01", b"Nov  0 04:45:01", b"Nov 30 99:99:99",
                     b"2026-99-99 04:45:01", b"0000-00-00 00:00:00"):
            self.assertIsNone(read(text), text)
