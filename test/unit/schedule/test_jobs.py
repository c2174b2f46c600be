"""Tests: recipient files in memory, and their reader."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from qtwisted.schedule.jobs import Arrival, Job, Records


def read_all(records):
    """Read to the end."""
    found = []
    while (record := records.next()) is not None:
        found.append(record)
    return found


class Reading(TestCase):
    """Reading records."""

    DATA = b"Ta@b\0Dcc@d\0\0X\0Tlong@" + b"x" * 50 + b"\0Tpart"
    RECORDS = [
        (0, b"T", b"a@b"), (5, b"D", b"cc@d"), (11, b"", b""), (12, b"X", b""), (14, b"T", b"long@" + b"x" * 50)]

    def test_memory(self):
        """Offset, letter and address of each record come out; a partial last one does not."""
        self.assertEqual(read_all(Records(self.DATA, lambda count: b"", lambda: None)), self.RECORDS)

    def test_pieces(self):
        """Wherever the file is cut by reading, the same comes out."""
        for size in range(1, 30):
            pieces = [self.DATA[at : at + size] for at in range(0, len(self.DATA), size)] + [b""]
            self.assertEqual(read_all(Records(b"", lambda count, pieces=pieces: pieces.pop(0), print)), self.RECORDS)

    def test_trouble(self):
        """Trouble of the disk comes through."""

        def fail(count):
            """Fail."""
            raise OSError

        self.assertRaises(OSError, Records(b"T", fail, print).next)


class InMemory(TestCase):
    """A message that has just arrived."""

    def test_image(self):
        """Recipients are kept as their file will have them."""
        arrival = Arrival(7, b"s", 0, 0.0)
        self.assertTrue(arrival.is_settled())
        arrival.add(1, b"a@b")
        arrival.add(1, b"c@d")
        self.assertEqual(arrival.images, [None, b"Ta@b\0Tc@d\0"])
        self.assertFalse(arrival.is_settled())

    def test_files_take_over(self):
        """When its files count, a job goes by them."""
        arrival = Arrival(7, b"s", 0, 0.0)
        job = Job(7, 1, b"s", arrival)
        self.assertIs(job.arrival, arrival)
        arrival.cleaned = True
        self.assertIsNone(job.arrival)
