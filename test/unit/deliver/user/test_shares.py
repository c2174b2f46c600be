"""Each user's share of the local slots."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user.shares import PATIENCE_FOR, Shares, a_quarter

JOE, ANN, BOB = 1001, 1002, 1003


class SharesTests(SynchronousTestCase):
    """Who may start when."""

    def setUp(self) -> None:
        """Ten slots, as control/concurrencylocal has them by default."""
        self.clock = Clock()
        self.clock.advance(1000)
        self.shares = Shares(10, a_quarter(10), self.clock.seconds)

    def fill(self, uid: int) -> int:
        """Start as many deliveries of one user as may start; returns how many."""
        count = 0
        while self.shares.may_start(uid):
            self.shares.started(uid)
            count += 1
        return count

    def test_a_quarter(self) -> None:
        """The share is a quarter of the slots, but at least one."""
        self.assertEqual([a_quarter(slots) for slots in (1, 3, 4, 10, 120)], [1, 1, 1, 2, 30])

    def test_alone(self) -> None:
        """A user alone gets more than his share, but leaves one share free."""
        self.assertEqual(self.fill(JOE), 8)

    def test_beside_a_hog(self) -> None:
        """A user who came first cannot keep another from his share."""
        self.fill(JOE)
        self.assertEqual(self.fill(ANN), 2)

    def test_share_beats_total(self) -> None:
        """Below his share a user may always start; qmail-send limits the sum."""
        self.fill(JOE)
        self.fill(ANN)
        self.assertTrue(self.shares.may_start(BOB))

    def test_ended(self) -> None:
        """A delivery that ends makes room for the next."""
        self.fill(JOE)
        self.shares.ended(JOE)
        self.assertTrue(self.shares.may_start(JOE))
        self.shares.started(JOE)
        self.assertFalse(self.shares.may_start(JOE))

    def test_stuck(self) -> None:
        """A user's deliveries hang when none has begun or ended for a while; any movement makes a difference."""
        self.fill(JOE)
        self.clock.advance(PATIENCE_FOR)
        self.assertFalse(self.shares.is_stuck(JOE))
        self.clock.advance(1)
        self.assertTrue(self.shares.is_stuck(JOE))
        self.shares.ended(JOE)
        self.assertFalse(self.shares.is_stuck(JOE))

    def test_nothing_is_kept(self) -> None:
        """Users without deliveries take no memory."""
        for uid in range(100):
            self.shares.started(uid)
            self.shares.ended(uid)
        self.assertEqual((self.shares._running, self.shares._moved_at), ({}, {}))

    def test_one_slot(self) -> None:
        """With a single slot a single user still gets it."""
        self.assertTrue(Shares(1, a_quarter(1), self.clock.seconds).may_start(JOE))
