"""Tests: retries, expiry, and reading recipient files."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from test.unit.schedule.desk import Desk

TOO_LONG = "I'm not going to try again; this message has been in the queue too long.\n"


class Retries(TestCase):
    """Messages that do not go through at once."""

    def setUp(self):
        """Start on an empty queue."""
        self.desk = Desk(self.mktemp()).start()

    def attempts(self, channel, seconds):
        """Put every attempt off for a while; give the times after birth at which they were made."""
        born, times = self.desk.now(), []
        number = self.desk.arrive(b"a@test.example" if channel == 0 else b"a@remote.example")
        end = self.desk.clock.seconds() + seconds
        while self.desk.clock.seconds() < end:
            if self.desk.orders:
                times.append(self.desk.now() - born)
                self.desk.orders.clear()
                self.desk.report(b"Zno\n", channel=channel)
            upcoming = self.desk.scheduler.agenda.dues[channel].earliest()
            if upcoming is None or self.desk.files(number) == []:
                break
            self.desk.wait(max(1, upcoming - self.desk.now()))
        return times

    def assert_grid(self, times, grid):
        """Check that attempts were made on the grid, or a second later."""
        self.assertEqual(len(times), len(grid))
        for at, planned in zip(times, grid, strict=True):
            self.assertIn(at - planned, (0, 1))

    def test_local_schedule(self):
        """Local attempts are made 100 k^2 seconds after birth (SND-21)."""
        self.assert_grid(self.attempts(0, 10001), [100 * k * k for k in range(11)])

    def test_remote_schedule(self):
        """Remote attempts are made 400 k^2 seconds after birth, the last one beyond the lifetime."""
        self.assert_grid(self.attempts(1, 700000), [400 * k * k for k in range(40)])
        self.assertIn("delivery 40: failure: no/I'm_not_going_to_try_again;", "\n".join(self.desk.taken()))
        self.assertIn(f"<a@remote.example>:\nno\n{TOO_LONG}".encode(), self.desk.intake.messages[0].text)
        self.assertEqual(self.desk.files(), [])

    def test_success_of_the_last_attempt(self):
        """The attempt of a message that is too old is an attempt like any other."""
        self.desk.put(self.desk.name("info", 46), b"Fs@x\0", at=self.desk.now() - 700000)
        self.desk.put(self.desk.name("remote", 46), b"Tr@remote.example\0")
        self.desk.put(self.desk.name("mess", 46), b"x")
        self.desk.begin()
        self.desk.start()
        self.desk.report(b"Kok")
        self.assertEqual((self.desk.files(), self.desk.intake.messages), ([], []))

    def test_no_lifetime(self):
        """With lifetime 0 the first attempt is not the last one, the second is; ALRM makes it at once (SND-19)."""
        desk = Desk(self.mktemp(), lifetime=0).start()
        desk.arrive(b"a@remote.example")
        desk.report(b"Znonewline")
        desk.wait(2)
        desk.scheduler.alarm()
        desk.settle()
        desk.report(b"Znonewline")
        self.assertIn("delivery 2: failure: nonewlineI'm_not_going_to_try_again;", "\n".join(desk.taken()))
        self.assertEqual(len(desk.intake.messages), 1)

    def test_long_report_of_the_last_attempt(self):
        """The sentence follows 9997 bytes of an endless report (SND-17)."""
        desk = Desk(self.mktemp(), lifetime=0).start()
        desk.arrive(b"a@remote.example")
        desk.report(b"Z")
        desk.wait(401)
        desk.report(b"Z" + b"x" * 9998)
        text = desk.intake.messages[0].text
        self.assertTrue(b"<a@remote.example>:\n" + b"x" * 9997 + TOO_LONG.encode() + b"\n---" in text)

    def test_mangled_when_dying(self):
        """Garbage never becomes a failure, not even at the end."""
        desk = Desk(self.mktemp(), lifetime=0).start()
        number = desk.arrive(b"a@remote.example")
        desk.report(b"Z")
        desk.wait(401)
        desk.report(b"Q")
        self.assertEqual(desk.files(number), ["info", "mess", "remote"])

    def test_clock_forward(self):
        """A clock set forward by eight days bounces nothing; retries go on (F18)."""
        number = self.desk.arrive(b"a@remote.example")
        self.desk.report(b"Zlater\n")
        self.desk.jump = 8 * 86400
        self.desk.wait(401)
        self.desk.report(b"Zlater\n")
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])
        self.desk.jump = 0
        self.desk.wait(1201)
        self.assertEqual(len(self.desk.orders), 3)

    def test_clock_backward(self):
        """A clock set back by a year stops no retry (F19)."""
        self.desk.arrive(b"a@remote.example")
        self.desk.report(b"Zlater\n")
        self.desk.jump = -365 * 86400
        self.desk.wait(401)
        self.assertEqual(len(self.desk.orders), 2)
        self.desk.arrive(b"b@remote.example")
        self.desk.report(b"Zlater\n", slot=1)
        self.desk.wait(401)
        self.assertEqual(self.desk.orders[-1][4], b"b@remote.example")

    def test_alarm(self):
        """ALRM makes every message due that waits; those being delivered keep their schedule."""
        self.desk.arrive(b"a@remote.example")
        self.desk.report(b"Zlater\n")
        self.desk.arrive(b"b@remote.example")
        self.desk.scheduler.alarm()
        self.desk.settle()
        self.assertEqual([order[4][:1] for order in self.desk.orders], [b"a", b"b", b"a"])
        self.desk.report(b"Zlater\n")
        self.desk.wait(390)
        self.assertEqual(len(self.desk.orders), 3)

    def test_late_report(self):
        """A delivery that outlasts the retry interval is not made twice at a time."""
        self.desk.arrive(b"a@remote.example")
        self.desk.wait(5000)
        self.assertEqual(len(self.desk.orders), 1)
        self.desk.report(b"Zlater\n")
        self.desk.settle()
        self.assertEqual(len(self.desk.orders), 2)


class Files(TestCase):
    """Recipient files as they may be found."""

    def setUp(self):
        """Prepare a queue; the test starts the scheduler."""
        self.desk = Desk(self.mktemp())

    def queue(self, number, local=None, remote=None, info=b"Fs@x\0"):
        """Write the files of a message."""
        self.desk.put(self.desk.name("mess", number), b"x")
        self.desk.put(self.desk.name("info", number), info)
        for kind, data in (("local", local), ("remote", remote)):
            if data is not None:
                self.desk.put(self.desk.name(kind, number), data)

    def test_unknown_record(self):
        """A record of another letter ends the pass; the message stays (SND-32)."""
        self.queue(30, local=b"Ta@test.example\0Xb\0Tc@test.example\0")
        self.desk.start()
        self.assertEqual([order[4] for order in self.desk.orders], [b"a@test.example"])
        self.assertIn("warning: unknown record type in local/7/30!", self.desk.taken())
        self.desk.report(b"K", channel=0)
        self.assertEqual(self.desk.read("local", 30), b"Da@test.example\0Xb\0Tc@test.example\0")
        self.desk.wait(101)
        self.assertEqual(self.desk.taken().count("warning: unknown record type in local/7/30!"), 1)

    def test_only_settled(self):
        """A file of settled recipients, or none at all, ends the message at the start (SND-33)."""
        self.queue(31, local=b"Da@test.example\0")
        self.queue(32)
        self.desk.start()
        self.assertEqual(sorted(self.desk.taken()[1:]), ["end msg 31", "end msg 32"])
        self.assertEqual(self.desk.files(), [])

    def test_settled_are_not_repeated(self):
        """Recipients that are done are passed over (SND-36)."""
        self.queue(31, remote=b"Da@remote.example\0Tb@remote.example\0Dc@remote.example\0")
        self.desk.start()
        self.assertEqual([order[4] for order in self.desk.orders], [b"b@remote.example"])

    def test_partial_record(self):
        """A last record without its zero does not exist."""
        self.queue(31, remote=b"Da@remote.example\0Tb@remo")
        self.desk.start()
        self.assertEqual(self.desk.orders, [])
        self.assertEqual(self.desk.files(), [])

    def test_bad_info(self):
        """Without a readable sender nothing is delivered; it is tried again (core-send 7.1)."""
        self.queue(31, remote=b"Tb@remote.example\0", info=b"")
        self.desk.start()
        warning = "warning: trouble opening info/8/31; will try again later"
        self.assertEqual(self.desk.taken()[1:], [warning])
        self.desk.put("info/8/31", b"Fs@x\0")
        self.desk.wait(124)
        self.assertEqual(len(self.desk.orders), 1)

    def test_unreadable_recipients(self):
        """A recipient file that cannot be opened is tried again."""
        self.queue(31, remote=b"Tb@remote.example\0")
        os.rename(f"{self.desk.path}/remote/8/31", f"{self.desk.path}/remote/8/was")
        os.symlink("loop", f"{self.desk.path}/remote/8/31")
        self.desk.start()
        self.assertIn("warning: trouble opening remote/8/31; will try again later", self.desk.taken())

    def test_read_error(self):
        """A recipient file that cannot be read ends the pass; the message stays."""
        self.queue(31)
        os.mkdir(f"{self.desk.path}/remote/8/31")
        self.desk.start()
        self.assertIn("warning: trouble reading remote/8/31; will try again later", self.desk.taken())

    def test_file_cannot_be_removed(self):
        """A finished recipient file that cannot be removed is told and tried again."""
        self.queue(31, remote=b"Tb@remote.example\0")
        self.desk.start()
        unlink, self.desk.disk.unlink = self.desk.disk.unlink, self.refuse
        self.desk.report(b"K")
        warning = "warning: unable to unlink remote/8/31; will try again later"
        self.assertIn(warning, self.desk.taken())
        self.desk.disk.unlink = unlink
        self.desk.wait(124)
        self.assertEqual((len(self.desk.orders), self.desk.files()), (1, []))

    def refuse(self, *arguments):
        """Fail as a disk does."""
        raise OSError(5, "Input/output error")

    def test_mark_fails(self):
        """A mark that cannot be written is told, and the message goes on (F04)."""
        self.queue(31, remote=b"Ta@remote.example\0Tb@remote.example\0")
        self.desk.start()
        self.desk.disk.write_at = self.refuse
        self.desk.report(b"K")
        self.assertIn("warning: trouble marking remote/8/31; message will be delivered twice!", self.desk.taken())
        self.desk.report(b"K", slot=1)
        self.assertEqual(self.desk.files(), [])

    def test_mark_is_not_durable(self):
        """A mark whose sync fails is told (F07)."""
        self.queue(31, remote=b"Ta@remote.example\0Tb@remote.example\0")
        self.desk.start()
        self.desk.disk.fsync = self.refuse
        self.desk.report(b"K")
        self.desk.wait(0.05)
        self.assertIn("warning: trouble marking remote/8/31; message will be delivered twice!", self.desk.taken())

    def test_marks_are_durable_soon(self):
        """A mark is synced within 50 ms, together with others of the same file."""
        self.queue(31, remote=b"Ta@remote.example\0Tb@remote.example\0Tc@remote.example\0")
        self.desk.start()
        synced = []
        self.desk.disk.fsync = synced.append
        self.desk.report(b"K")
        self.desk.report(b"K", slot=1)
        self.assertEqual(synced, [])
        self.desk.wait(0.05)
        self.assertEqual(len(synced), 1)
        self.assertTrue(self.desk.read("remote", 31).startswith(b"Da@remote.example\0Db@remote.example\0T"))

    def test_failure_is_durable_before_its_mark(self):
        """A failed recipient is marked only when the text for the bounce is on disk, directory included."""
        self.queue(31, remote=b"Ta@remote.example\0Tb@remote.example\0")
        self.desk.start()
        steps = []
        disk = self.desk.disk
        fsync, fsync_dir, write_at = disk.fsync, disk.fsync_dir, disk.write_at
        disk.fsync = lambda fd: steps.append("fsync") or fsync(fd)
        disk.fsync_dir = lambda path: steps.append(f"fsync {path}") or fsync_dir(path)
        disk.write_at = lambda *arguments: steps.append("mark") or write_at(*arguments)
        self.desk.report(b"Dno\n")
        self.desk.wait(1)
        self.assertEqual(steps, ["fsync", "fsync bounce", "mark", "fsync"])

    def test_no_space_for_the_bounce(self):
        """Without space for the text the recipient stays to do and is tried again (F03)."""
        self.queue(31, remote=b"Ta@remote.example\0")
        self.desk.start()
        write, self.desk.disk.write_all = self.desk.disk.write_all, self.refuse
        self.desk.report(b"Dno\n")
        self.assertIn("alert: unable to append to bounce message; HELP! sleeping...", self.desk.taken())
        self.assertEqual(self.desk.read("remote", 31), b"Ta@remote.example\0")
        self.assertEqual(self.desk.read("bounce", 31), b"")
        self.desk.disk.write_all = write
        self.desk.wait(401)
        self.desk.report(b"Dno\n")
        self.assertEqual(self.desk.intake.messages[0].text.count(b"<a@remote.example>:\nno\n"), 1)
        self.assertEqual(self.desk.files(), [])

    def test_bounce_sync_fails(self):
        """A text that is not durable does not settle its recipient (F07)."""
        self.queue(31, remote=b"Ta@remote.example\0")
        self.desk.start()
        self.desk.disk.fsync = self.refuse
        self.desk.report(b"Dno\n")
        self.assertIn("alert: unable to append to bounce message; HELP! sleeping...", self.desk.taken())
        self.assertEqual(self.desk.read("remote", 31), b"Ta@remote.example\0")

    def test_many_settled(self):
        """A long file of settled recipients is read in slices, to its end."""
        self.queue(31, remote=b"Da@remote.example\0" * 30000 + b"Tb@remote.example\0")
        self.desk.start()
        self.assertEqual([order[4] for order in self.desk.orders], [b"b@remote.example"])
