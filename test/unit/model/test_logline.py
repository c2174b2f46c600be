"""Text of others appears in the log as qmail-send shows it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.logline import logsafe


class LogsafeTests(SynchronousTestCase):
    """Every byte has its place on a log line."""

    def test_examples(self) -> None:
        """The examples of a real log."""
        self.assertEqual(logsafe(b"sp ace%\xe9\n@x"), b"sp_ace__/@x")
        self.assertEqual(logsafe(b"%s \t\x01\xff\xc3\xa9 x\n"), b"_s_______x/")
        self.assertEqual(
            logsafe(b"Sorry, no mailbox here by that name. (#5.1.1)\n"),
            b"Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/",
        )

    def test_each_byte(self) -> None:
        """LF is a slash; other blanks, control and 8-bit bytes and the percent sign are underscores."""
        for byte in range(1, 256):
            shown = bytes([byte]) if 0x21 <= byte <= 0x7E and byte != 0x25 else b"_"
            self.assertEqual(logsafe(bytes([byte])), b"/" if byte == 0x0A else shown)

    def test_a_zero_byte_ends_the_text(self) -> None:
        """Nothing after the first zero byte is shown."""
        self.assertEqual(logsafe(b"abc\0def"), b"abc")
        self.assertEqual(logsafe(b"\0"), b"")
