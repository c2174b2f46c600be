"""Tests: reading the envelope of a new message."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from qtwisted.schedule.plans import TodoReader, UnknownRecord


class Reader(TestCase):
    """todo/N, in pieces."""

    def test_cut_anywhere(self):
        """Wherever it is cut, the same comes out."""
        data = b"u1002\0p77\0Fs@x\0Ta@b\0T\0Tc@d\0Tlost"
        for size in range(1, len(data) + 1):
            reader, found = TodoReader(), []
            for at in range(0, len(data), size):
                found += reader.read(data[at : at + size])
            self.assertEqual(found, [(True, b"s@x"), (False, b"a@b"), (False, b""), (False, b"c@d")])
            self.assertEqual((reader.uid, reader.pid), (1002, 77))

    def test_numbers(self):
        """Of a number the leading digits count; without any it is 0."""
        for text, number in ((b"12x", 12), (b"x", 0), (b"", 0), (b"-1", 0)):
            reader = TodoReader()
            self.assertEqual(list(reader.read(b"u%s\0p%s\0" % (text, text))), [])
            self.assertEqual((reader.uid, reader.pid), (number, number))

    def test_unknown(self):
        """Another letter, or none, stops the reading; what came before is given."""
        for bad in (b"K", b"", b"t"):
            records = TodoReader().read(b"Fs\0%s\0Ta\0" % bad)
            self.assertEqual(next(records), (True, b"s"))
            self.assertRaises(UnknownRecord, next, records)
