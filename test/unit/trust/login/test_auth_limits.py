"""Failed attempts of each address are counted, and forgiven."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.trust.login.limits import Attempts

JOE, ANN = b"192.0.2.7", b"192.0.2.8"


class AttemptsTests(SynchronousTestCase):
    """Three failures a minute."""

    def setUp(self) -> None:
        """Begin with nothing against anybody."""
        self.clock = Clock()
        self.attempts = Attempts(3, 60.0, self.clock.seconds)

    def made(self, client: bytes, tries: int) -> int:
        """Try so often; count how often that was allowed."""
        return sum(self.attempts.begin(client) for _ in range(tries))

    def test_limit(self) -> None:
        """An address has three failures at once, and others have theirs."""
        self.assertEqual((self.made(JOE, 5), self.made(ANN, 2)), (3, 2))
        self.assertFalse(self.attempts.may_try(JOE))
        self.assertTrue(self.attempts.may_try(ANN))

    def test_forgiven(self) -> None:
        """A third of them is forgiven in a third of the minute, all in the whole."""
        self.made(JOE, 3)
        self.clock.advance(20)
        self.assertEqual(self.made(JOE, 3), 1)
        self.clock.advance(60)
        self.assertEqual(self.made(JOE, 9), 3)

    def test_success(self) -> None:
        """An attempt that succeeds does not count."""
        for _ in range(9):
            self.assertTrue(self.attempts.begin(JOE))
            self.attempts.succeeded(JOE)

    def test_no_limit(self) -> None:
        """With 0 there is no limit, and nothing is remembered."""
        self.attempts.most = 0
        self.assertEqual(self.made(JOE, 99), 99)
        self.attempts.most = 3
        self.assertEqual(self.made(JOE, 9), 3)

    def test_networks(self) -> None:
        """All addresses of one IPv6 network of 64 bits count as one, however they are written."""
        self.assertEqual(self.made(b"2001:db8::1", 2), 2)
        self.assertEqual(self.made(b"2001:db8:0:0:ffff::2", 9), 1)
        self.assertEqual(self.made(b"2001:db8:0:1::1", 9), 3)
        self.assertEqual(self.made(b"no:address", 9), 3)

    def test_memory(self) -> None:
        """Addresses that were forgiven are forgotten when there are many."""
        for at in range(10000):
            self.attempts.begin(b"%d" % at)
        self.clock.advance(61)
        self.attempts.begin(JOE)
        self.assertLess(len(self.attempts._against), 10)
