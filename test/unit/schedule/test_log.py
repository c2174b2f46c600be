"""Tests: the log never holds anything up."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from qtwisted.model.events import Exiting, MessageEnded
from qtwisted.schedule.log import BACKLOG, Log, Outlet


class Lines(TestCase):
    """Collecting and writing lines."""

    def setUp(self):
        """Write to a list; ``stuck`` and ``gone`` say what the reader does."""
        self.clock = Clock()
        self.pieces = []
        self.takes = None
        self.log = Log(self.clock, self.write)

    def write(self, piece, within):
        """Take a piece, as far as the test allows."""
        if self.takes == "gone":
            return None
        if self.takes == 0:
            return 0
        piece = piece[: self.takes]
        self.pieces.append(piece)
        return len(piece)

    def say(self, count):
        """Log some events and end the turn."""
        for number in range(count):
            self.log.say(MessageEnded(number))
        self.log.flush()

    def test_one_write_a_turn(self):
        """The lines of a turn are written together, in order."""
        self.say(3)
        self.log.flush()
        self.assertEqual(self.pieces, [b"end msg 0\nend msg 1\nend msg 2\n"])

    def test_pieces(self):
        """A piece is at most 4096 bytes and ends where a line ends."""
        self.say(1000)
        self.assertTrue(all(len(piece) <= 4096 and piece.endswith(b"\n") for piece in self.pieces))
        self.assertEqual(len(b"".join(self.pieces).splitlines()), 1000)

    def test_long_line(self):
        """A line longer than a piece is written whole, in several."""
        self.log._lines.append(b"x" * 10000)
        self.log.flush()
        self.assertEqual(b"".join(self.pieces), b"x" * 10000 + b"\n")

    def test_partial_write(self):
        """What a reader takes in part is continued."""
        self.takes = 7
        self.say(2)
        self.assertEqual(b"".join(self.pieces), b"end msg 0\nend msg 1\n")

    def test_stuck_reader(self):
        """A stuck reader gets what waited when it goes on; what was too much is counted (F27)."""
        self.takes = 0
        lines = 0
        while len(self.log._waiting) <= BACKLOG:
            self.say(1000)
            lines += 1000
        self.say(55)
        self.takes = None
        self.clock.advance(1)
        text = b"".join(self.pieces).splitlines()
        self.assertEqual(len(text), lines + 1)
        self.assertEqual(text[-1], b"warning: log was stuck, 55 lines lost")
        self.say(1)
        self.assertEqual(self.pieces[-1], b"end msg 0\n")

    def test_no_busy_loop(self):
        """A stuck reader is asked again after a pause, once at a time."""
        self.takes = 0
        for _ in range(10):
            self.say(1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_no_reader(self):
        """Without a reader nothing is kept and nothing fails (LOG-09)."""
        self.takes = "gone"
        self.say(10)
        self.takes = None
        self.say(10)
        self.log.farewell()
        self.assertEqual((self.pieces, self.clock.getDelayedCalls()), ([], []))

    def test_farewell(self):
        """The last line is written even if the reader was stuck."""
        self.takes = 0
        self.say(1)
        self.takes = None
        self.log.say(Exiting())
        self.log.farewell()
        self.assertEqual(b"".join(self.pieces), b"end msg 0\nstatus: exiting\n")


class Pipe(TestCase):
    """Writing to a real pipe."""

    def test_full_pipe(self):
        """A full pipe does not block, and a closed one is noticed."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        outlet = Outlet(writing)
        total = 0
        while written := outlet.write(b"x" * 4096):
            total += written
        self.assertEqual(written, 0)
        self.assertGreaterEqual(total, 4096)
        os.close(reading)
        self.assertIsNone(outlet.write(b"x"))
