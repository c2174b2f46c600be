"""How long a client may take."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.deadlines import Deadlines, Patience, configured
from test.kit.smtp import config

USUAL = Deadlines(1200, 300, 500)


class PatienceTests(SynchronousTestCase):
    """When the time of a client ends."""

    def test_between_commands(self) -> None:
        """A client may be silent for timeoutsmtpd seconds, counted from its last byte."""
        patience = Patience(USUAL, 1000)
        self.assertEqual(patience.ends_at(False), 2200)
        patience.heard(6, 1500)
        patience.settled(True)
        self.assertEqual(patience.ends_at(False), 2700)

    def test_a_command_by_drops(self) -> None:
        """A command that has begun must be complete in time, however often a byte comes."""
        patience = Patience(USUAL, 1000)
        for now in range(1010, 1300, 10):
            patience.heard(1, now)
            patience.settled(False)
            self.assertEqual(patience.ends_at(False), 1310)

    def test_a_message_has_time_by_its_size(self) -> None:
        """A message gets a second more for every minrate bytes."""
        patience = Patience(USUAL, 1000)
        patience.heard(50000, 1010)
        patience.settled(False)
        self.assertEqual(patience.ends_at(True), 1310 + 100)

    def test_silence_ends_a_message_too(self) -> None:
        """However much came, a silence of timeoutsmtpd ends the session."""
        patience = Patience(USUAL, 1000)
        patience.heard(5000000, 1010)
        patience.settled(False)
        self.assertEqual(patience.ends_at(True), 2210)

    def test_our_own_time_does_not_count(self) -> None:
        """After the client had to wait for us, its time begins anew."""
        patience = Patience(USUAL, 1000)
        patience.heard(1, 1010)
        patience.settled(False)
        patience.begin_anew(1200)
        self.assertEqual(patience.ends_at(False), 1500)

    def test_no_limits(self) -> None:
        """0 in timeoutcommand is no limit, and 0 in minrate lets a message take its time."""
        for deadlines, in_body in ((Deadlines(1200, 0, 500), False), (Deadlines(1200, 300, 0), True)):
            patience = Patience(deadlines, 1000)
            patience.heard(1, 1010)
            patience.settled(False)
            self.assertEqual(patience.ends_at(in_body), 2210)
        self.assertEqual(Deadlines(1200, 0, 500).shortest, 1200)
        self.assertEqual(Deadlines(5, 300, 500).shortest, 5)

    def test_configured(self) -> None:
        """The control files timeoutsmtpd, timeoutcommand and minrate say it."""
        self.assertEqual(configured(config()), USUAL)
        self.assertEqual(configured(config(timeout=9, timeoutcommand=8, minrate=7)), Deadlines(9, 8, 7))
