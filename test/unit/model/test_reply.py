"""Replies go over the wire as RFC 5321 4.2.1 says."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.reply import Reply


class ReplyTests(SynchronousTestCase):
    """One line or several, yes, later or no."""

    def test_one_line(self) -> None:
        """Code, blank, text; the text may be empty."""
        self.assertEqual(Reply(250, b"ok").wire(), b"250 ok\r\n")
        self.assertEqual(Reply(250, b"").wire(), b"250 \r\n")

    def test_several_lines(self) -> None:
        """All lines but the last have a hyphen after the code."""
        reply = Reply(250, b"mx.example.org", (b"PIPELINING", b"8BITMIME"))
        self.assertEqual(reply.wire(), b"250-mx.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        self.assertEqual(reply.lines, (b"mx.example.org", b"PIPELINING", b"8BITMIME"))

    def test_classes(self) -> None:
        """The first digit is the class; 354 is none of the three."""
        for code, classes in ((250, "100"), (354, "000"), (451, "010"), (553, "001")):
            reply = Reply(code, b"")
            found = "".join(str(int(flag)) for flag in (reply.is_ok, reply.is_later, reply.is_refusal))
            self.assertEqual(found, classes)
