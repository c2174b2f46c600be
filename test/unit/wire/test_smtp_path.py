"""What follows MAIL and RCPT."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.address import quote
from qtwisted.model.reply import Reply
from qtwisted.wire.smtp_path import ADDRESS_MAX, Parameters, parse, parse_parameters


class ParseTests(SynchronousTestCase):
    """Taking an address out of an argument."""

    def address(self, argument: bytes) -> bytes | None:
        """Parse and give the address only."""
        parsed = parse(argument)
        return parsed and parsed[0]

    def test_rows(self) -> None:
        """Each argument gives this address."""
        for argument, wanted in (
            (b"FROM:<a@b>", b"a@b"),
            (b"<a@b", b"a@b"),
            (b"TO:<@x.y,@z:a@b>", b"a@b"),
            (b"TO:<@x>", b""),
            (b"TO:<@>:q>", b"q"),
            (b'TO:<"a>b"@c>', b"a>b@c"),
            (b"TO:<a\\>b@c>", b"a>b@c"),
            (b'TO:<"a\\"b"@c>', b'a"b@c'),
            (b'TO:<"a b"@c>', b"a b@c"),
            (b"TO:<a\\", b"a"),
            (b'TO:<"a@x>', b"a@x>"),
            (b"TO:Joe <a@b> foo", b"a@b"),
            (b"TO: a@b  x", b"a@b"),
            (b'TO: "a b"@c x', b"a b@c"),
            (b"TO:", b""),
            (b"", b""),
            (b"a@b", b""),
            (b"to:a:b", b"a:b"),
            (b"TO:<\xc3\xa4@\xff>", b"\xc3\xa4@\xff"),
        ):
            self.assertEqual(self.address(argument), wanted, argument)

    def test_length(self) -> None:
        """899 bytes are an address, 900 are not."""
        self.assertEqual(self.address(b"<" + b"x" * ADDRESS_MAX + b">"), b"x" * 899)
        self.assertIsNone(self.address(b"<" + b"x" * 900 + b">"))

    def test_length_counts_after_our_name_was_put_in(self) -> None:
        """The limit is for the address as it will be used."""
        parsed = parse(b"<" + b"x" * 895 + b"@[ip]>", lambda address: address.replace(b"[ip]", b"ab"))
        self.assertEqual(parsed, (b"x" * 895 + b"@ab", b""))
        self.assertIsNone(parse(b"<" + b"x" * 893 + b"@[ip]>", lambda address: address.replace(b"[ip]", b"abcdefg")))

    def test_nul_and_cr(self) -> None:
        """A NUL in the argument, or a CR in the address, is a syntax error."""
        self.assertIsNone(parse(b"<a\0b@c>"))
        self.assertIsNone(parse(b"<a@c> \0"))
        self.assertIsNone(parse(b"<a\rb@c>"))
        self.assertEqual(self.address(b"<a@c>\r"), b"a@c")

    def test_rest(self) -> None:
        """What follows an address in angle brackets is given, too."""
        self.assertEqual(parse(b"FROM:<a@b> SIZE=1"), (b"a@b", b" SIZE=1"))
        self.assertEqual(parse(b'FROM:<"a"@b> SIZE=1'), (b"a@b", b" SIZE=1"))
        self.assertEqual(parse(b"FROM:a@b SIZE=1"), (b"a@b", b""))

    @settings(derandomize=True, max_examples=500, deadline=None)
    @given(st.binary(max_size=60).filter(lambda text: not set(text) & set(b"\0\r\n@") and text))
    def test_quoted_comes_back(self, local: bytes) -> None:
        """An address that was quoted for the wire is read as what it was."""
        self.assertEqual(self.address(b"TO:<" + quote(local + b"@x.y") + b">"), local + b"@x.y")

    @settings(derandomize=True, max_examples=500, deadline=None)
    @given(st.binary(max_size=60))
    def test_anything(self, argument: bytes) -> None:
        """Whatever stands there, it is an address without NUL and CR, or none."""
        parsed = parse(argument)
        if parsed is not None:
            self.assertFalse(set(parsed[0]) & set(b"\0\r"))


class ParameterTests(SynchronousTestCase):
    """The parameters of MAIL."""

    def code(self, rest: bytes, limit: int = 0) -> int:
        """Give the code of the refusal, 250 if there is none."""
        found = parse_parameters(rest, limit)
        return found.code if isinstance(found, Reply) else 250

    def test_rows(self) -> None:
        """Each parameter is taken or refused with this code."""
        for rest, code in (
            (b" SIZE=10 BODY=8BITMIME", 250),
            (b" size=10 body=8bitmime", 250),
            (b" BODY=7BIT", 250),
            (b" AUTH=<>", 250),
            (b" AUTH=e+3Dmc2@example.com", 250),
            (b" SIZE=99999999999999999999", 552),
            (b" SIZE=" + b"9" * 2000, 552),
            (b" SIZE=-1", 501),
            (b" SIZE=1e3", 501),
            (b" SIZE=0x10", 501),
            (b" SIZE=", 501),
            (b" SIZE", 501),
            (b" SIZE=\xb2", 501),
            (b" AUTH=<", 501),
            (b" AUTH=", 501),
            (b" AUTH=a+0", 501),
            (b" AUTH=a+zz", 501),
            (b" BODY=", 501),
            (b" BODY=BINARYMIME", 555),
            (b" BODY=8BITMIME FOO=bar", 555),
            (b" SMTPUTF8", 555),
            (b" X=" + b"y" * 2000, 555),
        ):
            self.assertEqual(self.code(rest), code, rest)

    def test_size_limit(self) -> None:
        """A message announced as larger than the limit is refused before it comes."""
        self.assertEqual(parse_parameters(b" SIZE=1000", 1000), Parameters(1000))
        self.assertEqual(self.code(b" SIZE=1001", 1000), 552)
