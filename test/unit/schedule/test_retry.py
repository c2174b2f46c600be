"""Tests: the retry schedule."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from qtwisted.schedule.retry import is_dying, longest_wait, next_retry


class NextRetry(TestCase):
    """The quadratic schedule."""

    def test_ages(self):
        """Ages give the retry times of qmail (SND-21)."""
        local = {0: 100, 1: 121, 99: 361, 100: 400, 1000: 1681, 86400: 91809, 604000: 619369}
        remote = {-500: 400, 0: 400, 1: 441, 99: 841, 100: 900, 1000: 2601, 86400: 97969, 604000: 635209}
        for channel, ages in enumerate((local, remote)):
            for age, wait in ages.items():
                self.assertEqual(next_retry(1000, 1000 + age, channel), 1000 + wait, (channel, age))

    def test_grid(self):
        """Attempts made in time stay on the grid, and the last one comes after the lifetime."""
        for channel, unit, last in ((0, 100, 608400), (1, 400, 608400)):
            at, step = 0, 0
            while not is_dying(at, 604800):
                self.assertEqual(at, unit * step * step)
                at, step = next_retry(0, at, channel), step + 1
            self.assertEqual(at, last)

    def test_root_has_a_limit(self):
        """The root stops at 65535, whatever the age."""
        self.assertEqual(next_retry(0, 1 << 40, 0), (65535 + 10) ** 2)

    def test_far_times(self):
        """Times before 1970 and after 2038 are computed like others (F21)."""
        self.assertEqual(next_retry(-5000, -5000, 0), -4900)
        self.assertEqual(next_retry(1 << 33, 1 << 33, 1), (1 << 33) + 400)

    def test_dying(self):
        """A message is dying when it is older than the limit, not when it is as old."""
        self.assertFalse(is_dying(604800, 604800))
        self.assertTrue(is_dying(604801, 604800))
        self.assertFalse(is_dying(0, 0))

    def test_longest_wait(self):
        """No message of the greatest age waits longer."""
        self.assertEqual(longest_wait(604800), next_retry(0, 604800, 1) - 604800)
