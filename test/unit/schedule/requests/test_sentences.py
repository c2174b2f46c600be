"""Tests: bounce and delete, of messages in every place."""

from __future__ import annotations

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.schedule.requests.acts import RETURNED
from test.unit.schedule.requests.window import Answer, Window

FAR = b"a@far.example"
NEAR = b"joe@test.example"
TEXT = b"Go away."


class SentenceCase(SynchronousTestCase):
    """A test with a scheduler that runs."""

    def start(self, **settings):
        """Start it."""
        self.desk = Window(os.path.abspath(self.mktemp()), **settings).start()
        return self.desk

    def paragraphs(self):
        """What the only bounce says of its recipients."""
        [message] = self.desk.intake.messages
        return message.text.split(b"Sorry it didn't work out.\n\n")[1].split(b"--- Below")[0]

    def returned(self, *recipients, text=TEXT + b"\n"):
        """Check that there is one bounce about these."""
        self.assertEqual(self.paragraphs(), b"".join([b"<%s>:\n%s\n" % (each, text) for each in recipients]))

    def gone(self, number):
        """Check that nothing of a message is left, and that its number is as good as new."""
        self.assertEqual(self.desk.files(number), [])
        agenda, attempts = self.desk.scheduler.agenda, self.desk.scheduler.attempts
        self.assertEqual((agenda.parked, agenda.on_hold, agenda.held, attempts.jobs), ({}, set(), {}, {}))
        self.assertEqual(agenda.entries_of({number}), {number: []})
        self.assertEqual(self.desk.scheduler.wishes.sentences.passed, {})
        self.desk.orders.clear()
        self.desk.arrive(FAR, number=number)
        self.assertEqual([recipient for *_, recipient in self.desk.orders], [FAR])


class BounceTests(SentenceCase):
    """Messages that are returned."""

    def test_on_disk(self):
        """Every recipient is told of, no delivery starts, and the message ends as usual."""
        desk = self.start()
        number = desk.plan(FAR, NEAR)
        answer = desk.ask("bounce", TEXT, number)
        self.assertEqual((answer.words(), answer.is_ended), ({number: "done"}, True))
        self.returned(NEAR, FAR)
        self.assertEqual(desk.taken(), [f"qmailctl: bounce msg {number} by uid 0", f"bounce msg {number} qp 1",
                                        f"end msg {number}"])
        self.assertEqual(desk.orders, [])
        self.gone(number)

    def test_usual_text(self):
        """Without a text of his own the administrator says who it was."""
        desk = self.start()
        desk.ask("bounce", b"", desk.plan(FAR))
        self.returned(FAR, text=RETURNED)

    def test_some_done(self):
        """Whoever has the message is not told of; what failed before is."""
        desk = self.start()
        number = desk.arrive(FAR, b"b@far.example", b"c@far.example")
        desk.report(b"Kok\n", slot=0)
        desk.report(b"Dno\n", slot=1)
        desk.report(b"Zlater\n", slot=2)
        desk.ask("bounce", TEXT, number)
        self.assertEqual(self.paragraphs(), b"<b@far.example>:\nno\n\n<c@far.example>:\nGo away.\n\n")
        self.gone(number)

    def test_memory(self):
        """A message whose first attempt has not begun never costs a file."""
        desk = self.start(limits=(10, 0))
        number = desk.arrive(FAR)
        self.assertEqual(desk.word("bounce", TEXT, number), "done")
        self.returned(FAR)
        self.assertNotIn(f"todo/{number}", desk.door.commands)
        desk.begin(limits=(10, 20))
        desk.start()
        self.gone(number)

    def test_in_todo(self):
        """One that lies in todo unseen is returned."""
        desk = self.start()
        number, _, _ = desk.store(FAR)
        self.assertEqual(desk.word("bounce", TEXT, number), "done")
        self.returned(FAR)
        self.assertEqual(desk.orders, [])
        self.gone(number)

    def test_long(self):
        """So is one with many recipients."""
        desk = self.start()
        recipients = [b"r%d@far.example" % at for at in range(500)]
        number, _, _ = desk.store(*recipients)
        self.assertEqual(desk.word("bounce", TEXT, number), "done")
        self.returned(*recipients)
        self.assertEqual(desk.orders, [])
        self.gone(number)

    def test_in_flight(self):
        """A delivery that runs is not interrupted; whom it reaches is not told of."""
        for report, told in ((b"Kok\n", [b"b@far.example"]), (b"Zlater\n", [FAR, b"b@far.example"])):
            desk = self.start(limits=(10, 1))
            number = desk.arrive(FAR, b"b@far.example")
            answer = desk.ask("bounce", TEXT, number)
            self.assertEqual((answer.words(), answer.is_ended), ({number: "waits"}, True))
            self.assertEqual(desk.intake.messages, [])
            desk.report(report)
            self.returned(*told)
            self.assertEqual(len(desk.orders), 1)
            self.gone(number)

    def test_in_flight_on_disk(self):
        """The same when the message has files."""
        desk = self.start()
        number = desk.plan(FAR, NEAR)
        desk.ask("retry", number)
        self.assertEqual(len(desk.orders), 2)
        self.assertEqual(desk.word("bounce", TEXT, number), "waits")
        desk.report(b"Zlater\n", channel=1)
        self.assertEqual(desk.intake.messages, [])
        desk.report(b"Kok\n", channel=0)
        self.returned(FAR)
        self.gone(number)

    def test_slow_first_attempt(self):
        """The same when it is written down meanwhile."""
        desk = self.start()
        number = desk.arrive(FAR, b"b@far.example")
        desk.ask("bounce", TEXT, number)
        desk.wait(3)
        self.assertIn("info", desk.files(number))
        desk.report(b"Zlater\n", slot=1)
        desk.report(b"Zlater\n", slot=0)
        self.returned(FAR, b"b@far.example")
        self.gone(number)

    def test_being_written(self):
        """One that is just being written down is returned when that is over."""
        desk = self.start()
        desk.door.held = []
        number = desk.arrive(FAR)
        desk.report(b"Zlater\n")
        answer = desk.ask("bounce", TEXT, number)
        self.assertFalse(answer.is_ended)
        desk.door.release()
        desk.settle()
        self.assertEqual(answer.words(), {number: "done"})
        self.returned(FAR)
        self.gone(number)

    def test_on_hold(self):
        """A message on hold is returned, too."""
        desk = self.start()
        number = desk.plan(FAR)
        desk.ask("hold", number)
        self.assertEqual(desk.word("bounce", TEXT, number), "done")
        self.gone(number)

    def test_paused(self):
        """A pause of deliveries delays no return."""
        desk = self.start()
        number = desk.plan(FAR)
        desk.ask("pause")
        self.assertEqual(desk.word("bounce", TEXT, number), "done")
        desk.ask("cont")
        self.gone(number)

    def test_bouncing(self):
        """When the bounce is being sent already there is nothing to return or to delete."""
        desk = self.start()
        number = desk.plan(FAR)
        desk.ask("retry", number)
        self.patch(desk.scheduler.bounces, "_begin", lambda: None)
        desk.report(b"Dno\n")
        self.assertEqual(desk.word("bounce", TEXT, number), "already")
        self.assertEqual(desk.word("delete", number), "already")

    def test_twice(self):
        """A message that is being returned is neither held, tried nor returned once more."""
        desk = self.start()
        number = desk.arrive(FAR)
        desk.ask("bounce", TEXT, number)
        self.assertEqual(desk.word("bounce", TEXT, number), "already")
        self.assertEqual(desk.word("hold", number), "refused")
        self.assertEqual(desk.word("retry", number), "refused")
        self.assertEqual(desk.ask("show", number).values[0]["is_being_ended"], "bounce")

    def test_full_disk(self):
        """Without space for the text the recipient stays, and it is tried again later."""
        desk = self.start()
        number = desk.plan(FAR)
        write_all = desk.disk.write_all

        def fail(fd, data):
            """Fail."""
            raise OSError(errno.ENOSPC, "no space left on device")

        desk.disk.write_all = fail
        answer = desk.ask("bounce", TEXT, number)
        self.assertFalse(answer.is_ended)
        self.assertIn("info", desk.files(number))
        desk.disk.write_all = write_all
        desk.wait(130)
        self.assertTrue(answer.is_ended)
        self.returned(FAR)
        self.gone(number)

    def test_terminated(self):
        """What is not returned when the mail system ends stays in the queue."""
        desk = self.start()
        number = desk.arrive(FAR)
        desk.ask("bounce", TEXT, number)
        desk.scheduler.terminate()
        desk.report(b"Zlater\n")
        self.assertTrue(desk.stopped)
        self.assertEqual(desk.intake.messages, [])
        desk.again()
        desk.wait(1000)
        self.assertEqual(len(desk.orders), 1)

    def test_not_loaded(self):
        """One that the scan of the queue has not reached is returned once."""
        desk = self.start()
        number = desk.plan(FAR)
        for call in desk.clock.getDelayedCalls():
            call.cancel()
        desk.begin()
        answer = Answer()
        desk.acts.ask([b"bounce", TEXT, b"%d" % number], answer)
        desk.start()
        self.assertEqual(answer.words(), {number: "done"})
        self.returned(FAR)
        self.gone(number)

    def test_many(self):
        """Hundreds are returned in turn."""
        desk = self.start(limits=(10, 0))
        numbers = [desk.store(FAR)[0] for _ in range(300)]
        desk.scheduler.triggered()
        answer = desk.ask("bounce", TEXT, *numbers)
        desk.settle(turns=5000)
        self.assertEqual(answer.words(), dict.fromkeys(numbers, "done"))
        self.assertEqual(len(desk.intake.messages), 300)


class DeleteTests(SentenceCase):
    """Messages that are deleted."""

    def test_on_disk(self):
        """Nothing of it is left, and nobody is told."""
        desk = self.start()
        number = desk.plan(FAR, NEAR)
        self.assertEqual(desk.word("delete", number), "done")
        self.assertEqual(desk.taken(), [f"qmailctl: delete msg {number} by uid 0", f"end msg {number}"])
        self.assertEqual((desk.intake.messages, desk.orders), ([], []))
        self.gone(number)

    def test_failed_before(self):
        """Nobody is told of those who failed before, either."""
        desk = self.start()
        number = desk.arrive(FAR, b"b@far.example")
        desk.report(b"Dno\n", slot=0)
        desk.report(b"Zlater\n", slot=1)
        self.assertIn("bounce", desk.files(number))
        self.assertEqual(desk.word("delete", number), "done")
        self.assertEqual(desk.intake.messages, [])
        self.gone(number)

    def test_memory(self):
        """A message in memory."""
        desk = self.start(limits=(10, 0))
        number = desk.arrive(FAR)
        self.assertEqual(desk.word("delete", number), "done")
        self.assertEqual(desk.files(number), [])

    def test_in_todo(self):
        """A message in todo, of few recipients or many."""
        for count in (1, 100):
            desk = self.start()
            number, _, _ = desk.store(*[b"r%d@far.example" % at for at in range(count)])
            self.assertEqual(desk.word("delete", number), "done")
            self.assertEqual(desk.orders, [])
            self.gone(number)

    def test_in_flight(self):
        """A delivery that runs is not interrupted; what it leaves is deleted, and no failure is told."""
        for report in (b"Kok\n", b"Zlater\n", b"Dno\n"):
            desk = self.start()
            number = desk.arrive(FAR)
            self.assertEqual(desk.word("delete", number), "waits")
            desk.report(report)
            self.assertEqual(desk.intake.messages, [])
            self.gone(number)

    def test_waiting_bounce(self):
        """One of which only the bounce is left goes without it."""
        desk = self.start()
        number = desk.plan(FAR)
        desk.ask("retry", number)
        self.patch(desk.scheduler.bounces, "SIDE_BY_SIDE", 0)
        desk.report(b"Dno\n")
        self.assertIn("bounce", desk.files(number))
        self.patch(desk.scheduler.bounces, "SIDE_BY_SIDE", 4)
        answer = Answer()
        desk.acts.ask([b"delete", b"%d" % number], answer)
        desk.settle()
        self.assertEqual(answer.words(), {number: "done"})
        self.assertEqual(desk.intake.messages, [])
        self.gone(number)

    def test_unlink_fails(self):
        """If a file cannot be removed, it is tried again later."""
        desk = self.start()
        number = desk.plan(FAR)
        unlink = desk.disk.unlink

        def fail(path):
            """Fail."""
            raise OSError(errno.EIO, "input/output error")

        desk.disk.unlink = fail
        answer = desk.ask("delete", number)
        self.assertFalse(answer.is_ended)
        desk.disk.unlink = unlink
        desk.wait(300)
        self.assertTrue(answer.is_ended)
        self.gone(number)
