"""The lines of .qmail files."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user.instructions import (
    FORWARD,
    FORWARDS_ONLY,
    MAILDIR,
    MBOX,
    PROGRAM,
    BlankFirstLine,
    instructions,
)


def read(text: bytes) -> list[tuple[str, bytes]]:
    """The instructions in a text, as plain pairs."""
    return [tuple(each) for each in instructions(text)]


class InstructionsTests(SynchronousTestCase):
    """What each line means (edge-local 6)."""

    def test_kinds(self) -> None:
        """The first byte says what a line is; blanks at its end do not count (L3)."""
        text = b"# c\n|echo hi\n&a@b\nc@d \t\n./mbox\n/abs/dir/\n\n+list\n"
        self.assertEqual(read(text), [
            (PROGRAM, b"echo hi"), (FORWARD, b"a@b"), (FORWARD, b"c@d"), (MBOX, b"./mbox"),
            (MAILDIR, b"/abs/dir/"), (FORWARDS_ONLY, b"")])

    def test_blank_first_line(self) -> None:
        """A first line that is empty, of blanks only, or begins with a NUL stops everything (L5)."""
        for text in (b"", b"\n", b" \t\n&a@b\n", b"\n./Mailbox\n", b"\0./Mailbox\n"):
            self.assertRaises(BlankFirstLine, read, text)

    def test_blank_later(self) -> None:
        """Other blank lines say nothing."""
        self.assertEqual(read(b"#\n\n \t \n\0&no@no\n&a@b\n\n"), [(FORWARD, b"a@b")])

    def test_only_a_comment(self) -> None:
        """A comment alone is no instruction, and no blank line either (L4)."""
        self.assertEqual(read(b"#only"), [])

    def test_no_final_newline(self) -> None:
        """The last line needs no line feed."""
        self.assertEqual(read(b"&a@b"), [(FORWARD, b"a@b")])

    def test_carriage_return_stays(self) -> None:
        """A carriage return is part of the line, so a DOS file names other mailboxes (L31)."""
        self.assertEqual(read(b"./Mailbox\r\n"), [(MBOX, b"./Mailbox\r")])
        self.assertEqual(read(b"./Maildir/\r\n"), [(MBOX, b"./Maildir/\r")])

    def test_literal_addresses(self) -> None:
        """Addresses are not parsed: blanks in front stay, and an empty one is one."""
        self.assertEqual(read(b"& z@w\n&\nJoe <j@x>\n"),
                         [(FORWARD, b" z@w"), (FORWARD, b""), (FORWARD, b"Joe <j@x>")])

    def test_plus(self) -> None:
        """Of the lines with a plus only +list means anything."""
        self.assertEqual(read(b"#\n+lists\n+\n+ list\n+list \t\n"), [(FORWARDS_ONLY, b"")])

    def test_nul_ends_a_line(self) -> None:
        """What is delivered to ends at a NUL; whether it is a Maildir is judged by the whole line (L07)."""
        self.assertEqual(read(b"./md/\0x\n./mbox\0/\n|echo\0 hi\n&a@b\0c\n"),
                         [(MBOX, b"./md/"), (MAILDIR, b"./mbox"), (PROGRAM, b"echo"), (FORWARD, b"a@b")])

    def test_eight_bits(self) -> None:
        """Any other byte passes as it is."""
        self.assertEqual(read("|grüße\n./Entwürfe\n".encode("latin-1")),
                         [(PROGRAM, b"gr\xfc\xdfe"), (MBOX, b"./Entw\xfcrfe")])

    def test_long_lines_and_many_lines(self) -> None:
        """Neither a line of a megabyte nor 100000 lines are too much (L07)."""
        self.assertEqual(read(b"|" + b"x" * (1 << 20)), [(PROGRAM, b"x" * (1 << 20))])
        self.assertEqual(len(read(b"&a@b\n" * 100000)), 100000)

    @settings(max_examples=200, derandomize=True, deadline=None)
    @given(st.binary(max_size=60))
    def test_any_text(self, text: bytes) -> None:
        """Any text has a meaning, and none of it holds a line feed or NUL."""
        try:
            found = read(text)
        except BlankFirstLine:
            return
        for _, what in found:
            self.assertNotIn(b"\n", what)
            self.assertNotIn(b"\0", what)
