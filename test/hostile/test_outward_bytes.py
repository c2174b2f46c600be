"""Bytes on their way out: whatever is stored, the wire has CR and LF only together, and one end."""

from __future__ import annotations

import io
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.session import PIECE, Session
from qtwisted.wire.dots import DotStuffing
from qtwisted.wire.smtp_body import Body
from qtwisted.wire.smtp_client import SmtpClient, Transaction
from test.kit.smtp_peer import Line, Network, Script

LETTERS = (b"\r", b"\n", b".", b"\0", b"a")
GRAMS = [b"".join(letters) for letters in product(LETTERS, repeat=3)]
PLACES = (0, 1023, 1024, 4095, 16383, 16384, PIECE - 2, PIECE - 1, PIECE, 65535)


def out(stored: bytes, size: int) -> bytes:
    """Send what is stored, read in pieces of a size."""
    stuffing = DotStuffing()
    pieces = (stored[at : at + size] for at in range(0, len(stored), size))
    return b"".join([stuffing.convert(piece) for piece in pieces]) + stuffing.finish()


def back(wire: bytes) -> bytes:
    """Receive it again; it is one message, and nothing is left over."""
    body = Body()
    stored = body.feed(wire)
    assert body.ended
    assert not body.has_bare_lf
    assert body.rest == b""
    return stored


def canonical(stored: bytes) -> bytes:
    """Say what the other side should store: lines, with a blank for a CR that ends none."""
    text = stored.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    return text if not text or text.endswith(b"\n") else text + b"\n"


class GramTests(SynchronousTestCase):
    """All three-byte sequences of CR, LF, dot, NUL and a letter."""

    def test_every_boundary(self) -> None:
        """Each, in the midst of lines, leaves the same with every size of read, as one message with clean ends."""
        for first, second in product(GRAMS, repeat=2):
            stored = b"x\n" + first + b"." + second
            wire = out(stored, len(stored))
            self.assertEqual(wire.find(b"\r\n.\r\n"), len(wire) - 5)
            self.assertEqual(wire.count(b"\r"), wire.count(b"\r\n"))
            self.assertEqual(wire.count(b"\n"), wire.count(b"\r\n"))
            self.assertEqual(back(wire), canonical(stored))
            for size in range(1, 5):
                self.assertEqual(out(stored, size), wire, (stored, size))

    def test_fixed_point(self) -> None:
        """A message that was out and in once stays as it is for ever."""
        for gram in GRAMS:
            for place in range(4):
                once = back(out(b"a\n"[:place] + gram + b".\n\r"[place:], 2))
                self.assertEqual(back(out(once, 3)), once)

    def test_in_out_and_in(self) -> None:
        """What a client sends is stored; sent on, it arrives as what was stored, lines with CR in them aside."""
        for first, second in product(GRAMS, repeat=2):
            body = Body()
            stored = body.feed(b"x\r\n" + (first + second).replace(b"\n", b"\r\n") + b"\r\n.\r\n")
            if body.has_bare_lf or not body.ended:
                continue
            self.assertEqual(back(out(stored, 1)), canonical(stored))


class PlaceTests(SynchronousTestCase):
    """Dots and line ends where reads end."""

    def test_dots(self) -> None:
        """A dot at the start of a line is doubled exactly once, wherever it stands and however it is read."""
        for place in PLACES:
            for before in (b"\n", b"\r\n", b""):
                head = b"x" * (place - len(before)) + before if place >= len(before) else b""
                stored = head + b".\n"
                at_start = not head or head.endswith(b"\n")
                for size in (1024, 4096, 16384, PIECE, 65536, 100000):
                    wire = out(stored, size)
                    self.assertEqual(wire.endswith(b"..\r\n.\r\n"), at_start)
                    self.assertNotIn(b"...", wire)
                    self.assertEqual(back(wire), canonical(stored))

    def test_through_a_session(self) -> None:
        """The same holds for a whole session, which reads pieces of its own size."""
        for place in (0, PIECE - 2, PIECE - 1, PIECE, 2 * PIECE):
            for gram in (b"\n.\n", b"\r\n.", b"\n.\r", b"\r.\r", b"\n\n.", b".\r\n"):
                stored = b"x" * place + gram
                for offer in (b"250 s\r\n", b"250-s\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n"):
                    reactor: Any = Network()
                    script = Script(ehlo=offer)
                    session = Session(reactor, SmtpClient(b"h"))
                    Line(reactor, script, None).connect(session)
                    sending = session.send(Transaction(b"s@x", (b"r@d",)), io.BytesIO(stored))
                    reactor.settle()
                    self.assertTrue(self.successResultOf(sending).accepted)
                    self.assertEqual(back(script.body + b".\r\n"), canonical(stored))


class AnyTests(SynchronousTestCase):
    """Any bytes at all."""

    @settings(max_examples=400, derandomize=True, database=None, deadline=None)
    @given(st.lists(st.sampled_from([*LETTERS, b"\xe9", b"\x85", b"\r\n.\r\n", b"\n.\n"])), st.integers(1, 9))
    def test_one_message(self, parts: list[bytes], size: int) -> None:
        """Whatever is stored arrives as one message, the same for every size of read."""
        stored = b"".join(parts)
        wire = out(stored, size)
        self.assertEqual(wire, out(stored, 1000))
        self.assertEqual(back(wire), canonical(stored))
