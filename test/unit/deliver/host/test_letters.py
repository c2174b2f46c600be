"""Tests: qtwisted.deliver.host.letters."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.letters import Letter, Message
from qtwisted.deliver.host.reports import Report


class LetterTests(SynchronousTestCase):
    """One letter."""

    def setUp(self) -> None:
        """Make one with three recipients."""
        self.clock = Clock()
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"text\n")
        self.message = Message(os.open(path, os.O_RDONLY), self.clock.seconds)
        self.addCleanup(self.message.close)
        self.letter = Letter(b"s@x", b"m", self.message)
        self.told = [self.letter.add(recipient) for recipient in (b"1", b"2", b"3")]
        self.reports = [Report(b"K1"), Report(b"Z2"), Report(b"D3")]

    def test_reports(self) -> None:
        """Each recipient hears his own report, when the message is closed."""
        closed = []
        self.told[0].addCallback(lambda report: closed.append(self.message.closed) or report)
        self.letter.tell(self.reports)
        self.assertEqual([self.successResultOf(told) for told in self.told], self.reports)
        self.assertEqual(closed, [True])

    def test_split(self) -> None:
        """Some recipients can be taken out; the rest hears at once, and the message stays open for the others."""
        rest = self.letter.split([1, 2])
        self.assertEqual((self.letter.recipients, rest.recipients), ([b"1"], [b"2", b"3"]))
        self.letter.tell(self.reports[:1], is_over=False)
        self.assertFalse(self.message.closed)
        rest.tell(self.reports[1:])
        self.assertEqual([self.successResultOf(told) for told in self.told], self.reports)
        self.assertTrue(self.message.closed)

    def test_rewind(self) -> None:
        """A letter can be sent again from its beginning."""
        self.letter.begun_at = 5.0
        self.message.read(3)
        self.letter.rewind()
        self.assertEqual((self.letter.begun_at, self.message.read(10)), (None, b"text\n"))

    def test_fault(self) -> None:
        """A fault of ours is told to all, and the message is closed."""
        self.letter.fail(Failure(RuntimeError("bug")))
        for told in self.told:
            self.failureResultOf(told, RuntimeError)
        self.assertTrue(self.message.closed)

    def test_sign_of_life(self) -> None:
        """The message knows when it was read last."""
        self.clock.advance(7)
        self.message.read(1)
        self.assertEqual(self.message.read_at, 7)
