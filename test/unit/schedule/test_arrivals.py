"""Tests: messages found in todo."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from test.unit.schedule.desk import Desk


class Todo(TestCase):
    """Looking through todo."""

    def setUp(self):
        """Prepare a queue; the test starts the scheduler."""
        self.desk = Desk(self.mktemp())

    def scan(self):
        """Pull the trigger and wait."""
        self.desk.scheduler.triggered()
        self.desk.wait(1)

    def test_at_the_start(self):
        """Messages that wait in todo are taken at the start."""
        number, _, _ = self.desk.store(b"a@remote.example")
        self.desk.start()
        self.assertEqual(len(self.desk.orders), 1)
        self.desk.report(b"K")
        self.assertEqual((self.desk.files(), self.desk.door.commands), ([], [f"done/{number}"]))

    def test_trigger(self):
        """The trigger has todo looked through."""
        self.desk.start()
        self.desk.store(b"a@remote.example")
        self.desk.wait(100)
        self.assertEqual(self.desk.orders, [])
        self.scan()
        self.assertEqual(len(self.desk.orders), 1)

    def test_poll(self):
        """Without a trigger todo is looked through every 1500 seconds (F22)."""
        self.desk.start()
        self.desk.store(b"a@remote.example")
        self.desk.wait(1499)
        self.assertEqual(self.desk.orders, [])
        self.desk.wait(1)
        self.assertEqual(len(self.desk.orders), 1)

    def test_trigger_happy(self):
        """Whoever pulls the trigger all the time has todo looked through once a second."""
        self.desk.start()
        scans = []
        names = self.desk.disk.names
        self.desk.disk.names = lambda path: scans.append(path) or names(path)
        for _ in range(100):
            self.desk.scheduler.triggered()
            self.desk.wait(0.05)
        self.assertLessEqual(scans.count("todo"), 6)

    def test_remains(self):
        """What an interrupted preprocessing left is removed and written anew (S4)."""
        number, _, _ = self.desk.store(b"a@remote.example")
        for kind in ("info", "local", "remote"):
            self.desk.put(self.desk.name(kind, number), b"Tstale@test.example\0")
        self.desk.put(f"bounce/{number}", b"stale")
        self.desk.start()
        self.assertEqual([order[4] for order in self.desk.orders], [b"a@remote.example"])
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])
        self.assertEqual(self.desk.read("remote", number), b"Ta@remote.example\0")
        self.assertEqual(self.desk.taken()[1:3], [
            f"new msg {number}",
            f"info msg {number}: bytes 18 from <joe@test.example> qp {7000 + number} uid 1002"])
        self.desk.report(b"K")
        self.assertEqual(self.desk.files(), [])

    def test_unknown_record(self):
        """A record of another letter leaves the message alone until the file is mended (SND-30)."""
        number, _, record = self.desk.store(b"a@remote.example")
        self.desk.put(f"todo/{number}", record + b"Kx\0")
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], [
            f"new msg {number}",
            f"info msg {number}: bytes 18 from <joe@test.example> qp {7000 + number} uid 1002",
            f"warning: unknown record type in todo/{number}"])
        self.assertEqual(self.desk.orders, [])
        self.scan()
        self.assertEqual(self.desk.taken(), [])
        self.desk.wait(1)
        self.desk.put(f"todo/{number}", record, at=self.desk.now() + 5)
        self.scan()
        self.assertEqual(len(self.desk.orders), 1)

    def test_empty_record(self):
        """An empty record is unknown too."""
        number, _, record = self.desk.store(b"a@remote.example")
        self.desk.put(f"todo/{number}", record + b"\0")
        self.desk.start()
        self.assertIn(f"warning: unknown record type in todo/{number}", self.desk.taken())

    def test_back_off(self):
        """A bad entry is told again after growing pauses, not at each scan."""
        number, _, record = self.desk.store(b"a@remote.example")
        self.desk.put(f"todo/{number}", b"K\0")
        self.desk.start()
        warning = f"warning: unknown record type in todo/{number}"
        times = []
        for _ in range(1000):
            if warning in self.desk.taken():
                times.append(self.desk.now())
            self.desk.scheduler.triggered()
            self.desk.wait(2)
        gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        self.assertEqual([round(gap / 123) for gap in gaps], [1, 2, 4, 8])

    def test_no_sender(self):
        """An envelope without sender cannot be used."""
        number, _, _ = self.desk.store()
        self.desk.put(f"todo/{number}", b"u1\0p2\0Ta@b\0")
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], [f"new msg {number}", f"warning: trouble reading todo/{number}"])

    def test_no_text(self):
        """A message without text is left alone (SND-31)."""
        self.desk.put("todo/25", b"u1\0p2\0Fa\0Tb\0")
        self.desk.start()
        self.assertEqual(self.desk.taken()[1:], ["warning: unable to stat mess/2/25"])
        self.desk.put("mess/2/25", b"x")
        self.desk.wait(130)
        self.scan()
        self.assertEqual(len(self.desk.orders), 1)

    def test_odd_order(self):
        """Records may come in any order; what stands before them counts for the log."""
        number, _, _ = self.desk.store()
        self.desk.put(f"todo/{number}", b"Ta@remote.example\0p12x\0Fs@x\0u34\0Tb@test.example\0Tlost@x")
        self.desk.start()
        self.assertIn(f"info msg {number}: bytes 18 from <s@x> qp 12 uid 0", self.desk.taken())
        self.assertEqual([order[3:] for order in self.desk.orders],
                         [(b"s@x", b"b@test.example"), (b"s@x", b"a@remote.example")])

    def test_junk(self):
        """Names that are no numbers are passed over; directories and odd files do no harm (F24)."""
        for name in ("abc", "1x", ".x", "-5", "007", "\xb2", "9" * 30):
            self.desk.put(f"todo/{name}", b"junk")
        os.mkdir(f"{self.desk.path}/todo/77")
        os.mkfifo(f"{self.desk.path}/todo/78")
        self.desk.put(self.desk.name("mess", 77), b"x")
        self.desk.put(self.desk.name("mess", 78), b"x")
        self.desk.put("mess/3/foo", b"x")
        self.desk.put(self.desk.name("info", 79), b"")
        self.desk.start()
        self.assertEqual(sorted(self.desk.taken()[1:]), [
            "end msg 79",
            "new msg 78", "warning: trouble reading todo/77", "warning: trouble reading todo/78"])
        self.assertEqual(self.desk.files().count("todo"), 8)

    def test_no_directory(self):
        """A todo that cannot be opened is tried again every ten seconds."""
        self.desk.start()
        os.rename(f"{self.desk.path}/todo", f"{self.desk.path}/was")
        self.scan()
        alert = "alert: unable to opendir todo, sleeping..."
        self.assertEqual(self.desk.taken()[1:], [alert])
        self.desk.wait(10)
        self.assertEqual(self.desk.taken(), [alert])
        os.rename(f"{self.desk.path}/was", f"{self.desk.path}/todo")
        self.desk.store(b"a@remote.example")
        self.desk.wait(10)
        self.assertEqual(len(self.desk.orders), 1)

    def test_vanished(self):
        """An entry that is gone when it is looked at is no trouble."""
        self.desk.start()
        self.desk.scheduler.arrived(99, 10, None)
        self.desk.settle()
        self.assertEqual(self.desk.taken(), ["status: local 0/10 remote 0/20"])

    def test_long_envelope(self):
        """A long envelope is read and written in slices, other mail passing meanwhile."""
        recipients = [b"u%05d@remote.example" % at for at in range(5000)] + [b"me@test.example"]
        number, _, _ = self.desk.store(*recipients)
        self.desk.start()
        self.assertEqual(self.desk.files(number), ["info", "local", "mess", "remote"])
        self.assertEqual(self.desk.read("remote", number), b"".join(b"T%s\0" % each for each in recipients[:-1]))
        self.assertEqual(len(self.desk.orders), 21)

    def test_long_envelope_with_a_fault(self):
        """A fault far behind in a long envelope leaves the message in todo."""
        number, _, record = self.desk.store(*[b"u%05d@remote.example" % at for at in range(3000)])
        self.desk.put(f"todo/{number}", record + b"K\0")
        self.desk.start()
        self.assertEqual((self.desk.orders, self.desk.door.commands), ([], []))
        self.assertEqual(self.desk.taken()[-1], f"warning: unknown record type in todo/{number}")
        self.assertEqual(self.desk.scheduler.agenda.held, {})

    def test_creation_fails(self):
        """If files cannot be made, the message goes on in memory and is written later; no remains survive it."""
        self.desk.start()
        number = self.desk.arrive(b"a@remote.example", b"b@test.example")
        create = self.desk.disk.create
        self.desk.disk.create = lambda name, mode: create(name, mode) if "info" in name else self.refuse()
        self.desk.report(b"Zlater\n")
        self.assertIn(f"warning: unable to create local/{number % 23}/{number}", self.desk.taken())
        self.assertEqual(self.desk.files(number), ["info", "intd", "mess", "todo"])
        self.desk.report(b"K", channel=0)
        self.desk.wait(401)
        self.desk.report(b"K")
        self.assertEqual(self.desk.files(), [])
        self.assertEqual(self.desk.door.commands, [f"done/{number}"])

    def test_remains_go_first(self):
        """Files that were begun and given up are gone for good before the message is removed."""
        self.desk.start()
        number = self.desk.arrive(b"a@remote.example", b"b@test.example")
        create = self.desk.disk.create
        self.desk.disk.create = lambda name, mode: create(name, mode) if "info" in name else self.refuse()
        self.desk.report(b"Zlater\n")
        steps = []
        fsync_dir = self.desk.disk.fsync_dir
        self.desk.disk.fsync_dir = lambda name: steps.append((name, len(self.desk.door.commands))) or fsync_dir(name)
        self.desk.report(b"K", channel=0)
        self.desk.wait(401)
        self.desk.report(b"K")
        self.assertEqual(self.desk.door.commands, [f"done/{number}"])
        self.assertIn((f"info/{number % 23}", 0), steps)

    def test_sync_fails(self):
        """If files cannot be made durable they do not count, todo stays, and they are written anew later."""
        self.desk.start()
        number = self.desk.arrive(b"a@remote.example", b"b@test.example")
        fsync, self.desk.disk.fsync = self.desk.disk.fsync, self.refuse
        self.desk.report(b"Zlater\n")
        self.assertIn(f"warning: trouble fsyncing info/{number % 23}/{number}", self.desk.taken())
        self.assertEqual(self.desk.door.commands, [])
        self.desk.disk.fsync = fsync
        self.desk.report(b"K", channel=0)
        self.desk.wait(130)
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])
        self.desk.wait(300)
        self.desk.report(b"K")
        self.assertEqual(self.desk.files(), [])

    def test_sync_of_a_long_envelope_fails(self):
        """The same for a message that was written at once: it is left in todo."""
        self.desk.start()
        fsync, self.desk.disk.fsync = self.desk.disk.fsync, self.refuse
        number = self.desk.arrive(*[b"u%02d@remote.example" % at for at in range(21)])
        self.assertEqual((self.desk.orders, self.desk.scheduler.agenda.held), ([], {}))
        self.desk.disk.fsync = fsync
        self.desk.wait(1501)
        self.assertEqual(len(self.desk.orders), 20)
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])

    def refuse(self, *arguments):
        """Fail as a disk does."""
        raise OSError(28, "No space left on device")
