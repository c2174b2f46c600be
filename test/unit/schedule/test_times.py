"""Tests: the time, whatever the clocks say."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from qtwisted.schedule.times import Times

DAY = 86400
YEAR = 365 * DAY


class Clocks(TestCase):
    """Two clocks that may part."""

    def setUp(self):
        """Begin with both in step."""
        self.wall = 1_800_000_000.25
        self.steady = 5000.5
        self.shifts = []
        self.times = self.make()

    def make(self, stamp=None):
        """Make what is tested."""
        return Times(lambda: self.wall, lambda: self.steady, stamp, self.shifts.append)

    def pass_time(self, seconds):
        """Let both clocks go on."""
        self.wall += seconds
        self.steady += seconds

    def test_normal(self):
        """Normally it is wall time, whole seconds, small corrections included."""
        self.assertEqual(self.times.now(), 1_800_000_000)
        self.pass_time(10)
        self.wall += 1800
        self.assertEqual(self.times.now(), 1_800_001_810)
        self.wall -= 3000
        self.assertEqual(self.times.now(), 1_799_998_810)

    def test_forward(self):
        """A clock set forward by eight days makes nothing older; set back, all is as before (F18)."""
        born_at = self.times.now()
        self.pass_time(100)
        self.wall += 8 * DAY
        self.assertEqual(self.times.now(), born_at + 100)
        self.assertEqual(self.times.age(born_at), 100)
        self.pass_time(50)
        self.assertEqual(self.times.age(int(self.wall) - 20), 20)
        self.wall -= 8 * DAY
        self.assertEqual((self.times.now(), self.times.age(born_at)), (born_at + 150, 150))
        self.assertEqual(self.shifts, [])

    def test_backward(self):
        """A clock set back by a year stops nothing (F19)."""
        born_at = self.times.now()
        self.wall -= YEAR
        self.pass_time(400)
        self.assertEqual(self.times.now(), born_at + 400)
        self.assertEqual(self.times.age(born_at), 400)
        self.assertEqual(self.times.age(int(self.wall) - 30), 30)

    def test_giving_in(self):
        """When as much time has passed as the clocks differ by, the wall clock is believed."""
        self.times.now()
        self.wall += 8 * DAY
        self.times.now()
        self.pass_time(8 * DAY - 10)
        self.times.now()
        self.assertEqual(self.shifts, [])
        self.pass_time(20)
        self.assertEqual(self.times.now(), int(self.wall))
        self.assertEqual(self.shifts, [8 * DAY])
        self.assertEqual(self.times.age(int(self.wall) - 9 * DAY), 9 * DAY)

    def test_a_second_jump(self):
        """Another jump starts the waiting anew."""
        self.wall += 2 * DAY
        self.times.now()
        self.pass_time(DAY)
        self.wall += 2 * DAY
        self.times.now()
        self.pass_time(2 * DAY)
        self.times.now()
        self.assertEqual(self.shifts, [])

    def test_birth_in_the_future(self):
        """A file from the near future is a little younger than new, one from far off is new."""
        now = self.times.now()
        self.assertEqual(self.times.age(now + 500), -500)
        self.assertEqual(self.times.age(now + YEAR), 0)

    def test_restart(self):
        """A new process knows what the old one believed, within one boot."""
        self.times.now()
        stamp = self.times.stamp()
        self.pass_time(60)
        self.wall += 8 * DAY
        times = self.make(stamp)
        self.assertEqual(times.now(), 1_800_000_060)
        self.assertEqual(times.age(1_800_000_000), 60)

    def test_stamp_of_another_boot(self):
        """A stamp whose steady clock is ahead of ours says nothing."""
        self.assertEqual(self.make((90_000, 1_700_000_000)).now(), 1_800_000_000)
        self.assertEqual(self.make((1_800_000_000, 1_800_000_000)).now(), 1_800_000_000)

    def test_files(self):
        """Files bear wall time."""
        self.wall += 8 * DAY
        self.times.now()
        at = self.times.now() + 400
        self.assertEqual(self.times.to_file(at), int(self.wall) + 400)
        self.assertEqual(self.times.from_file(self.times.to_file(at)), at)
