"""Command lines cut out of a stream."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.lines import Endless, Lines, TooLong


class LinesTests(SynchronousTestCase):
    """What a line is, and how long it may be."""

    def test_line_ends(self) -> None:
        """A line ends at LF; one CR before it is dropped, any other stays."""
        lines = Lines(100, 1000)
        lines.add(b"a\r\nb\nc\r\r\n\r\n\nd\re\r\nrest")
        self.assertEqual([lines.line() for _ in range(7)], [b"a", b"b", b"c\r", b"", b"", b"d\re", None])
        self.assertEqual(lines.clear(), b"rest")
        self.assertEqual(len(lines), 0)

    def test_cut_anywhere(self) -> None:
        """A line may come in any pieces."""
        lines = Lines(100, 1000)
        found = []
        for byte in b"one\r\ntwo":
            lines.add(bytes([byte]))
            found.append(lines.line())
        self.assertEqual(found, [None, None, None, None, b"one", None, None, None])

    def test_longest_line(self) -> None:
        """A line of exactly the limit is given, a longer one is not, and the next is."""
        lines = Lines(5, 1000)
        lines.add(b"12345\r\n123456\r\n12345\n")
        self.assertEqual(lines.line(), b"12345")
        self.assertRaises(TooLong, lines.line)
        self.assertEqual(lines.line(), b"12345")

    def test_longest_line_byte_by_byte(self) -> None:
        """The same is true if the bytes come one by one."""
        found: list[bytes | None] = []
        lines = Lines(5, 1000)
        for byte in b"12345\r\n123456\r\nabc\r\n":
            lines.add(bytes([byte]))
            try:
                found.append(lines.line())
            except TooLong:
                found.append(b"too long")
        self.assertEqual([line for line in found if line is not None], [b"12345", b"too long", b"abc"])

    def test_long_line_is_not_kept(self) -> None:
        """Of a line that is too long nothing is kept but its length."""
        lines = Lines(5, 1000)
        for _ in range(10):
            lines.add(b"x" * 100)
            self.assertIsNone(lines.line())
        self.assertEqual(lines.clear(), b"")

    def test_endless_line(self) -> None:
        """A line that does not end within the patience is reported."""
        lines = Lines(5, 1000)
        lines.add(b"x" * 1001)
        self.assertRaises(Endless, lines.line)
