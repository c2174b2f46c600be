"""Tests: qtwisted.wire.dots."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.dots import DotStuffing

ALPHABET = (b"\r", b"\n", b".", b"\0", b"a")


def wire(*pieces: bytes) -> bytes:
    """Send a message in these pieces."""
    stuffing = DotStuffing()
    return b"".join([stuffing.convert(piece) for piece in pieces]) + stuffing.finish()


def expected(message: bytes) -> bytes:
    """Say what a whole message looks like on the wire, line by line."""
    lines = message.replace(b"\r\n", b"\n").replace(b"\r", b" ").split(b"\n")
    if not lines[-1]:
        lines.pop()
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


class DotStuffingTests(SynchronousTestCase):
    """What leaves is what any server reads as the message."""

    def test_rows(self) -> None:
        """Line ends become CRLF, dots at line starts are doubled, the last line gets its end."""
        for message, sent in (
            (b"", b".\r\n"),
            (b"a\n", b"a\r\n.\r\n"),
            (b"Subject: x\n\nhi\n.dot\n..\n", b"Subject: x\r\n\r\nhi\r\n..dot\r\n...\r\n.\r\n"),
            (b".\n", b"..\r\n.\r\n"),
            (b"partial", b"partial\r\n.\r\n"),
            (b"a\r\nb\r\n", b"a\r\nb\r\n.\r\n"),
            (b"a\rb\n", b"a b\r\n.\r\n"),
            (b"a\r\r\n", b"a \r\n.\r\n"),
            (b"a\r", b"a \r\n.\r\n"),
            (b"\r", b" \r\n.\r\n"),
            (b"a\n\r.\n", b"a\r\n .\r\n.\r\n"),
            (b"a\r\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"\0\xff\n", b"\0\xff\r\n.\r\n"),
        ):
            self.assertEqual(wire(message), sent, message)

    def test_every_boundary(self) -> None:
        """All messages of up to five bytes of CR, LF, dot, NUL and a letter leave the same wherever they are cut."""
        for size in range(6):
            for letters in product(ALPHABET, repeat=size):
                message = b"".join(letters)
                for cut in range(size + 1):
                    self.assertEqual(wire(message[:cut], message[cut:]), expected(message), (message, cut))
                self.assertEqual(wire(*letters), expected(message), message)

    def test_only_one_end(self) -> None:
        """The end of the message is on the wire once, at its end, and CR and LF only together."""
        for letters in product(ALPHABET, repeat=5):
            sent = wire(b"x" + b"".join(letters))
            self.assertEqual(sent.find(b"\r\n.\r\n"), len(sent) - 5)
            self.assertNotIn(b"\r", sent.replace(b"\r\n", b""))
            self.assertNotIn(b"\n", sent.replace(b"\r\n", b""))
