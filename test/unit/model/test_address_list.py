"""Address lists are read from right to left, and written so that they are read the same again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.address_list import (
    AT,
    ATOM,
    COMMA,
    COMMENT,
    DOT,
    LITERAL,
    QUOTE,
    SEMICOLON,
    Unparsable,
    parse,
    rewrite_field,
    unparse,
    unquote,
)

#: text that is more often a list than not
LISTS = some.lists(
    some.sampled_from(
        [b"a", b"joe", b"@", b".", b", ", b",", b"<", b">", b":", b";", b" ", b"+", b"\\", b"g: ", b"<a@b>"]
        + [b"(", b")", b"(c)", b'"', b'"q r"', b"[", b"]", b"[1.2]", b"[]"]
        + [b"\n ", b"\n", b"\r", b"\t", b"\0", b"\x01", b"\xe9"]
    )
).map(b"".join)


def grouped(text: bytes) -> tuple[bytes, list[bytes]]:
    """Group the list in a To field; give the written field and the addresses in the order they are met."""
    met: list[bytes] = []

    def note(address: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Leave the address as it is."""
        met.append(unquote(address))
        return address

    return rewrite_field(b"To: " + text + b"\n", note), met


class ParseTests(SynchronousTestCase):
    """From bytes to tokens."""

    def test_specials_and_blanks(self) -> None:
        """Each special character is a token; blanks are none."""
        self.assertEqual(parse(b" a\t@ b.c \r\n"), [(ATOM, b"a"), AT, (ATOM, b"b"), DOT, (ATOM, b"c")])
        self.assertEqual("".join(kind for kind, _ in parse(b".,@<>:;")), ".,@<>:;")

    def test_comments_nest(self) -> None:
        """Inner parentheses are dropped, escaped ones stay."""
        self.assertEqual(parse(b"(a (b) \\(c\\))"), [(COMMENT, b"a b (c)")])

    def test_quotes_and_literals(self) -> None:
        """A backslash takes the byte after it as it is; literals do not nest."""
        self.assertEqual(parse(b'"a\\"b (c"'), [(QUOTE, b'a"b (c')])
        self.assertEqual(parse(b"[a[b\\]c]"), [(LITERAL, b"a[b]c")])

    def test_atoms(self) -> None:
        """A backslash does not end an atom and vanishes; parentheses end it on the left only."""
        self.assertEqual(parse(b"a\\ b"), [(ATOM, b"a b")])
        self.assertEqual(parse(b"a(b)"), [(ATOM, b"a"), (COMMENT, b"b")])
        self.assertEqual(parse(b"a\\"), [(ATOM, b"a")])

    def test_atoms_that_need_quotes(self) -> None:
        """An atom with a control byte, an 8-bit byte, a closing bracket or a backslash is a quoted string."""
        for text, plain in ((b"a)b", b"a)b"), (b"a]", b"a]"), (b"\xe9", b"\xe9"), (b"a\x01", b"a\x01"),
                            (b"a\\\\b", b"a\\b")):
            self.assertEqual(parse(text), [(QUOTE, plain)])

    def test_failures(self) -> None:
        """What is not closed, and what closes nothing, is told with the whole text."""
        for text in (b"a (b", b'a "b', b"a [b", b"a )", b"]", b"(a\\)", b'"\\'):
            self.assertEqual(self.assertRaises(Unparsable, parse, text).text, text)


class RegroupTests(SynchronousTestCase):
    """From tokens to addresses."""

    def test_order(self) -> None:
        """The last address is met first."""
        self.assertEqual(grouped(b"a, b@c, d")[1], [b"d", b"b@c", b"a"])

    def test_missing_commas(self) -> None:
        """Two words in a row are two addresses, and a comma is put between them."""
        self.assertEqual(grouped(b"djb fred"), (b"To: djb, fred\n", [b"fred", b"djb"]))
        self.assertEqual(grouped(b"<a> b"), (b"To: <a>, b\n", [b"b", b"a"]))

    def test_brackets_in_a_row(self) -> None:
        """Two addresses in brackets are two addresses, but nothing is put between them."""
        self.assertEqual(grouped(b"<a> <b>"), (b"To: <a> <b>\n", [b"b", b"a"]))

    def test_comments_move_right(self) -> None:
        """A comment in or before an address is written after it."""
        self.assertEqual(grouped(b"(c) a . (d) b")[0], b"To: a.b (c) (d)\n")

    def test_names_stay(self) -> None:
        """What describes an address in brackets is written as it was."""
        self.assertEqual(grouped(b'Joe "X" U. <d@e> (c)'), (b'To: Joe "X" U. <d@e>(c)\n', [b"d@e"]))

    def test_groups(self) -> None:
        """The name of a group stays, its members are addresses, an empty group has none."""
        self.assertEqual(grouped(b"a, g h: x, y;, b"), (b"To: a, g h: x, y;, b\n", [b"b", b"y", b"x", b"a"]))
        self.assertEqual(grouped(b"nobody: ;"), (b"To: nobody: ;\n", []))

    def test_empty_brackets(self) -> None:
        """An empty address in brackets is an address."""
        self.assertEqual(grouped(b"<>"), (b"To: <>\n", [b""]))

    def test_nothing_and_commas(self) -> None:
        """A list may be empty, and commas may have nothing between them."""
        self.assertEqual(grouped(b""), (b"To:\n", []))
        self.assertEqual(grouped(b",,"), (b"To: , ,\n", []))

    def test_failures(self) -> None:
        """Groups that nest, begin or never began, and half a pair of brackets on the right, are no list."""
        for text in (b"a: b: c;;", b"foo:bar", b"a; b; c", b"a>"):
            self.assertEqual(self.assertRaises(Unparsable, grouped, text).text, b"To: " + text + b"\n")

    def test_stray_left_bracket(self) -> None:
        """A stray bracket on the left is part of the address."""
        self.assertEqual(grouped(b"a<b")[1], [b"a<b"])


class WriteTests(SynchronousTestCase):
    """From tokens to bytes."""

    def test_unquote(self) -> None:
        """The envelope form has no quotes and no comments; literals keep their brackets."""
        self.assertEqual(unquote(parse(b'"a b" (c) @ [1.2]')), b"a b@[1.2]")

    def test_spaces(self) -> None:
        """One space stands after colon and comma, before a bracket, and between words."""
        self.assertEqual(unparse(parse(b"a:b,c<d>e(f)[g]\"h\";.@")), b'a: b, c <d>e (f) [g] "h";.@\n')

    def test_escapes(self) -> None:
        """Quotes, brackets, parentheses, backslashes, CR and continued LF get a backslash in every word."""
        text = b'"[]()\\\r\n x'
        escaped = b'\\"\\[\\]\\(\\)\\\\\\\r\\\n x'
        self.assertEqual(unparse([(QUOTE, text)]), b'"' + escaped + b'"\n')
        self.assertEqual(unparse([(COMMENT, text)]), b"(" + escaped + b")\n")
        self.assertEqual(unparse([(LITERAL, text)]), b"[" + escaped + b"]\n")
        self.assertEqual(unparse([(ATOM, text)]), escaped + b"\n")

    def test_line_end_that_would_begin_a_field(self) -> None:
        """A line end in a word is written as an underscore unless a blank follows."""
        self.assertEqual(unparse([(QUOTE, b"a\nBcc: b\n")]), b'"a_Bcc: b_"\n')
        self.assertEqual(unparse([(QUOTE, b"a\n\nb\n\tc")]), b'"a__b\\\n\tc"\n')

    def test_folding(self) -> None:
        """A line of 78 characters is kept, at 79 what follows the comma moves to a line of its own."""
        head, long = b"To: aaa,", b"b" * 69
        self.assertEqual(unparse(parse(head + long)), head + b" " + long + b"\n")
        self.assertEqual(unparse(parse(head + long + b"b")), head + b"\n  " + long + b"b\n")

    def test_folding_of_folded_lines(self) -> None:
        """The two spaces of a continued line count; the last comma of a line counts."""
        head, part = b"To: " + b"x" * 70 + b",", b"b" * 36
        fits, too_long = part + b"cc", part + b"cc,"
        self.assertEqual(unparse(parse(head + part + b"," + fits)), head + b"\n  %s, %s\n" % (part, fits))
        self.assertEqual(
            unparse(parse(head + part + b"," + too_long)), head + b"\n  %s,\n  %s\n" % (part, too_long)
        )

    def test_long_words_are_never_broken(self) -> None:
        """Folding happens only after commas."""
        word = b"x" * 200
        text = b"%s %s,%s" % (word, word, word)
        self.assertEqual(unparse(parse(text)), b"%s %s,\n  %s\n" % (word, word, word))

    def test_nothing(self) -> None:
        """No tokens are an empty line."""
        self.assertEqual(unparse([]), b"\n")


class PropertyTests(SynchronousTestCase):
    """What holds for every text."""

    @settings(derandomize=True, database=None, deadline=None, max_examples=400)
    @given(LISTS)
    def test_written_form_is_stable(self, text: bytes) -> None:
        """A list that was written once is read as the same addresses and written as the same bytes.

        Backslashes outside of quotes are an exception in 1.02: ``\\,`` becomes an atom that is written as a comma.
        """
        try:
            once, addresses = grouped(text.replace(b"\\", b""))
        except Unparsable:
            return
        again, same = grouped(once[4:-1])
        self.assertEqual(again, once)
        if b"_" not in once:
            self.assertEqual(same, addresses)

    @settings(derandomize=True, database=None, deadline=None, max_examples=300)
    @given(some.binary(max_size=60))
    def test_any_bytes(self, text: bytes) -> None:
        """Any bytes are a list or are no list; there is no third possibility."""
        try:
            grouped(text)
        except Unparsable as unparsable:
            self.assertEqual(unparsable.text, b"To: " + text + b"\n")

    @settings(derandomize=True, database=None, deadline=None, max_examples=400)
    @given(LISTS)
    def test_one_field_stays_one(self, text: bytes) -> None:
        """Whatever a list holds, every line but the first begins with a blank."""
        try:
            field, _ = grouped(text)
        except Unparsable:
            return
        self.assertTrue(field.endswith(b"\n"))
        for line in field[:-1].split(b"\n")[1:]:
            self.assertIn(line[:1], (b" ", b"\t"))

    def test_ten_thousand_addresses(self) -> None:
        """Long lists take time in proportion to their length."""
        many = b", ".join(b"Joe User %d (x) <u%d@h%d.example.org>" % (at, at, at) for at in range(10000))
        field, addresses = grouped(many)
        self.assertEqual(len(addresses), 10000)
        self.assertLessEqual(max(map(len, field.split(b"\n"))), 78)

    def test_deep_comments(self) -> None:
        """Comments may nest deeper than a stack would bear."""
        deep = b"(" * 100000 + b")" * 100000
        self.assertEqual(grouped(b"a " + deep)[1], [b"a"])

    def test_comma_and_group_tokens_are_shared(self) -> None:
        """Special characters are single objects, so that long lists stay small in memory."""
        self.assertIs(parse(b"a,")[1], COMMA)
        self.assertIs(parse(b";")[0], SEMICOLON)
