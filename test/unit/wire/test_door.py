"""Tests of the door's protocol."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope, EnvelopeError, parse_submission, submission
from qtwisted.wire import door


class FrameTests(SynchronousTestCase):
    """Frames are cut out of a stream again as they were put in."""

    def test_round_trip(self) -> None:
        """However the stream is cut, the same frames come out."""
        sent = [(b"B", 1, b"text"), (b"E", 4294967295, b""), (b"A", 0, b"\0" * 300), (b"B", 2, b"x" * 65536)]
        stream = b"".join(door.frame(*one) for one in sent)
        chance = random.Random(1)
        for _ in range(50):
            reader = door.FrameReader(door.FROM_CLIENT)
            found = []
            rest = stream
            while rest:
                step = chance.choice((1, 5, 9, 100, 70000))
                found += reader.received(rest[:step])
                rest = rest[step:]
            self.assertEqual(found, sent)

    def test_illegal(self) -> None:
        """A wrong letter and too long a frame are errors as soon as the header is there."""
        reader = door.FrameReader(door.FROM_CLIENT)
        self.assertEqual(reader.received(b"S\0\0\0\1\0\0\0"), [])
        self.assertRaises(door.FrameError, reader.received, b"\0")
        reader = door.FrameReader(door.FROM_CLIENT)
        self.assertRaises(door.FrameError, reader.received, b"B\0\0\0\1\0\1\0\1")
        self.assertEqual(door.FrameReader(door.FROM_CLIENT).received(b"B\0\0\0\1\0\1\0\0"), [])

    def test_long_data(self) -> None:
        """Long data is cut into frames of the greatest length; no data needs no frame."""
        data = bytes(200000)
        found = door.FrameReader(b"B").received(door.frames(b"B", 3, data))
        self.assertEqual([len(payload) for _, _, payload in found], [65536, 65536, 65536, 3392])
        self.assertEqual(door.frames(b"B", 3, b""), b"")
        self.assertEqual(door.frames(b"B", 3, b"x"), door.frame(b"B", 3, b"x"))


class EnvelopeTests(SynchronousTestCase):
    """The envelope is followed while it comes in."""

    def outcome(self, data: bytes, step: int) -> tuple[bytes, bool] | int:
        """What is written and whether it is complete, or the exit code, when it comes in such pieces."""
        reader = door.EnvelopeReader()
        kept = b""
        try:
            for at in range(0, len(data), step):
                kept += reader.received(data[at : at + step])
        except EnvelopeError as error:
            return error.code
        return kept, reader.is_complete

    def test_table(self) -> None:
        """Each envelope gives the same, whatever pieces it comes in."""
        long = b"x" * 1002
        for data, wanted in (
            (b"Fa@b\0Tc@d\0\0", (b"Fa@b\0Tc@d\0", True)),
            (b"F\0\0", (b"F\0", True)),
            (b"F\0T\0\0", (b"F\0T\0", True)),
            (b"Fa\0Tb\0\0garbage\0\0", (b"Fa\0Tb\0", True)),
            (b"F" + long + b"\0T" + long + b"\0\0", (b"F" + long + b"\0T" + long + b"\0", True)),
            (b"", (b"", False)),
            (b"Fa\0Tb\0", (b"Fa\0Tb\0", False)),
            (b"Fa\0Tb", (b"Fa\0Tb", False)),
            (b"Xa\0\0", 91),
            (b"\0", 91),
            (b"Fa\0Xb\0\0", 91),
            (b"Fa\0Fb\0\0", 91),
            (b"Ta\0Fb\0\0", 91),
            (b"Fa\0T" + long + b"y\0\0", 11),
            (b"F" + long + b"y", 11),
        ):
            for step in (1, 2, 3, 7, 10000):
                self.assertEqual(self.outcome(data, step), wanted, (data[:20], step))

    @given(
        st.lists(st.binary(max_size=20).filter(lambda address: b"\0" not in address), min_size=1),
        st.integers(1, 9),
    )
    def test_same_as_whole(self, addresses: list[bytes], step: int) -> None:
        """What is read in pieces is what is read as a whole."""
        data = submission(Envelope(addresses[0], tuple(addresses[1:])))
        outcome = self.outcome(data, step)
        assert isinstance(outcome, tuple)
        self.assertEqual(parse_submission(outcome[0] + b"\0").recipients, tuple(addresses[1:]))

    @given(st.binary(max_size=30), st.integers(1, 9))
    def test_any_bytes(self, data: bytes, step: int) -> None:
        """Pieces make no difference to whatever bytes, and the same faults are found as in a whole."""
        outcome = self.outcome(data, step)
        self.assertEqual(outcome, self.outcome(data, 1000))
        try:
            parse_submission(data)
        except EnvelopeError as error:
            wanted = error.code
            if isinstance(outcome, tuple):
                self.assertEqual((outcome[1], wanted), (False, 54))
            else:
                self.assertEqual(outcome, wanted)
        else:
            assert isinstance(outcome, tuple)
            self.assertTrue(outcome[1])


class NoticeTests(SynchronousTestCase):
    """The watcher is told of a message."""

    def test_round_trip(self) -> None:
        """Number, size and a short envelope pass; a long one is left out."""
        record = b"u1\0p2\0Fa\0Tb\0"
        self.assertEqual(door.read_notice(door.notice(17, 4096, record)), (17, 4096, record))
        self.assertEqual(door.read_notice(door.notice(17, 4096, None)), (17, 4096, None))
        self.assertEqual(door.read_notice(door.notice(17, 1, b"x" * 32768)), (17, 1, None))
        self.assertEqual(door.notice(1, 2, b""), b"1\x002\0")

    def test_bad(self) -> None:
        """Anything else is a breach."""
        for payload in (b"", b"1", b"1\x002", b"x\x002\0", b"1\0\0", b"-1\x002\0", b"1\0+2\0"):
            self.assertRaises(door.FrameError, door.read_notice, payload)


class CommandTests(SynchronousTestCase):
    """Commands of qmail-clean are checked to the byte."""

    def test_table(self) -> None:
        """Verb, slash, digits and a zero, seven to a hundred bytes."""
        verbs = (b"foop", b"todo")
        for command, wanted in (
            (b"todo/12\0", (b"todo", 12)),
            (b"foop/0012\0", (b"foop", 12)),
            (b"foop/" + b"0" * 93 + b"7\0", (b"foop", 7)),
            (b"foop/" + b"1" * 95 + b"\0", None),
            (b"to/1\0", None),
            (b"todo/\0", None),
            (b"todo/1", None),
            (b"todo/12", None),
            (b"done/12\0", None),
            (b"todo/x\0", None),
            (b"todo/12a\0", None),
            (b"todo/a12b3\0", None),
            (b"todo/1/2\0", None),
            (b"todo12\0\0", None),
            (b"todo/1\x002\0", None),
            (b"TODO/12\0", None),
            (b"todo/\xb2\xb3\0", None),
        ):
            self.assertEqual(door.read_command(command, verbs), wanted, command)
