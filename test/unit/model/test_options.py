"""Command lines are read as qmail's own option parser reads them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.options import OptionError, getopt

LETTERS = b"aAhHf:nN"


class GetoptTests(SynchronousTestCase):
    """Options, their values, and where they end."""

    def read(self, *words: bytes) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
        """Read a command line of qmail-inject."""
        return getopt([b"/var/qmail/bin/qmail-inject", *words], LETTERS)

    def test_options_combine(self) -> None:
        """Several options may stand in one word, the last with its value."""
        self.assertEqual(self.read(b"-anfX", b"r"), ([(b"a", b""), (b"n", b""), (b"f", b"X")], [b"r"]))

    def test_values(self) -> None:
        """A value is the rest of the word or the next word, which may be empty or look like an option."""
        self.assertEqual(self.read(b"-f", b"-n"), ([(b"f", b"-n")], []))
        self.assertEqual(self.read(b"-f", b"", b"x"), ([(b"f", b"")], [b"x"]))

    def test_order_is_kept(self) -> None:
        """Of options that exclude each other the caller sees which came last."""
        self.assertEqual(self.read(b"-n", b"-N")[0], [(b"n", b""), (b"N", b"")])

    def test_where_options_end(self) -> None:
        """The first word without a hyphen, a lone hyphen and -- end the options; only -- disappears."""
        self.assertEqual(self.read(b"x", b"-n"), ([], [b"x", b"-n"]))
        self.assertEqual(self.read(b"-", b"-n"), ([], [b"-", b"-n"]))
        self.assertEqual(self.read(b"--", b"-n"), ([], [b"-n"]))
        self.assertEqual(self.read(), ([], []))

    def test_errors(self) -> None:
        """Unknown options and missing values are told with the program's last name."""
        error = self.assertRaises(OptionError, self.read, b"-az")
        self.assertEqual(error.text, b"qmail-inject: illegal option -- z\n")
        error = self.assertRaises(OptionError, self.read, b"-f")
        self.assertEqual(error.text, b"qmail-inject: option requires an argument -- f\n")

    def test_punctuation_is_no_option(self) -> None:
        """A colon or hyphen inside a word is illegal, though the list of options has colons."""
        for word, letter in ((b"-:", b":"), (b"-a-", b"-")):
            error = self.assertRaises(OptionError, self.read, word)
            self.assertEqual(error.text, b"qmail-inject: illegal option -- " + letter + b"\n")

    def test_value_that_is_the_rest_of_its_word(self) -> None:
        """After two colons a value is never taken from the next word, and may be missing."""
        words = [b"sendmail", b"-Efoo", b"-E", b"x"]
        self.assertEqual(getopt(words, b"E::x"), ([(b"E", b"foo"), (b"E", b"")], [b"x"]))

    def test_words_with_two_hyphens(self) -> None:
        """Any word that begins with two hyphens ends the options and disappears."""
        self.assertEqual(self.read(b"-n", b"--help", b"-n"), ([(b"n", b"")], [b"-n"]))

    def test_options_before_a_fault(self) -> None:
        """An error knows which options were read before it."""
        error = self.assertRaises(OptionError, self.read, b"-nfx", b"-az")
        self.assertEqual(error.found, [(b"n", b""), (b"f", b"x"), (b"a", b"")])
