"""Netstrings, whole, in pieces, and wrong."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.netstring import BAD, TOO_LONG, NetstringError, Netstrings, netstring, size_of


def reader(data: bytes) -> Netstrings:
    """Make a reader to which so much has come."""
    strings = Netstrings()
    strings.add(data)
    return strings


class WriteTests(SynchronousTestCase):
    """How a netstring is written."""

    def test_write(self) -> None:
        """Length, colon, bytes, comma."""
        self.assertEqual([netstring(b""), netstring(b"hello,")], [b"0:,", b"6:hello,,"])

    def test_size(self) -> None:
        """The size of a netstring can be told from its length."""
        for length in (0, 9, 10, 1000):
            self.assertEqual(size_of(length), len(netstring(b"x" * length)))


class StringTests(SynchronousTestCase):
    """Strings that are read whole."""

    def test_two(self) -> None:
        """One after the other is given, then None until more comes."""
        strings = reader(b"2:a,,0:,1:")
        self.assertEqual([strings.string(9), strings.string(9), strings.string(9)], [b"a,", b"", None])
        strings.add(b"x")
        self.assertIsNone(strings.string(9))
        strings.add(b",")
        self.assertEqual(strings.string(9), b"x")
        self.assertTrue(strings.is_empty)

    def test_too_long_for_us(self) -> None:
        """Of a longer string than wanted one byte more is given, and the rest is not kept."""
        strings = reader(b"1000000:")
        for _ in range(100):
            strings.add(b"x" * 10000)
            self.assertIsNone(strings.string(5))
        self.assertTrue(strings.is_empty)
        strings.add(b",1:y,")
        self.assertEqual([strings.string(5), strings.string(5)], [b"xxxxxx", b"y"])

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.binary(max_size=30), max_size=6), st.lists(st.integers(1, 7), min_size=1, max_size=9))
    def test_any_cut(self, wanted: list[bytes], sizes: list[int]) -> None:
        """Wherever the bytes are cut, the same strings come out."""
        data = b"".join(map(netstring, wanted))
        strings, found, at = Netstrings(), [], 0
        while at < len(data):
            size = sizes[at % len(sizes)]
            strings.add(data[at : at + size])
            at += size
            while (one := strings.string(12)) is not None:
                found.append(one)
        self.assertEqual(found, [one[:13] for one in wanted])


class PieceTests(SynchronousTestCase):
    """A string that is read in pieces."""

    def test_pieces(self) -> None:
        """What has come is given at once, never more than the string has."""
        strings = reader(b"5:ab")
        self.assertEqual((strings.begin(), strings.piece(), strings.piece(), strings.left), (5, b"ab", b"", 3))
        strings.add(b"cde,1:")
        self.assertEqual((strings.piece(1), strings.piece(), strings.left), (b"c", b"de", 0))
        self.assertTrue(strings.end())
        self.assertFalse(strings.is_empty)

    def test_comma_later(self) -> None:
        """The comma may come later; anything else is wrong."""
        strings = reader(b"1:x")
        strings.begin()
        strings.piece()
        self.assertFalse(strings.end())
        strings.add(b";")
        self.assertEqual(self.assertRaises(NetstringError, strings.end).code, BAD)


class LengthTests(SynchronousTestCase):
    """What is a length."""

    def wrong(self, data: bytes, code: int) -> None:
        """Expect this code, at once and when the bytes come one by one."""
        self.assertEqual(self.assertRaises(NetstringError, reader(data).begin).code, code, data)
        strings = Netstrings()

        def one_by_one() -> None:
            """Read after each byte."""
            for byte in data:
                strings.add(bytes([byte]))
                strings.begin()

        self.assertEqual(self.assertRaises(NetstringError, one_by_one).code, code, data)

    def test_no_number(self) -> None:
        """Q05: signs, blanks, letters, other digits and nothing at all are wrong, as soon as they come."""
        for data in (b"-1:", b"+5:", b" 5:", b"1a:", b"0x10:", b":", b"5 :", b"x", "\uff15:".encode(), b"\0"):
            self.wrong(data, BAD)

    def test_leading_zero(self) -> None:
        """Q02: a zero in front is wrong; zero itself is not."""
        for data in (b"016:", b"00:", b"00"):
            self.wrong(data, BAD)
        self.assertEqual(reader(b"0:").begin(), 0)

    def test_too_long(self) -> None:
        """Q9: a tenth digit is too much after 200000001, and an eleventh always."""
        self.assertEqual(reader(b"2000000009:").begin(), 2000000009)
        for data in (b"9999999999:", b"2000000010:", b"2000000011", b"12345678901"):
            self.wrong(data, TOO_LONG)

    def test_not_yet(self) -> None:
        """A length that may become one is waited for."""
        for data in (b"", b"0", b"1", b"999999999"):
            self.assertIsNone(reader(data).begin())


class NestedTests(SynchronousTestCase):
    """Strings in a string."""

    def inside(self, data: bytes) -> Netstrings:
        """Enter the string with which ``data`` begins."""
        strings = reader(data)
        strings.begin()
        strings.enter()
        return strings

    def test_strings_inside(self) -> None:
        """They are read until the outer one is used up, then its comma is."""
        strings = self.inside(b"7:1:a,0:,,1:z,")
        found = []
        while strings.has_more:
            found.append(strings.string(9))
        self.assertEqual((found, strings.is_inside, strings.leave()), ([b"a", b""], True, True))
        self.assertEqual((strings.is_inside, strings.string(9)), (False, b"z"))

    def test_nothing_inside(self) -> None:
        """An empty string has no strings inside; its comma may come later."""
        strings = self.inside(b"0:")
        self.assertEqual((strings.has_more, strings.leave()), (False, False))
        strings.add(b",")
        self.assertTrue(strings.leave())

    def test_does_not_fit(self) -> None:
        """Q13: a string inside that would end with or behind the outer one is wrong when its length is known."""
        for data in (b"3:1:a", b"4:2:ab,,", b"2:0:,", b"1:0", b"2:10", b"5:1:a,2", b"4:1:a,1:b,"):
            strings = self.inside(data)

            def read(strings: Netstrings = strings) -> None:
                """Read all."""
                while strings.has_more and strings.string(9) is not None:
                    pass
                strings.leave()

            self.assertEqual(self.assertRaises(NetstringError, read).code, BAD, data)

    def test_nothing_where_something_must_be(self) -> None:
        """A string that must be inside but has no room is wrong at once."""
        self.assertEqual(self.assertRaises(NetstringError, self.inside(b"0:").begin).code, BAD)
