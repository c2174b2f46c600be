"""Control files are read by qmail's rules."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import Control, ControlError, leading_number, listed


class ControlTests(SynchronousTestCase):
    """The four kinds of files."""

    def setUp(self) -> None:
        """Make a home with an empty control directory."""
        self.home = self.mktemp()
        os.makedirs(f"{self.home}/control")
        self.control = Control(self.home)

    def put(self, name: str, text: bytes) -> None:
        """Write a control file."""
        with open(self.control.path(name), "wb") as file:
            file.write(text)

    def test_line_is_the_first(self) -> None:
        """Only the first line counts; blanks at its end go, blanks at its start and CR stay."""
        self.put("smtpgreeting", b" foo.bar hello  \t\nsecond\n")
        self.assertEqual(self.control.line("smtpgreeting"), b" foo.bar hello")
        self.put("smtpgreeting", b"x\r\n")
        self.assertEqual(self.control.line("smtpgreeting"), b"x\r")

    def test_number_sign_has_no_meaning_in_a_line(self) -> None:
        """A line that looks like a comment is the value."""
        self.put("helohost", b"#comment\n")
        self.assertEqual(self.control.line("helohost"), b"#comment")

    def test_empty_file_is_a_value(self) -> None:
        """An empty file or an empty first line is the empty value, not the default."""
        for text in (b"", b"\n", b" \t\nx"):
            self.put("smtpgreeting", text)
            self.assertEqual(self.control.line("smtpgreeting", b"default"), b"")

    def test_missing_file_is_the_default(self) -> None:
        """A file that does not exist gives the default, none, or an empty mapping."""
        self.assertEqual(self.control.line("x", b"default"), b"default")
        self.assertIsNone(self.control.line("x"))
        self.assertIsNone(self.control.list("x"))
        self.assertIsNone(self.control.me())
        self.assertEqual(self.control.mapping("x"), {})
        self.assertEqual(self.control.integer("x", 7), 7)

    def test_missing_home_is_missing_files(self) -> None:
        """Without a control directory all files are missing."""
        self.assertIsNone(Control(self.home + "/nowhere").me())

    def test_integer_is_the_leading_digits(self) -> None:
        """What follows the digits does not count; a line that begins with no digit is as a missing file."""
        for text, number in ((b"12abc\n", 12), (b"0", 0), (b"007", 7), (b"4294967295\n", 4294967295)):
            self.put("databytes", text)
            self.assertEqual(self.control.integer("databytes", 5), number)
        for text in (b" 10", b"-5", b"", b"abc", b"+3", b"\n10"):
            self.put("databytes", text)
            self.assertEqual(self.control.integer("databytes", 5), 5)

    def test_list(self) -> None:
        """Comments and empty lines are dropped, leading blanks belong to the entry, the last LF may be missing."""
        self.put("locals", b"# c\n a.b \n\nc.d\t\n \t\nf")
        self.assertEqual(self.control.list("locals"), [b" a.b", b"c.d", b"f"])

    def test_list_keeps_carriage_returns(self) -> None:
        """A file with CRLF does not work, as in 1.02."""
        self.put("locals", b"a.b\r\n")
        self.assertEqual(self.control.list("locals"), [b"a.b\r"])

    def test_empty_list_is_a_value(self) -> None:
        """A file without entries is an empty list, not the default."""
        self.put("locals", b"#\n")
        self.assertEqual(self.control.list("locals"), [])

    def test_list_knows_its_lines(self) -> None:
        """Each entry can be found in the file again."""
        self.put("relayclients", b"# c\n\n10.\nx\n")
        self.assertEqual(self.control.numbered("relayclients"), [(3, b"10."), (4, b"x")])
        self.assertEqual(listed(b"a\n\nb"), [(1, b"a"), (3, b"b")])

    def test_mapping(self) -> None:
        """Keys end at the first colon and are folded; the last of equal keys wins; others are no entries."""
        self.put("virtualdomains", b"Dup.example:joe-1\ndup.EXAMPLE:Joe-2\nnocolon\n:all:x\nexc:\n")
        expected = {b"dup.example": b"Joe-2", b"": b"all:x", b"exc": b""}
        self.assertEqual(self.control.mapping("virtualdomains"), expected)

    def test_unreadable_file_is_an_error(self) -> None:
        """A file that exists but cannot be read is not missing; the error names it in qmail's words."""
        os.mkdir(self.control.path("locals"))
        error = self.assertRaises(ControlError, self.control.list, "locals")
        self.assertEqual(str(error), "control/locals: is a directory")
        self.assertEqual((error.file, error.line), ("control/locals", None))

    def test_fifo_is_not_waited_for(self) -> None:
        """A FIFO in place of a file is read as an empty file at once."""
        os.mkfifo(self.control.path("me"))
        self.assertEqual(self.control.me(), b"")

    def test_error_shows_the_line(self) -> None:
        """An error that knows its line says so."""
        self.assertEqual(str(ControlError("control/listen", 3, "is wrong")), "control/listen line 3: is wrong")


class NumberTests(SynchronousTestCase):
    """Numbers at the start of a text."""

    def test_huge_numbers(self) -> None:
        """Any number of digits is read without fail, and nothing wraps around."""
        self.assertEqual(leading_number(b"9" * 18), 10**18 - 1)
        self.assertEqual(leading_number(b"9" * 10000), 10**18 - 1)
        self.assertEqual(leading_number(b"0" * 10000 + b"12"), 12)

    def test_only_ascii_digits(self) -> None:
        """Digits of other scripts are no digits."""
        self.assertIsNone(leading_number("٣".encode()))
        self.assertEqual(leading_number("1٣".encode()), 1)
