"""The text of a message on its way in: against qmail's own table of states, cut in every way."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.smtp_body import Body
from test.kit.smtp import by_table


def by_body(pieces: list[bytes]) -> tuple[bytes, str, bytes]:
    """Feed pieces to a Body; give the same three."""
    body = Body()
    stored = b""
    for number, piece in enumerate(pieces):
        stored += body.feed(piece)
        if body.has_bare_lf:
            return b"", "bare LF", b""
        if body.ended:
            assert body.size == len(stored)
            return stored, "end", body.rest + b"".join(pieces[number + 1 :])
    return stored, "more", b""


class BodyTests(SynchronousTestCase):
    """What is stored of a message, and where it ends."""

    def check(self, data: bytes, pieces: list[bytes]) -> None:
        """Compare with the table. Of an unfinished message up to four bytes may still be held back."""
        wanted = by_table(data)
        found = by_body(pieces)
        if wanted[1] == "more":
            self.assertEqual(found[1], "more", data)
            whole = by_body([*pieces, b"\r\n.\r\n"])
            self.assertEqual(whole, by_table(data + b"\r\n.\r\n"), data)
        else:
            self.assertEqual(found, wanted, data)

    def test_all_short_texts(self) -> None:
        """Every text of up to six symbols gives what qmail's table gives, whole and byte by byte."""
        for length in range(7):
            for symbols in product((b"\r", b"\n", b".", b"x"), repeat=length):
                data = b"".join(symbols)
                self.check(data, [data])
                self.check(data, list(symbols))

    @settings(derandomize=True, max_examples=2000, deadline=None)
    @given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\0", b"\r\n", b"\r\n.", b"\r\n.\r\n"]), max_size=30))
    def test_any_cut(self, pieces: list[bytes]) -> None:
        """Wherever the input is cut, the result is that of the table."""
        self.check(b"".join(pieces), pieces)

    def test_cr_before_end_is_kept(self) -> None:
        """CR CR LF stores CR LF, and a dot between bare CRs is not the end."""
        self.assertEqual(by_body([b"a\r\r\n.\r\r\nb\r\n.\r\nrest"]), (b"a\r\n.\r\nb\n", "end", b"rest"))

    def test_holds_back_at_most_four_bytes(self) -> None:
        """Of a segment all but the last four bytes come out at once."""
        for tail, held in ((b"", 0), (b"\r", 1), (b"\r\n", 2), (b"\r\n.", 3), (b"\r\n.\r", 4)):
            self.assertEqual(len(Body().feed(b"x" * 100 + tail)), 100 + len(tail) - held)

    def test_bare_lf_after_the_end_is_not_of_this_message(self) -> None:
        """What follows the end is not looked at."""
        self.assertEqual(by_body([b"x\r\n.\r\nNOOP\n"]), (b"x\n", "end", b"NOOP\n"))


class HopTests(SynchronousTestCase):
    """Counting where a message has been."""

    def hops(self, data: bytes, step: int) -> int:
        """Count the hops of a message that comes in pieces of so many bytes."""
        body = Body()
        for at in range(0, len(data), step):
            body.feed(data[at : at + step])
        return body.hops

    def test_hops_are_the_same_for_any_cut(self) -> None:
        """Lines that begin with received or delivered count up to the first empty line, however they are cut."""
        header = b"Received: a\r\nX: received\r\n received\r\nDELIVEREDx\r\nreceive\r\n.received\r\nReceived\r\n"
        data = header + b"\r\nReceived: b\r\n"
        for step in range(1, len(data) + 1):
            self.assertEqual(self.hops(data, step), 3, step)

    def test_no_header(self) -> None:
        """A message that begins with an empty line has no header."""
        for step in range(1, 20):
            self.assertEqual(self.hops(b"\r\nReceived: b\r\n", step), 0)

    def test_empty_line_is_two_line_ends(self) -> None:
        """A line of blanks, or with a CR, does not end the header."""
        for step in range(1, 30):
            self.assertEqual(self.hops(b"a: b\r\n \r\n\r\r\nReceived: b\r\n", step), 1)
