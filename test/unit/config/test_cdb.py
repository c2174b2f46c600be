"""The constant database is written byte for byte as the original and read without trust."""

from __future__ import annotations

import os
import random

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.cdb import CdbError, Reader, hash_of, make, records

SAMPLE = [(b"one", b"1"), (b"two", b"2"), (b"one", b"other"), (b"", b"empty"), (b"nothing", b"")]


class MakeTests(SynchronousTestCase):
    """Writing."""

    def test_hash(self) -> None:
        """The hash begins at 5381 and takes each byte times 33, exclusive or."""
        self.assertEqual(hash_of(b""), 5381)
        self.assertEqual(hash_of(b"a"), (5381 * 33) ^ 0x61)
        self.assertEqual(hash_of(b"\xff" * 100) >> 32, 0)

    def test_empty(self) -> None:
        """A database without records is 256 empty tables, each placed where it would have stood."""
        self.assertEqual(make([]), (b"\0\x08\0\0" + bytes(4)) * 256)

    def test_layout(self) -> None:
        """One record, then its table of two slots; tables after it stand behind, those before it in front."""
        image = make([(b"", b"xyz")])
        self.assertEqual(image[2048:2059], b"\0\0\0\0\x03\0\0\0xyz")
        at = 2059
        # the empty key has hash 0x1505: table 5, slot 0x15 of 2
        self.assertEqual(image[5 * 8 : 6 * 8], at.to_bytes(4, "little") + b"\x02\0\0\0")
        self.assertEqual(image[at:], bytes(8) + b"\x05\x15\0\0\0\x08\0\0")
        self.assertEqual(image[:8], at.to_bytes(4, "little") + bytes(4))
        self.assertEqual(image[255 * 8 : 2048], (at + 16).to_bytes(4, "little") + bytes(4))

    def test_records_come_back_in_order(self) -> None:
        """All records can be listed, equal keys included."""
        self.assertEqual(list(records(make(SAMPLE))), SAMPLE)


class ReadTests(SynchronousTestCase):
    """Looking up."""

    def test_found_and_not_found(self) -> None:
        """The first of equal keys is found; an unknown key is not."""
        reader = Reader(make(SAMPLE))
        self.assertEqual(reader.get(b"one"), b"1")
        self.assertEqual(reader.get(b""), b"empty")
        self.assertEqual(reader.get(b"nothing"), b"")
        self.assertIsNone(reader.get(b"three"))

    def test_many(self) -> None:
        """Every one of thousands of keys is found, whatever slots they share."""
        chance = random.Random(7)
        entries = {b"%d" % chance.randrange(10**6): b"%d" % number for number in range(3000)}
        reader = Reader(make(entries.items()))
        for key, data in entries.items():
            self.assertEqual(reader.get(key), data)
        self.assertIsNone(reader.get(b"x"))

    def test_file(self) -> None:
        """A file is read in place and closed with the reader, which may be closed again."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(make(SAMPLE))
        with Reader.open(path) as reader:
            self.assertEqual(reader.get(b"two"), b"2")
        reader.close()
        self.assertRaises(CdbError, reader.get, b"two")

    def test_missing_file(self) -> None:
        """A file that does not exist is no damage."""
        self.assertRaises(FileNotFoundError, Reader.open, self.mktemp())

    def test_directory(self) -> None:
        """A directory in place of the file is damage."""
        path = self.mktemp()
        os.mkdir(path)
        with Reader.open(path) as reader:
            self.assertRaises(CdbError, reader.get, b"x")

    def test_truncated(self) -> None:
        """Wherever a file was cut, looking up either works or says that it is damaged."""
        image = make(SAMPLE)
        for length in range(len(image)):
            try:
                self.assertEqual(Reader(image[:length]).get(b"one"), b"1")
            except CdbError:
                continue
        for length in (0, 3, 7):
            self.assertRaises(CdbError, Reader(image[:length]).get, b"one")

    def test_truncated_while_open(self) -> None:
        """A file that is truncated under an open reader is damage, not the end of the process."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(make(SAMPLE))
        with Reader.open(path) as reader:
            os.truncate(path, 3)
            self.assertRaises(CdbError, reader.get, b"one")

    def test_absurd_lengths(self) -> None:
        """A length that leads beyond the file is damage and costs no memory."""
        image = bytearray(make([(b"", b"xyz")]))
        image[2052:2056] = b"\xff\xff\xff\xff"
        self.assertRaises(CdbError, Reader(bytes(image)).get, b"")

    def test_full_table_of_strangers(self) -> None:
        """A table without a free slot ends the search."""
        image = bytearray(make([(b"", b"xyz")]))
        image[2059:2067] = b"\x01\0\0\0\x00\x08\0\0"
        image[2067:2071] = b"\x02\0\0\0"
        self.assertIsNone(Reader(bytes(image)).get(b""))
