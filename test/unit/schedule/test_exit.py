"""Tests: signals, and the loss of partners."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from qtwisted.model import alerts
from qtwisted.schedule.route import Router
from test.unit.schedule.desk import Desk


class Terminate(TestCase):
    """TERM."""

    def setUp(self):
        """Start on an empty queue."""
        self.desk = Desk(self.mktemp()).start()
        self.desk.taken()

    def terminate(self):
        """Send TERM."""
        self.desk.scheduler.terminate()
        self.desk.settle()

    def test_idle(self):
        """Without work it ends at once."""
        self.terminate()
        self.assertEqual((self.desk.taken(), self.desk.stopped), (["status: exiting"], True))

    def test_running_delivery(self):
        """A running delivery is awaited and its result recorded; nothing new begins (SND-22)."""
        number = self.desk.arrive(b"slow@remote.example")
        self.desk.taken()
        self.terminate()
        self.terminate()
        self.assertEqual((self.desk.taken(), self.desk.stopped), ([], False))
        second = self.desk.arrive(b"b@remote.example")
        self.desk.wait(100)
        self.assertEqual((self.desk.taken(), len(self.desk.orders)), ([], 1))
        self.desk.report(b"Kslow\n")
        self.assertEqual(self.desk.taken(), [
            "delivery 1: success: slow/",
            "status: local 0/10 remote 0/20 exitasap",
            f"end msg {number}",
            "status: exiting"])
        self.assertTrue(self.desk.stopped)
        self.assertEqual((self.desk.files(number), self.desk.files(second)), ([], ["intd", "mess", "todo"]))

    def test_bounce_of_the_last_delivery(self):
        """A message that fails during the end still gets its bounce."""
        number = self.desk.arrive(b"a@remote.example")
        self.terminate()
        self.desk.report(b"Dno\n")
        self.assertEqual(
            self.desk.taken()[-3:], [f"bounce msg {number} qp 1", f"end msg {number}", "status: exiting"])

    def test_schedule_survives(self):
        """The time of the next attempt is kept on the file; info keeps the time of birth (SND-20)."""
        born = self.desk.now()
        number = self.desk.arrive(b"a@remote.example")
        self.desk.wait(0.2)
        self.desk.report(b"Zlater\n")
        self.desk.wait(5)
        self.terminate()
        self.assertEqual((self.desk.mtime("remote", number), self.desk.mtime("info", number)), (born + 400, born))
        self.desk.begin()
        self.desk.start()
        self.desk.wait(393)
        self.assertEqual(self.desk.orders, [])
        self.desk.wait(2)
        self.assertEqual(len(self.desk.orders), 1)

    def test_deferral_during_the_end(self):
        """A message put off during the end is written down with its time."""
        born = self.desk.now()
        number = self.desk.arrive(b"a@remote.example")
        self.terminate()
        self.desk.report(b"Zlater\n")
        self.assertTrue(self.desk.stopped)
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])
        self.assertEqual(self.desk.mtime("remote", number), born + 400)

    def test_first_attempt_cut_short(self):
        """Recipients settled by an attempt that is cut short are not tried again after the next start."""
        desk = Desk(self.mktemp(), limits=(1, 1)).start()
        number = desk.arrive(b"a@remote.example", b"b@remote.example", b"c@remote.example", b"d@test.example")
        desk.report(b"K")
        desk.scheduler.terminate()
        desk.report(b"Dno\n")
        desk.report(b"K", channel=0)
        self.assertTrue(desk.stopped)
        self.assertEqual(desk.files(number), ["bounce", "info", "local", "mess", "remote"])
        self.assertEqual(desk.read("remote", number), b"Da@remote.example\0Db@remote.example\0Tc@remote.example\0")
        desk.begin()
        desk.start()
        self.assertEqual([order[4] for order in desk.orders], [b"c@remote.example"])
        desk.report(b"K")
        self.assertEqual((len(desk.intake.messages), desk.files()), (1, []))

    def test_unsettled_stay_in_todo(self):
        """A message of which nothing is settled stays in todo as it was."""
        desk = Desk(self.mktemp(), limits=(1, 1)).start()
        desk.arrive(b"a@remote.example")
        number = desk.arrive(b"b@remote.example")
        desk.scheduler.terminate()
        desk.report(b"K")
        self.assertTrue(desk.stopped)
        self.assertEqual(desk.files(number), ["intd", "mess", "todo"])

    def test_settled_are_kept_while_others_run(self):
        """What is settled is written down at once, however long the end takes."""
        number = self.desk.arrive(b"a@remote.example", b"b@remote.example")
        self.desk.report(b"K")
        self.terminate()
        self.assertEqual(self.desk.read("remote", number), b"Da@remote.example\0Tb@remote.example\0")
        self.desk.report(b"K", slot=1)
        self.assertEqual((self.desk.files(), self.desk.stopped), ([], True))

    def test_open_pass(self):
        """Recipients that were not yet tried when the end began are tried at once after the next start."""
        desk = Desk(self.mktemp(), limits=(1, 2)).start()
        number = desk.arrive(*[b"u%02d@remote.example" % at for at in range(30)])
        desk.scheduler.terminate()
        desk.report(b"K", slot=0)
        desk.report(b"K", slot=1)
        self.assertTrue(desk.stopped)
        self.assertTrue(desk.read("remote", number).startswith(b"Du00@remote.example\0Du01@remote.example\0Tu02@"))

    def test_stuck_door(self):
        """A door that answers nothing does not hold up the end for long."""
        self.desk.arrive(b"a@remote.example")
        self.desk.door.held = []
        self.desk.report(b"K")
        self.terminate()
        self.assertFalse(self.desk.stopped)
        self.desk.wait(21)
        self.assertEqual((self.desk.stopped, self.desk.taken()[-1]), (True, "status: exiting"))

    def test_time_cannot_be_kept(self):
        """If the time of the next attempt cannot be kept, that is told."""
        number = self.desk.arrive(b"a@remote.example")
        self.desk.report(b"Zlater\n")
        self.desk.disk.utime = self.refuse
        self.terminate()
        self.assertIn(f"warning: unable to utime remote/{number % 23}/{number}; message will be retried too soon",
                      self.desk.taken())

    def refuse(self, *arguments):
        """Fail as a disk does."""
        raise OSError(5, "Input/output error")


class Partners(TestCase):
    """Spawners and the door may go away."""

    def setUp(self):
        """Start on an empty queue."""
        self.desk = Desk(self.mktemp()).start()
        self.desk.taken()

    def test_idle_spawner(self):
        """Without a spawner there is nothing to do (SND-23)."""
        self.desk.scheduler.spawner_lost(0)
        self.desk.settle()
        self.assertEqual(self.desk.taken(), ["alert: oh no! lost spawn connection! dying...", "status: exiting"])
        self.assertTrue(self.desk.stopped)

    def test_busy_spawner(self):
        """What the lost spawner had in hand is tried again after the start; the other one finishes (SND-24)."""
        number = self.desk.arrive(b"r@remote.example", b"l@test.example")
        self.desk.taken()
        self.desk.scheduler.spawner_lost(1)
        self.desk.settle()
        self.assertFalse(self.desk.stopped)
        self.desk.report(b"Kdone\n", channel=0)
        self.assertEqual(self.desk.taken(), [
            "alert: oh no! lost spawn connection! dying...",
            "delivery 1: success: done/",
            "status: local 0/10 remote 1/20 exitasap",
            "status: exiting"])
        self.assertTrue(self.desk.stopped)
        self.desk.begin()
        self.desk.start()
        self.assertEqual([order[4] for order in self.desk.orders], [b"r@remote.example"])
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])

    def test_door(self):
        """Without a door running deliveries are finished, and then it ends (SND-25)."""
        number = self.desk.arrive(b"r@remote.example")
        self.desk.taken()
        self.desk.door.held = []
        self.desk.scheduler.door_lost()
        self.desk.settle()
        self.assertEqual(self.desk.taken(), ["alert: oh no! lost qmail-clean connection! dying..."])
        self.desk.report(b"K")
        self.assertEqual(self.desk.taken()[-2:], [f"end msg {number}", "status: exiting"])
        self.assertTrue(self.desk.stopped)

    def test_door_first(self):
        """A door that goes away while all is ending is not missed."""
        self.desk.scheduler.terminate()
        self.desk.scheduler.door_lost()
        self.desk.scheduler.spawner_lost(0)
        self.desk.settle()
        self.assertEqual(self.desk.taken(), ["status: exiting"])


class Reread(TestCase):
    """HUP."""

    def setUp(self):
        """Start with one virtual domain."""
        self.desk = Desk(self.mktemp(), virtualdomains={b"virt.example": b"joe"}).start()
        self.desk.taken()

    def test_new_tables(self):
        """New mail is routed by the new tables; success is silent (SND-28)."""
        self.desk.reread_gives = Router(b"test.example", [b"test.example"])
        self.desk.scheduler.hangup()
        self.desk.settle()
        self.assertEqual(self.desk.taken(), [])
        self.desk.arrive(b"a@virt.example")
        self.assertEqual(self.desk.orders[0][4], b"a@virt.example")

    def test_trouble(self):
        """If they cannot be read, the old ones stay, and that is told (SND-26, SND-27, C37)."""
        self.desk.reread_gives = alerts.CannotReread(b"control/locals")
        self.desk.scheduler.hangup()
        self.desk.settle()
        self.assertEqual(self.desk.taken(), ["alert: unable to reread control/locals"])
        self.desk.arrive(b"a@virt.example")
        self.assertEqual(self.desk.orders[0][4], b"joe-a@virt.example")
