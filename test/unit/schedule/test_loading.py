"""Tests: the start on a queue that holds messages."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from test.unit.schedule.desk import Desk


class Start(TestCase):
    """What is found in the queue."""

    def setUp(self):
        """Prepare a queue; the test starts the scheduler."""
        self.desk = Desk(self.mktemp())

    def queue(self, number, kind="remote", wait=0):
        """Have a message of which one recipient is left, due in a while."""
        self.desk.put(self.desk.name("mess", number), b"x")
        self.desk.put(self.desk.name("info", number), b"Fs@x\0", at=self.desk.now() - 50)
        self.desk.put(self.desk.name(kind, number), b"Tr@remote.example\0", at=self.desk.now() + wait)

    def test_mtime_is_the_schedule(self):
        """A message is due at the time that its recipient file bears (SND-20)."""
        self.queue(31, wait=300)
        self.queue(32, wait=-1000, kind="local")
        self.desk.start()
        self.assertEqual([order[2] for order in self.desk.orders], ["9/32"])
        self.desk.wait(299)
        self.assertEqual(len(self.desk.orders), 1)
        self.desk.wait(1)
        self.assertEqual(len(self.desk.orders), 2)

    def test_alarm(self):
        """ALRM does not wait for that time."""
        self.queue(31, wait=300)
        self.desk.start()
        self.desk.scheduler.alarm()
        self.desk.settle()
        self.assertEqual(len(self.desk.orders), 1)

    def test_a_file_from_the_future(self):
        """A time that no schedule gives was stamped by a wrong clock (F19)."""
        self.queue(31, wait=365 * 86400)
        self.desk.start()
        self.desk.wait(86400)
        self.assertEqual(len(self.desk.orders), 1)

    def test_before_1970(self):
        """A negative time is in the past (F21)."""
        self.queue(31)
        for kind in ("info", "remote"):
            os.utime(f"{self.desk.path}/{kind}/8/31", (-5000, -5000))
        self.desk.start()
        self.assertEqual(len(self.desk.orders), 1)

    def test_still_in_todo(self):
        """A message that is still in todo is not believed to have files (S4)."""
        self.queue(31)
        self.desk.store(b"new@remote.example", number=31)
        self.desk.start()
        self.desk.wait(3)
        self.assertEqual([order[4] for order in self.desk.orders], [b"new@remote.example"])

    def test_other_names(self):
        """Names that are no numbers are passed over."""
        for name in ("x", "31x", "031", "0x1f"):
            self.desk.put(f"info/8/{name}", b"Fs@x\0")
        self.desk.start()
        self.assertEqual(self.desk.taken(), ["status: local 0/10 remote 0/20"])

    def test_first_deliveries_begin_early(self):
        """The first delivery does not wait until all of a long queue has been looked at (F25)."""
        for number in range(1000, 4000):
            self.queue(number)
        self.desk.scheduler.start()
        turns = 0
        while not self.desk.orders:
            turns += 1
            call = min(self.desk.clock.getDelayedCalls(), key=lambda call: call.getTime())
            self.desk.clock.calls.remove(call)
            call.func()
            call.called = 1
        self.assertLess(turns, 5)
        self.assertFalse(self.desk.scheduler.loading.is_over)
        self.desk.settle()
        self.assertEqual(len(self.desk.scheduler.agenda.dues[1]), 2980)

    def test_planned_meanwhile(self):
        """A message written down while the start goes on is not counted twice."""
        for number in range(1000, 2000):
            self.queue(number, wait=9999)
        self.desk.scheduler.start()
        self.desk.scheduler.arrived(*self.desk.store(*[b"u%02d@remote.example" % at for at in range(25)], number=22))
        self.desk.settle()
        self.assertEqual(len(self.desk.orders), 20)
        self.assertEqual(len(self.desk.scheduler.agenda.dues[1]), 1000)

    def test_stat_trouble(self):
        """A message that cannot be looked at is looked at again after 123 seconds, unless it is gone by then."""
        stat = self.desk.disk.stat
        self.queue(31)
        self.queue(32)
        self.desk.disk.stat = lambda path: self.refuse() if path.startswith("remote/") else stat(path)
        self.desk.start()
        self.assertEqual(sorted(self.desk.taken()[1:]), [
            "warning: unable to stat remote/8/31; will try again later",
            "warning: unable to stat remote/9/32; will try again later"])
        self.desk.disk.stat = stat
        os.unlink(f"{self.desk.path}/info/9/32")
        self.desk.wait(124)
        self.assertEqual([order[2] for order in self.desk.orders], ["8/31"])

    def test_no_directory(self):
        """A directory that cannot be opened is tried again every ten seconds."""
        self.queue(31)
        os.rename(f"{self.desk.path}/info/8", f"{self.desk.path}/info/was")
        self.desk.start()
        alert = "alert: unable to opendir info/8, sleeping..."
        self.assertEqual(self.desk.taken()[1:], [alert])
        self.desk.wait(10)
        self.assertEqual(self.desk.taken(), [alert])
        os.rename(f"{self.desk.path}/info/was", f"{self.desk.path}/info/8")
        self.desk.wait(10)
        self.assertEqual(len(self.desk.orders), 1)

    def refuse(self):
        """Fail as a disk does."""
        raise OSError(5, "Input/output error")
