"""A header ends where qmail says it ends, however the message is cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.header import HeaderReader, HeaderTooLong, field_name


def cut(text: bytes, piece: int = 65536, limit: int = 1 << 20) -> tuple[list[bytes], bytes]:
    """Read a message in pieces of one size; give its fields and all of its body."""
    reader = HeaderReader(limit)
    rest = b""
    for at in range(0, len(text), piece):
        if reader.ended:
            rest += text[at : at + piece]
        else:
            reader.received(text[at : at + piece])
    reader.finished()
    return reader.fields(), reader.body + rest


class FieldNameTests(SynchronousTestCase):
    """What begins a field."""

    def test_names_are_given_in_small_letters(self) -> None:
        """The case of a name does not matter, nor do blanks before the colon."""
        for line in (b"To: a\n", b"tO : a\n", b"TO\t :\n", b"to:"):
            self.assertEqual(field_name(line), b"to")

    def test_bytes_of_a_name(self) -> None:
        """A name may have every byte from 33 to 126 but the colon."""
        self.assertEqual(field_name(b"!~#[]{}\"(: x"), b'!~#[]{}"(')

    def test_no_field(self) -> None:
        """Without name or colon, or with blanks and strange bytes in the name, a line begins no field."""
        for line in (b"", b"\n", b":\n", b" :\n", b"a b: c\n", b"abc\n", b"a\x7f: x\n", b"\xe9: x\n", b" x:"):
            self.assertEqual(field_name(line), b"", line)


class HeaderReaderTests(SynchronousTestCase):
    """Where fields begin and where the header ends."""

    def test_fields_and_body(self) -> None:
        """Continuation lines, even blank ones, belong to their field; the empty line belongs to the body."""
        text = b"A: 1\nB: 2\n \n\tmore\n\nbody\nC: 3\n"
        self.assertEqual(cut(text), ([b"A: 1\n", b"B: 2\n \n\tmore\n"], b"\nbody\nC: 3\n"))

    def test_line_that_is_no_field(self) -> None:
        """Another line ends the header; an empty line is put before it."""
        self.assertEqual(cut(b"To: a\nno header\nTo: b\n"), ([b"To: a\n"], b"\nno header\nTo: b\n"))

    def test_blank_at_the_very_beginning(self) -> None:
        """A first line that begins with a blank leaves the header empty."""
        self.assertEqual(cut(b" To: a\nTo: b\n"), ([], b"\n To: a\nTo: b\n"))

    def test_mbox_line(self) -> None:
        """A From_ line becomes a field, anywhere in the header; in the body it stays."""
        text = b"From joe Mon\nA: 1\nFrom x\n y\n\nFrom z\n"
        self.assertEqual(
            cut(text), ([b"MBOX-Line: From joe Mon\n", b"A: 1\n", b"MBOX-Line: From x\n y\n"], b"\nFrom z\n")
        )

    def test_end_in_header(self) -> None:
        """At the end of input no empty line is added, but a missing newline is."""
        self.assertEqual(cut(b""), ([], b""))
        self.assertEqual(cut(b"A: 1"), ([b"A: 1\n"], b""))
        self.assertEqual(cut(b"A: 1\n b"), ([b"A: 1\n b\n"], b""))
        self.assertEqual(cut(b"junk"), ([], b"\njunk\n"))

    def test_crlf_is_not_an_empty_line(self) -> None:
        """A line of CR alone is neither empty nor a field."""
        self.assertEqual(cut(b"A: 1\r\n\r\nx\n"), ([b"A: 1\r\n"], b"\n\r\nx\n"))

    def test_header_of_exactly_the_limit(self) -> None:
        """A header may be as long as the limit, not longer."""
        text = b"A: " + b"x" * 96 + b"\n"
        self.assertEqual(cut(text + b"\nbody\n", 7, 100), ([text], b"\nbody\n"))
        with self.assertRaises(HeaderTooLong):
            cut(b"y" + text + b"\n", 7, 100)

    def test_endless_field(self) -> None:
        """A field whose line never ends is refused once it is longer than the limit."""
        reader = HeaderReader(5000)
        with self.assertRaises(HeaderTooLong):
            for _ in range(100):
                reader.received(b"A: " + b"x" * 997)

    def test_endless_line_of_body(self) -> None:
        """A first line that never ends and is no field is given up as body, and not held."""
        reader = HeaderReader(5000)
        given = 0
        while not reader.ended:
            reader.received(b"x" * 1000)
            given += 1
        self.assertEqual(reader.body, b"\n" + b"x" * 1000 * given)
        self.assertLess(given, 8)

    def test_long_line_of_body_after_fields(self) -> None:
        """The same line after fields is body as well."""
        self.assertEqual(
            cut(b"A: 1\n" + b"x " * 9000 + b"\nB: 2\n", 1000, 5000),
            ([b"A: 1\n"], b"\n" + b"x " * 9000 + b"\nB: 2\n"),
        )

    @settings(derandomize=True, database=None, deadline=None, max_examples=200)
    @given(
        some.lists(
            some.sampled_from([b"A: 1", b"\n", b" ", b"\t", b":", b"From ", b"x", b"\r", b"\0", b"\xff"])
        ).map(b"".join),
        some.integers(1, 9),
    )
    def test_pieces_do_not_matter(self, text: bytes, piece: int) -> None:
        """Cut anywhere, a message has the same fields and the same body."""
        self.assertEqual(cut(text, piece), cut(text))

    @settings(derandomize=True, database=None, deadline=None, max_examples=200)
    @given(some.binary())
    def test_nothing_is_lost(self, text: bytes) -> None:
        """Fields and body together are the message, but for the names and the newlines that were added."""
        fields, body = cut(text)
        head = b"".join(fields).replace(b"MBOX-Line: ", b"")
        without_empty_line = head + body.removeprefix(b"\n")
        self.assertIn(text, (head + body, without_empty_line, (head + body)[:-1], without_empty_line[:-1]))
