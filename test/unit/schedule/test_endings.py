"""Tests: the end of messages."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from test.unit.schedule.desk import Desk


class Elimination(TestCase):
    """Messages of which files remain."""

    def setUp(self):
        """Have message 31 with everybody settled, and a bounce to send."""
        self.desk = Desk(self.mktemp())
        self.desk.put(self.desk.name("mess", 31), b"Subject: x\n\n" + b"y" * 100000)
        self.desk.put(self.desk.name("info", 31), b"Fs@remote.example\0")
        self.desk.put("bounce/31", b"<a@b>:\nno\n\n")

    def test_bounce(self):
        """The bounce is sent, then the message ends; nothing is left."""
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], ["bounce msg 31 qp 1", "end msg 31"])
        self.assertEqual(self.desk.files(), [])
        self.assertEqual(self.desk.door.commands, ["foop/31"])
        text = self.desk.intake.messages[0].text
        self.assertTrue(text.endswith(b"Return-Path: <s@remote.example>\nSubject: x\n\n" + b"y" * 100000))

    def test_order_of_removal(self):
        """The bounce is queued before bounce/N goes, and info/N is gone for good before the text goes."""
        steps = []
        disk = self.desk.disk
        unlink, fsync_dir = disk.unlink, disk.fsync_dir
        disk.unlink = lambda name: steps.append((name, len(self.desk.intake.messages))) or unlink(name)
        disk.fsync_dir = lambda name: steps.append((name, len(self.desk.door.commands))) or fsync_dir(name)
        self.desk.start()
        self.assertEqual(steps, [("bounce/31", 1), ("info/8/31", 1), ("info/8", 0), ("todo", 1)])

    def test_bounce_cannot_be_removed(self):
        """If bounce/N cannot be removed after its injection, the bounce is sent again (C29)."""
        unlink, self.desk.disk.unlink = self.desk.disk.unlink, self.refuse
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], ["bounce msg 31 qp 1", "warning: unable to unlink bounce/31"])
        self.desk.disk.unlink = unlink
        self.desk.wait(124)
        self.assertEqual((len(self.desk.intake.messages), self.desk.files()), (2, []))

    def test_info_cannot_be_removed(self):
        """If info/N cannot be removed, the end is logged again at the next try."""
        os.unlink(f"{self.desk.path}/bounce/31")
        unlink, self.desk.disk.unlink = self.desk.disk.unlink, self.refuse
        self.desk.start()
        lines = ["end msg 31", "warning: unable to unlink info/8/31; will try again later"]
        self.assertEqual(self.desk.taken()[1:], lines)
        self.desk.wait(124)
        self.assertEqual(self.desk.taken(), lines)
        self.desk.disk.unlink = unlink
        self.desk.wait(124)
        self.assertEqual(self.desk.files(), [])

    def test_text_cannot_be_removed(self):
        """If the door cannot remove the text, the clean-up scan will."""
        self.desk.door.words = [b"!"]
        self.desk.start()
        self.assertEqual(self.desk.taken()[-1], "warning: qmail-clean unable to clean up foop/31")
        self.assertEqual(self.desk.files(), ["mess"])

    def test_unreadable_info(self):
        """A bounce whose sender cannot be read waits in silence."""
        self.desk.put(self.desk.name("info", 31), b"")
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], [])
        self.desk.put(self.desk.name("info", 31), b"Fs@x\0")
        self.desk.wait(124)
        self.assertEqual(self.desk.files(), [])

    def test_unreadable_text(self):
        """A bounce whose message cannot be read is tried again."""
        os.unlink(f"{self.desk.path}/mess/8/31")
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], ["warning: trouble injecting bounce message, will try later"])
        self.assertEqual(self.desk.intake.open_drafts, 0)

    def test_stat_trouble(self):
        """What cannot be looked at is looked at again later."""
        stat = self.desk.disk.stat
        self.desk.start_with = None
        for name, warning in (
            ("bounce/31", "warning: unable to stat bounce/31"),
            ("info/8/31", "warning: unable to stat info/8/31; will try again later"),
        ):
            self.desk.disk.stat = lambda path, name=name: self.refuse() if path == name else stat(path)
            self.desk.begin()
            self.desk.start()
            self.assertEqual(self.desk.taken()[1:], [warning])
        self.desk.disk.stat = stat
        self.desk.wait(124)
        self.assertEqual(self.desk.files(), [])

    def test_false_alarm(self):
        """A message that has recipients after all, or is still in todo, does not end."""
        self.desk.scheduler.agenda.add(2, 31, self.desk.now())
        self.desk.put("todo/31", b"junk")
        self.desk.start()
        self.assertNotIn("end msg 31", self.desk.taken())

    def refuse(self, *arguments):
        """Fail as a disk does."""
        raise OSError(5, "Input/output error")


class ManyBounces(TestCase):
    """A dead domain."""

    def test_other_mail_passes(self):
        """Hundreds of bounces to send do not hold up other mail (B13)."""
        desk = Desk(self.mktemp())
        for number in range(100, 400):
            desk.put(desk.name("mess", number), b"x")
            desk.put(desk.name("info", number), b"Fs@dead.example\0")
            desk.put(f"bounce/{number}", b"<a@b>:\nno\n\n")
        desk.scheduler.start()
        desk.scheduler.arrived(*desk.store(b"a@test.example"))
        turns = 0
        while not desk.orders:
            turns += 1
            call = min(desk.clock.getDelayedCalls(), key=lambda call: call.getTime())
            desk.clock.calls.remove(call)
            call.func(*call.args, **call.kw)
            call.called = 1
        self.assertLess(turns, 20)
        self.assertLess(len(desk.intake.messages), 100)
