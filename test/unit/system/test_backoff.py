"""Tests for qtwisted.system.backoff: pauses between restarts."""

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.backoff import Backoff


class BackoffTests(SynchronousTestCase):
    """Pauses grow with early deaths and begin anew after a long life."""

    def test_doubles(self) -> None:
        """Every early death doubles the pause, from a tenth of a second to a minute."""
        backoff = Backoff()
        pauses = [backoff.after(0.5) for _ in range(12)]
        self.assertEqual(pauses[:4], [0.1, 0.2, 0.4, 0.8])
        self.assertEqual(pauses[-1], 60.0)

    def test_reset(self) -> None:
        """What has lived for a minute is started again at once."""
        backoff = Backoff()
        for _ in range(10):
            backoff.after(0.5)
        self.assertEqual(backoff.after(60.0), 0.1)
        self.assertEqual(backoff.after(1.0), 0.2)

    def test_killed(self) -> None:
        """What was killed from outside never waits longer than a second, however often that happens."""
        backoff = Backoff()
        self.assertEqual(max(backoff.after(0.5, innocent=True) for _ in range(100)), 1.0)

    def test_killed_while_crashing(self) -> None:
        """A kill does not make the pause of what crashes by itself any longer or shorter."""
        backoff = Backoff()
        for _ in range(6):
            backoff.after(0.0)
        self.assertEqual(backoff.after(0.0, innocent=True), 1.0)
        self.assertEqual(backoff.after(0.0), 6.4)
