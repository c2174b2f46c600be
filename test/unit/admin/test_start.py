"""Tests for qtwisted.admin.start: what qmail-start makes of its arguments."""

from __future__ import annotations

import shlex

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.start import words
from qtwisted.admin.twistd import Options


class WordsTests(SynchronousTestCase):
    """The command line of twistd."""

    def options(self, *arguments: str) -> Options:
        """What twistd qmail understands."""
        line = words("/var/qmail", *arguments[:1], arguments[1:])
        self.assertEqual(line[:4], ["twistd", "-n", "--pidfile=", "qmail"])
        options = Options()
        options.parseOptions(line[4:])
        return options

    def test_delivery(self) -> None:
        """A default delivery of several lines arrives as it is, without a logger."""
        options = self.options("|dot-forward .forward\n./Mailbox")
        self.assertEqual(options["default-delivery"], "|dot-forward .forward\n./Mailbox")
        self.assertIsNone(options["log"])
        self.assertEqual(options["home"], "/var/qmail")

    def test_logger(self) -> None:
        """The words of the logger are the same words again when --log is taken apart."""
        for logger in (["splogger", "qmail"], ["sh", "-c", "cat > 'a b' $X; \"q\"", ""], ["--x", "é"]):
            self.assertEqual(shlex.split(self.options("./Mailbox", *logger)["log"]), logger)

    def test_dashes(self) -> None:
        """A default delivery that looks like an option is none."""
        self.assertEqual(self.options("--log")["default-delivery"], "--log")
