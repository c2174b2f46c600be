"""Tests: retry, hold and release, of messages in every place."""

from __future__ import annotations

import errno
import os
import stat

from twisted.trial.unittest import SynchronousTestCase

from test.unit.schedule.requests.window import Answer, Window

FAR = b"a@far.example"


class WishCase(SynchronousTestCase):
    """A test with a scheduler that runs."""

    def setUp(self):
        """Start it."""
        self.desk = Window(os.path.abspath(self.mktemp())).start()

    def is_marked(self, number):
        """Is info/N of a message executable?"""
        path = f"{self.desk.path}/{self.desk.name('info', number)}"
        return bool(os.stat(path).st_mode & stat.S_IXUSR)

    def recipients(self):
        """To whom deliveries were ordered, since the last time."""
        orders, self.desk.orders = self.desk.orders, []
        return [recipient for *_, recipient in orders]


class HoldTests(WishCase):
    """Hold and release."""

    def test_on_disk(self):
        """A message that waits is not tried until it is released; then at once."""
        number = self.desk.plan(FAR)
        self.assertEqual(self.desk.word("hold", number), "done")
        self.assertTrue(self.is_marked(number))
        self.desk.wait(10000)
        self.assertEqual(self.recipients(), [])
        self.assertEqual(self.desk.word("hold", number), "already")
        self.assertEqual(self.desk.word("release", number), "done")
        self.assertFalse(self.is_marked(number))
        self.assertEqual(self.recipients(), [FAR])
        self.assertEqual(self.desk.word("release", number), "already")
        self.assertEqual([line for line in self.desk.taken() if line.startswith("qmailctl")],
                         [f"qmailctl: hold msg {number} by uid 0", f"qmailctl: release msg {number} by uid 0"])

    def test_restart(self):
        """A hold survives the end of the scheduler, however that came."""
        number = self.desk.plan(FAR)
        self.desk.ask("hold", number)
        self.desk.again()
        self.desk.wait(10000)
        self.assertEqual(self.recipients(), [])
        self.assertEqual(self.desk.word("release", number), "done")
        self.assertEqual(self.recipients(), [FAR])

    def test_ordinary_end(self):
        """At the end the times of messages on hold are kept like those of others."""
        number = self.desk.plan(FAR)
        self.desk.ask("hold", number)
        due_at = self.desk.ask("show", number).values[0]["next"]["remote"]
        self.desk.scheduler.terminate()
        self.desk.settle()
        self.assertEqual(self.desk.mtime("remote", number), due_at)

    def test_flush(self):
        """ALRM and flush pass over messages on hold."""
        number = self.desk.plan(FAR)
        self.desk.ask("hold", number)
        self.desk.ask("flush")
        self.desk.scheduler.alarm()
        self.desk.settle()
        self.assertEqual(self.recipients(), [])

    def test_in_flight(self):
        """What is in flight goes on; what it leaves waits."""
        number = self.desk.arrive(FAR)
        self.recipients()
        answer = self.desk.ask("hold", number)
        self.assertEqual(answer.words(), {number: "done"})
        self.assertTrue(self.is_marked(number))
        self.desk.report(b"Zlater\n")
        self.desk.wait(10000)
        self.assertEqual(self.recipients(), [])
        self.desk.ask("release", number)
        self.assertEqual(self.recipients(), [FAR])

    def test_in_flight_and_done(self):
        """If it leaves nothing, the message ends, and its number is free."""
        number = self.desk.plan(FAR)
        self.desk.ask("retry", number)
        self.desk.ask("hold", number)
        self.desk.report(b"Kok\n")
        self.assertEqual(self.desk.files(number), [])
        self.desk.arrive(FAR, number=number)
        self.assertEqual(self.recipients(), [FAR, FAR])

    def test_half_read(self):
        """No further recipient is tried when the file is open."""
        self.desk = Window(os.path.abspath(self.mktemp()), limits=(10, 1)).start()
        number = self.desk.plan(FAR)
        other = self.desk.arrive(b"b@far.example", b"c@far.example", b"d@far.example")
        self.assertEqual(self.recipients(), [b"b@far.example"])
        self.assertEqual(self.desk.word("hold", other), "done")
        self.desk.report(b"Kok\n")
        self.desk.wait(10000)
        self.assertEqual(self.recipients(), [FAR])
        self.desk.report(b"Kok\n")
        self.assertEqual(self.desk.files(number), [])
        self.desk.ask("release", other)
        self.assertEqual(self.recipients(), [b"c@far.example"])

    def test_first_attempt_waits(self):
        """A message in memory whose turn has not come is written down and waits."""
        self.desk = Window(os.path.abspath(self.mktemp()), limits=(10, 0)).start()
        number = self.desk.arrive(FAR)
        self.assertNotIn("info", self.desk.files(number))
        self.assertEqual(self.desk.word("hold", number), "done")
        self.assertTrue(self.is_marked(number))
        self.assertNotIn("todo", self.desk.files(number))

    def test_in_todo(self):
        """A message that lies in todo unseen is looked at, written down, and waits."""
        number, _, _ = self.desk.store(FAR)
        self.assertEqual(self.desk.word("hold", number), "done")
        self.assertTrue(self.is_marked(number))
        self.assertEqual(self.recipients(), [])

    def test_long(self):
        """So does one with many recipients."""
        number, _, _ = self.desk.store(*[b"r%d@far.example" % at for at in range(100)])
        self.assertEqual(self.desk.word("hold", number), "done")
        self.desk.wait(10000)
        self.assertEqual(self.recipients(), [])
        self.assertTrue(self.is_marked(number))

    def test_useless(self):
        """One that cannot be used is left as it is, and that is said."""
        self.desk.put("todo/25", b"garbage\0")
        self.desk.put(self.desk.name("mess", 25), b"x\n")
        self.assertEqual(self.desk.word("hold", 25), "trouble")

    def test_released_at_once(self):
        """Released before it is written down, it goes on, and whoever held it is told."""
        self.desk.door.held = []
        number = self.desk.arrive(FAR)
        self.recipients()
        held = self.desk.ask("hold", number)
        self.assertFalse(held.is_ended)
        self.assertEqual(self.desk.word("release", number), "done")
        self.desk.door.release()
        self.desk.settle()
        self.assertEqual(held.words(), {number: "refused"})
        self.desk.report(b"Zlater\n")
        self.desk.wait(500)
        self.assertEqual(self.recipients(), [FAR])

    def test_ended_meanwhile(self):
        """If it leaves the queue before it is on hold, that is said."""
        number = self.desk.arrive(FAR)
        held = Answer()
        self.desk.acts.ask([b"hold", b"%d" % number], held)
        self.desk.report(b"Kok\n")
        self.assertEqual(held.words(), {number: "not found"})

    def test_removed_by_hand(self):
        """A message on hold that somebody removes with rm does not hold back the next one of its number."""
        number = self.desk.plan(FAR)
        self.desk.ask("hold", number)
        for kind in ("info", "remote", "mess"):
            os.unlink(f"{self.desk.path}/{self.desk.name(kind, number)}")
        self.desk.arrive(FAR, number=number)
        self.assertEqual(self.recipients(), [FAR])

    def test_nowhere(self):
        """Without a message there is nothing to hold, and nothing is remembered."""
        for verb in ("hold", "release", "retry", "delete"):
            self.assertEqual(self.desk.word(verb, 4711), "not found")
        self.assertEqual(self.desk.word("bounce", b"", 4711), "not found")
        self.desk.arrive(FAR, number=4711)
        self.assertEqual(self.recipients(), [FAR])

    def test_leaving(self):
        """A message that is on its way out is gone."""
        number = self.desk.arrive(FAR)
        self.desk.door.held = []
        self.desk.report(b"Kok\n")
        self.assertEqual(self.desk.word("hold", number), "not found")

    def test_disk(self):
        """If the disk fails, the message goes on as before."""
        number = self.desk.plan(FAR)

        def fail(fd, mode):
            """Fail."""
            raise OSError(errno.EIO, "input/output error")

        self.patch(self.desk.disk, "set_mode", fail)
        self.assertEqual(self.desk.word("hold", number), "trouble")
        self.desk.wait(500)
        self.assertEqual(self.recipients(), [FAR])

    def test_sync(self):
        """Only what is durable is done."""
        number = self.desk.plan(FAR)

        def fail(fd):
            """Fail."""
            raise OSError(errno.EIO, "input/output error")

        self.patch(self.desk.disk, "fsync", fail)
        self.assertEqual(self.desk.word("hold", number), "trouble")


class RetryTests(WishCase):
    """Retry."""

    def test_waiting(self):
        """A message that waits is tried at once, and only it."""
        first, second = self.desk.plan(FAR), self.desk.plan(b"b@far.example")
        self.assertEqual(self.desk.ask("retry", first, first).words(), {first: "done"})
        self.assertEqual(self.recipients(), [FAR])
        self.desk.report(b"Zlater\n")
        self.desk.wait(500)
        self.assertEqual(sorted(self.recipients()), [FAR, b"b@far.example"])
        self.assertEqual(self.desk.files(second).count("info"), 1)

    def test_both_channels(self):
        """Local recipients and others are tried."""
        number = self.desk.plan(FAR, b"joe@test.example")
        self.desk.ask("retry", number)
        self.assertEqual(sorted(self.recipients()), [FAR, b"joe@test.example"])

    def test_in_flight(self):
        """What a running delivery leaves is tried at once."""
        number = self.desk.arrive(FAR)
        self.assertEqual(self.desk.word("retry", number), "waits")
        self.desk.report(b"Zlater\n")
        self.assertEqual(self.recipients(), [FAR, FAR])

    def test_on_hold(self):
        """A message on hold is not tried."""
        number = self.desk.plan(FAR)
        self.desk.ask("hold", number)
        self.assertEqual(self.desk.word("retry", number), "refused")
        self.assertEqual(self.recipients(), [])

    def test_in_todo(self):
        """One in todo is looked at and tried."""
        number, _, _ = self.desk.store(FAR)
        self.assertEqual(self.desk.word("retry", number), "done")
        self.assertEqual(self.recipients(), [FAR])

    def test_not_loaded(self):
        """One that the scan of the queue has not reached comes up once."""
        number = self.desk.plan(FAR)
        for call in self.desk.clock.getDelayedCalls():
            call.cancel()
        self.desk.begin()
        self.assertEqual(self.desk.ask("retry", number).words(), {number: "done"})
        self.desk.start()
        self.assertEqual(self.recipients(), [FAR])
        self.desk.report(b"Zlater\n")
        self.assertEqual(self.recipients(), [])

    def test_settled(self):
        """Where everybody is settled there is nobody to try."""
        number = self.desk.plan(FAR)
        self.desk.intake.problem = b"Zno"
        os.unlink(f"{self.desk.path}/{self.desk.name('remote', number)}")
        self.desk.scheduler.agenda.take_out({number})
        self.assertEqual(self.desk.word("retry", number), "already")
