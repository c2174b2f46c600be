"""Tests: the life of messages, as the log and the queue show it."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from test.unit.schedule.desk import Desk


class FirstAttempt(TestCase):
    """A new message is tried straight from todo."""

    def setUp(self):
        """Start on an empty queue."""
        self.desk = Desk(self.mktemp()).start()

    def test_first_status(self):
        """The first line tells both limits (SND-01)."""
        self.assertEqual(self.desk.taken(), ["status: local 0/10 remote 0/20"])

    def test_success(self):
        """A delivered message gives qmail's lines in qmail's order and leaves nothing behind (SND-09, LOG-08)."""
        self.desk.taken()
        number = self.desk.arrive(b"ok@remote.example", text=b"x" * 104)
        self.desk.report(b"Kaccepted it.\n")
        self.assertEqual(
            self.desk.taken(),
            [
                f"new msg {number}",
                f"info msg {number}: bytes 104 from <joe@test.example> qp {7000 + number} uid 1002",
                f"starting delivery 1: msg {number} to remote ok@remote.example",
                "status: local 0/10 remote 1/20",
                "delivery 1: success: accepted_it./",
                "status: local 0/10 remote 0/20",
                f"end msg {number}",
            ],
        )
        self.assertEqual(self.desk.files(), [])
        self.assertEqual(self.desk.door.commands, [f"done/{number}"])
        self.assertEqual(self.desk.scheduler.agenda.held, {})

    def test_order(self):
        """The spawner is told slot, message below mess, sender and recipient."""
        number = self.desk.arrive(b"a@remote.example", b"b@test.example", sender=b"")
        messid = f"{number % 23}/{number}"
        self.assertEqual(
            self.desk.orders,
            [(0, 0, messid, b"", b"b@test.example"), (1, 0, messid, b"", b"a@remote.example")],
        )

    def test_empty_report(self):
        """A report without text leaves a blank at the end of the line (LOG-10)."""
        self.desk.arrive(b"a@remote.example")
        self.desk.report(b"K")
        self.assertIn("delivery 1: success: ", self.desk.taken())

    def test_sender_is_made_safe(self):
        """Odd bytes of a sender do not reach the log (SND-34, LOG-07)."""
        self.desk.arrive(b"a@remote.example", sender=b"sp ace%\xe9\n@x")
        self.assertIn("from <sp_ace__/@x>", "\n".join(self.desk.taken()))

    def test_failure(self):
        """A failed recipient gives a bounce before the message ends (SND-10)."""
        self.desk.taken()
        number = self.desk.arrive(b"no@remote.example", text=b"Subject: x\n\nhello\n")
        self.desk.report(b"DONLYD\n")
        self.assertEqual(
            self.desk.taken()[-4:],
            [
                "delivery 1: failure: ONLYD/",
                "status: local 0/10 remote 0/20",
                f"bounce msg {number} qp 1",
                f"end msg {number}",
            ],
        )
        self.assertEqual(self.desk.files(), [])
        bounce = self.desk.intake.messages[0]
        self.assertEqual(bounce.envelope, (b"", (b"joe@test.example",)))
        self.assertEqual(
            bounce.text,
            b"Date: 15 Jan 2027 08:00:00 -0000\n"
            b"From: MAILER-DAEMON@test.example\n"
            b"To: joe@test.example\n"
            b"Subject: failure notice\n"
            b"\n"
            b"Hi. This is the qmail-send program at test.example.\n"
            b"I'm afraid I wasn't able to deliver your message to the following addresses.\n"
            b"This is a permanent error; I've given up. Sorry it didn't work out.\n"
            b"\n"
            b"<no@remote.example>:\nONLYD\n\n"
            b"--- Below this line is a copy of the message.\n"
            b"\n"
            b"Return-Path: <joe@test.example>\n"
            b"Subject: x\n\nhello\n",
        )

    def test_no_recipients(self):
        """A message for nobody is taken and ended at once."""
        self.desk.taken()
        number = self.desk.arrive()
        self.assertEqual([line.split(":")[0] for line in self.desk.taken()],
                         [f"new msg {number}", f"info msg {number}", f"end msg {number}"])
        self.assertEqual(self.desk.files(), [])

    def test_deferral_writes_the_plan(self):
        """What is left over is written down, with marks on what is settled; todo goes last."""
        number = self.desk.arrive(b"a@remote.example", b"b@remote.example", b"c@test.example")
        self.desk.report(b"Kok\n", slot=0)
        self.desk.report(b"Zlater\n", slot=1)
        self.assertEqual(self.desk.files(number), ["info", "local", "mess", "remote"])
        self.assertEqual(self.desk.read("remote", number), b"Da@remote.example\0Tb@remote.example\0")
        self.assertEqual(self.desk.read("local", number), b"Tc@test.example\0")
        self.assertEqual(self.desk.read("info", number), b"Fjoe@test.example\0")
        self.desk.report(b"Kok\n", channel=0)
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])
        self.desk.wait(401)
        self.assertEqual(self.desk.orders[-1][4], b"b@remote.example")
        self.desk.report(b"Kok\n", slot=0)
        self.assertEqual(self.desk.files(), [])
        self.assertEqual(self.desk.door.commands, [f"todo/{number}", f"foop/{number}"])

    def test_slow_attempt_writes_the_plan(self):
        """A first attempt longer than about a second does not keep a message in memory only."""
        number = self.desk.arrive(b"a@remote.example", b"b@remote.example")
        self.desk.report(b"Kok\n", slot=0)
        self.desk.wait(0.6)
        self.assertEqual(self.desk.files(number), ["intd", "mess", "todo"])
        self.desk.wait(1.1)
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])
        self.assertEqual(self.desk.read("remote", number), b"Da@remote.example\0Tb@remote.example\0")
        self.desk.report(b"Kok\n", slot=1)
        self.assertEqual(self.desk.files(), [])
        self.assertEqual(len(self.desk.orders), 2)

    def test_failure_then_plan(self):
        """A failure of the first attempt is in bounce/N when the message is written down."""
        number = self.desk.arrive(b"a@remote.example", b"b@remote.example")
        self.desk.report(b"Dno\n", slot=0)
        self.desk.report(b"Zlater\n", slot=1)
        self.assertEqual(self.desk.files(number), ["bounce", "info", "mess", "remote"])
        self.assertEqual(self.desk.read("bounce", number), b"<a@remote.example>:\nno\n\n")
        self.desk.wait(401)
        self.desk.report(b"Dno more\n", slot=0)
        bounce = self.desk.intake.messages[0]
        self.assertIn(b"<a@remote.example>:\nno\n\n<b@remote.example>:\nno more\n\n---", bounce.text)
        self.assertEqual(self.desk.files(), [])

    def test_long_notice(self):
        """A notice without the envelope has todo/N read."""
        number, size, _ = self.desk.store(b"a@remote.example")
        self.desk.scheduler.arrived(number, size, None)
        self.desk.settle()
        self.assertEqual(len(self.desk.orders), 1)

    def test_many_recipients(self):
        """A message for many is written down first, and then delivered in file order."""
        recipients = [b"u%03d@remote.example" % at for at in range(30)]
        number = self.desk.arrive(*recipients)
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])
        self.assertEqual([order[4] for order in self.desk.orders], recipients[:20])
        for at in range(30):
            self.desk.report(b"Kok\n", slot=at % 20)
        self.assertEqual(self.desk.files(), [])
        self.assertEqual([order[4] for order in self.desk.orders], recipients)

    def test_second_notice(self):
        """A message that is told of twice is delivered once."""
        number, size, record = self.desk.store(b"a@remote.example")
        for _ in range(3):
            self.desk.scheduler.arrived(number, size, record)
            self.desk.settle()
        self.desk.report(b"K")
        self.desk.wait(2000)
        self.assertEqual(len(self.desk.orders), 1)
        self.assertEqual(self.desk.files(), [])

    def test_number_used_again(self):
        """A message that gets the number of one just ended is a new message, even if it was seen too early."""
        number, size, record = self.desk.store(b"a@remote.example")
        self.desk.scheduler.arrived(number, size, record)
        self.desk.settle()
        self.desk.door.held = []
        self.desk.report(b"K")
        self.desk.scheduler.arrived(number, size, record)
        self.desk.settle()
        self.assertEqual(len(self.desk.orders), 1)
        self.desk.door.release()
        self.desk.store(b"b@remote.example", number=number)
        self.desk.settle()
        self.assertEqual([order[4] for order in self.desk.orders], [b"a@remote.example", b"b@remote.example"])

    def test_done_fails(self):
        """If the door cannot remove a settled message, it is asked again, and nobody gets the message twice."""
        number = self.desk.arrive(b"a@remote.example")
        self.desk.door.words = [b"!"]
        self.desk.report(b"K")
        self.assertIn(f"warning: qmail-clean unable to clean up todo/{number}", self.desk.taken())
        self.desk.scheduler.triggered()
        self.desk.wait(130)
        self.assertEqual(self.desk.files(), [])
        self.assertEqual(len(self.desk.orders), 1)

    def test_todo_removal_fails(self):
        """If todo/N cannot be removed, the files do not count, and it is tried again."""
        number = self.desk.arrive(b"a@remote.example")
        self.desk.door.words = [b"!"]
        self.desk.report(b"Zlater\n")
        self.assertIn(f"warning: qmail-clean unable to clean up todo/{number}", self.desk.taken())
        self.assertIn("todo", self.desk.files(number))
        self.desk.wait(500)
        self.assertEqual(self.desk.files(number), ["info", "mess", "remote"])
        self.assertEqual(len(self.desk.orders), 2)


class Verdicts(TestCase):
    """What reports do."""

    def setUp(self):
        """Start on an empty queue."""
        self.desk = Desk(self.mktemp()).start()

    def test_mangled(self):
        """Garbage and silence put a delivery off (SND-14)."""
        number = self.desk.arrive(b"a@remote.example")
        for at, garbage in enumerate((b"X what", b"", b"k"), 1):
            self.desk.report(garbage)
            self.assertIn(f"delivery {at}: report mangled, will defer", self.desk.taken())
            self.assertEqual(self.desk.read("remote", number), b"Ta@remote.example\0")
            self.desk.wait(10000)

    def test_out_of_range(self):
        """A report for a slot that is not in use is told and has no other effect (SND-15)."""
        self.desk.taken()
        self.desk.report(b"Kyes", slot=77)
        self.desk.report(b"Kyes", slot=3)
        self.assertEqual(self.desk.taken(), ["warning: internal error: delivery report out of range"] * 2)

    def test_long_report(self):
        """What is left of an endless report goes into log and bounce whole (SND-16)."""
        self.desk.arrive(b"a@remote.example")
        self.desk.report(b"D" + b"x" * 9998)
        self.assertTrue("delivery 1: failure: " + "x" * 9998 in self.desk.taken())
        self.assertTrue(b"<a@remote.example>:\n" + b"x" * 9998 + b"\n\n" in self.desk.intake.messages[0].text)

    def test_lowest_slot(self):
        """The lowest free slot is used, and deliveries are counted over both channels."""
        self.desk.arrive(b"a@remote.example", b"b@remote.example", b"c@remote.example")
        self.desk.report(b"K", slot=1)
        self.desk.report(b"K", slot=0)
        self.desk.arrive(b"d@remote.example", b"e@remote.example")
        self.assertEqual([order[1] for order in self.desk.orders], [0, 1, 2, 0, 1])
        self.assertIn("starting delivery 5", "\n".join(self.desk.taken()))

    def test_status_follows(self):
        """A status line follows each start and each end of a delivery at once."""
        self.desk.arrive(b"a@remote.example", b"b@test.example", b"c@remote.example")
        self.desk.report(b"Zz")
        self.desk.report(b"K", slot=1)
        self.desk.report(b"Dd", channel=0)
        lines = self.desk.taken()
        for at, line in enumerate(lines):
            if line.startswith(("starting", "delivery")):
                self.assertTrue(lines[at + 1].startswith("status: local"))

    def test_double_bounce(self):
        """What cannot be returned goes to the postmaster (SND-11)."""
        self.desk.arrive(b"a@remote.example", sender=b"", text=b"orig\n")
        self.desk.report(b"Dno\n")
        bounce = self.desk.intake.messages[0]
        self.assertEqual(bounce.envelope, (b"#@[]", (b"postmaster@test.example",)))
        self.assertTrue(
            bounce.text.endswith(
                b"To: postmaster@test.example\nSubject: failure notice\n\n"
                b"Hi. This is the qmail-send program at test.example.\n"
                b"I tried to deliver a bounce message to this address, but the bounce bounced!\n\n"
                b"<a@remote.example>:\nno\n\n"
                b"--- Below this line is the original bounce.\n\nReturn-Path: <>\norig\n"
            ),
            bounce.text,
        )

    def test_triple_bounce(self):
        """What bounces from the postmaster is dropped (SND-12, B03)."""
        number = self.desk.arrive(b"a@remote.example", sender=b"#@[]")
        self.desk.report(b"Dno\n")
        self.assertEqual(
            self.desk.taken()[-2:], [f"triple bounce: discarding bounce/{number}", f"end msg {number}"]
        )
        self.assertEqual((self.desk.intake.messages, self.desk.files()), ([], []))

    def test_triple_bounce_later(self):
        """The same holds for a message that was written down."""
        number = self.desk.arrive(b"a@remote.example", sender=b"#@[]")
        self.desk.wait(3)
        self.desk.report(b"Dno\n")
        self.assertEqual(
            self.desk.taken()[-2:], [f"triple bounce: discarding bounce/{number}", f"end msg {number}"]
        )
        self.assertEqual((self.desk.intake.messages, self.desk.files()), ([], []))

    def test_one_bounce(self):
        """Five failures of ten recipients make one bounce that lists five (B04)."""
        self.desk.arrive(*[b"u%d@remote.example" % at for at in range(10)])
        for slot in range(10):
            self.desk.report(b"Dno\n" if slot % 2 else b"K", slot=slot)
        (bounce,) = self.desk.intake.messages
        self.assertEqual(bounce.text.count(b"remote.example>:\nno\n\n"), 5)

    def test_refused_bounce(self):
        """A bounce the queue does not take is kept on disk and tried again (also with a message in memory)."""
        number = self.desk.arrive(b"a@remote.example")
        self.desk.intake.refusal = 53
        self.desk.report(b"Dno\n")
        self.assertEqual(self.desk.taken()[-1], "warning: trouble injecting bounce message, will try later")
        self.assertEqual(self.desk.files(number), ["bounce", "info", "mess"])
        self.desk.wait(124)
        self.assertEqual(self.desk.taken(), ["warning: trouble injecting bounce message, will try later"])
        self.desk.intake.refusal = 0
        self.desk.wait(124)
        self.assertEqual(self.desk.taken(), [f"bounce msg {number} qp 1", f"end msg {number}"])
        self.assertEqual(self.desk.files(), [])

    def test_verp(self):
        """Each recipient of a list sees a sender of its own; the bounce goes to the owner (SND-13, B07)."""
        desk = Desk(self.mktemp(), virtualdomains={b"virt.example": b"joe-foo"}).start()
        desk.arrive(b"d@remote.example", b"info@virt.example", b"x@test.example", sender=b"owner-@host.example-@[]")
        self.assertEqual(
            sorted(order[3:] for order in desk.orders),
            [
                (b"owner-d=remote.example@host.example", b"d@remote.example"),
                (b"owner-joe-foo-info=virt.example@host.example", b"joe-foo-info@virt.example"),
                (b"owner-x=test.example@host.example", b"x@test.example"),
            ],
        )
        desk.report(b"Dr\n")
        desk.report(b"Dl\n", channel=0)
        desk.report(b"K", channel=0, slot=1)
        (bounce,) = desk.intake.messages
        self.assertEqual(bounce.envelope, (b"", (b"owner-@host.example",)))
        self.assertIn(b"<d@remote.example>:\nr\n\n<info@virt.example>:\nl\n\n", bounce.text)
        self.assertIn(b"Return-Path: <owner-@host.example>\n", bounce.text)

    def test_list_owner_without_host(self):
        """The owner of a list may have no host (SND-35)."""
        self.desk.arrive(b"d@remote.example", sender=b"foo-@[]")
        self.assertEqual(self.desk.orders[0][3], b"foo-@[]")
        self.desk.report(b"Dno\n")
        (bounce,) = self.desk.intake.messages
        self.assertEqual(bounce.envelope, (b"", (b"foo",)))
        self.assertIn(b"To: foo\n", bounce.text)

    def test_empty_doublebounceto(self):
        """An empty doublebounceto leaves the host (SND-35b)."""
        desk = Desk(self.mktemp(), doublebounceto=b"").start()
        desk.arrive(b"d@remote.example", sender=b"")
        desk.report(b"Dno\n")
        self.assertEqual(desk.intake.messages[0].envelope, (b"#@[]", (b"@test.example",)))
        desk.arrive(b"@test.example")
        self.assertIn("to local @test.example", "\n".join(desk.taken()))


class Limits(TestCase):
    """How many deliveries run."""

    def test_on_hold(self):
        """With concurrency 0 messages are written down, but none is delivered (SND-05)."""
        desk = Desk(self.mktemp(), limits=(0, 120)).start()
        self.assertEqual(desk.taken(), ["status: local 0/0 remote 0/120"])
        number = desk.arrive(b"a@test.example", b"b@remote.example")
        desk.wait(2)
        self.assertEqual([order[0] for order in desk.orders], [1])
        self.assertEqual(desk.files(number), ["info", "local", "mess", "remote"])
        desk.report(b"K")
        desk.wait(100000)
        self.assertEqual(len(desk.orders), 1)

    def test_no_slots_at_all(self):
        """With both at 0 mail is taken, and nothing else happens."""
        desk = Desk(self.mktemp(), limits=(0, 0)).start()
        number = desk.arrive(b"a@test.example", b"b@remote.example")
        desk.wait(100)
        self.assertEqual((desk.orders, desk.files(number)), ([], ["info", "local", "mess", "remote"]))

    def test_limit(self):
        """No more deliveries run than allowed; the next starts when one ends, in file order."""
        desk = Desk(self.mktemp(), limits=(1, 2)).start()
        desk.arrive(*[b"u%d@remote.example" % at for at in range(5)])
        self.assertEqual(len(desk.orders), 2)
        desk.report(b"K", slot=1)
        self.assertEqual([order[4] for order in desk.orders], [b"u%d@remote.example" % at for at in range(3)])

    def test_channels_are_independent(self):
        """A full remote channel does not hold up local mail."""
        desk = Desk(self.mktemp(), limits=(1, 1)).start()
        desk.arrive(b"a@remote.example")
        desk.arrive(b"b@remote.example", b"c@test.example")
        self.assertEqual([order[4] for order in desk.orders], [b"a@remote.example", b"c@test.example"])

    def test_reports_are_not_starved(self):
        """While ten thousand messages arrive, the remote channel stays full (SND-37)."""
        desk = Desk(self.mktemp(), limits=(10, 20)).start()
        for at in range(10000):
            number = 1000 + at
            desk.scheduler.arrived(number, 10, b"u1\0p2\0Fs@x\0Tr@remote.example\0")
            if at % 100 == 99:
                desk.clock.advance(0.01)
                desk.report(b"K", slot=at // 100 % 20)
                used = desk.scheduler.attempts.channels[1].used
                self.assertEqual(used, 20)
        self.assertLessEqual(len(desk.scheduler.agenda.held), 4000)

    def test_a_waiting_message_is_written_down(self):
        """A message that finds no slot for long does not stay in memory only."""
        desk = Desk(self.mktemp(), limits=(1, 1)).start()
        desk.arrive(b"a@remote.example")
        number = desk.arrive(b"b@remote.example")
        desk.wait(5)
        self.assertEqual(desk.files(number), ["intd", "mess", "todo"])
        desk.wait(6)
        self.assertEqual(desk.files(number), ["info", "mess", "remote"])
        desk.report(b"K")
        self.assertEqual(desk.orders[-1][4], b"b@remote.example")
