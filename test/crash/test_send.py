"""Tests: qmail-send as a process: start, signals, lost partners, sudden death."""

from __future__ import annotations

import os
import signal

from twisted.trial.unittest import TestCase

from qtwisted.system.roles import LOST_PARTNER
from test.crash.process import Send, make_home, read, write

STARTED = "status: local 0/10 remote 0/20"


class Process(TestCase):
    """Tests that start processes."""

    def start(self, hellos=(120, 120), **controls):
        """Make a home and start qmail-send in it."""
        self.home = os.path.abspath(self.mktemp())
        make_home(self.home, **controls)
        return self.again(hellos)

    def again(self, hellos=(120, 120)):
        """Start qmail-send in the same home."""
        send = Send(self.home, hellos)
        self.addCleanup(send.close)
        return send

    def refused(self, send, line):
        """Check that it does not start, and why."""
        self.assertEqual(send.wait(), 111)
        self.assertEqual(send.lines, [f"alert: cannot start: {line}"])


class Start(Process):
    """How it starts."""

    def test_first_line(self):
        """The first line shows the limits; TERM ends it with the last one (SND-01)."""
        send = self.start()
        send.line(STARTED)
        send.signal(signal.SIGTERM)
        self.assertEqual(send.wait(), 0)
        self.assertEqual(send.lines, [STARTED, "status: exiting"])

    def test_second(self):
        """A second one does not start (SND-02)."""
        send = self.start()
        send.line(STARTED)
        os.rename(f"{self.home}/run/queue-priv.sock", f"{self.home}/run/first")
        self.refused(self.again(), "qmail-send is already running")

    def test_no_controls(self):
        """Without me and locals it does not start (SND-03)."""
        self.refused(self.start(me=None), "unable to read controls")

    def test_no_mutex(self):
        """Without a mutex it does not start."""
        send = self.start(hellos=(None, None))
        send.close()
        os.unlink(f"{self.home}/queue/lock/sendmutex")
        self.refused(self.again(), "unable to open mutex")

    def test_no_spawner(self):
        """Without a greeting it does not start."""
        send = self.start(hellos=(120, None))
        send.spawners[1].close()
        self.refused(send, "hath the daemon spawn no fire?")

    def test_locals_without_me(self):
        """locals alone is enough; the other names have their own defaults (SND-04)."""
        send = self.start(me=None, locals=b"test.example\n")
        send.arrive(25, b"noat")
        send.line("starting delivery 1: msg 25 to remote noat@envnoathost")

    def test_limits(self):
        """The greeting caps the limits; 0 is a limit (SND-05)."""
        send = self.start(hellos=(5, 120), concurrencylocal=b"0", concurrencyremote=b"500")
        send.line("status: local 0/0 remote 0/120")
        send.arrive(25, b"a@test.example")
        send.until(lambda: os.path.exists(send.name("local", 25)) and not os.path.exists(send.name("todo", 25)))
        self.assertEqual(send.spawners[0].orders, [])

    def test_odd_limits(self):
        """What does not begin with a digit is not there (SND-06)."""
        self.start(concurrencylocal=b"abc", concurrencyremote=b"-3").line(STARTED)


class Life(Process):
    """Messages and signals."""

    def test_success(self):
        """A message is delivered, and nothing of it is left (SND-09); reports may come in pieces (SND-18)."""
        send = self.start()
        send.line(STARTED)
        send.arrive(25, b"ok@remote.example")
        send.until(lambda: send.spawners[1].orders, "the order")
        self.assertEqual(send.spawners[1].orders, [(0, b"2/25", b"joe@test.example", b"ok@remote.example")])
        for at in range(14):
            send.spawners[1].ours.sendall(b"\0Kaccepted it.\n\0"[at : at + 1])
            send.turn(0.01)
        send.spawners[1].ours.sendall(b"\n\0")
        send.line("end msg 25")
        send.until(lambda: send.commands == ["done/25"])
        self.assertEqual(send.lines, [
            STARTED,
            "new msg 25",
            "info msg 25: bytes 18 from <joe@test.example> qp 3374 uid 1002",
            "starting delivery 1: msg 25 to remote ok@remote.example",
            "status: local 0/10 remote 1/20",
            "delivery 1: success: accepted_it./",
            "status: local 0/10 remote 0/20",
            "end msg 25"])

    def test_bounce(self):
        """A failure is returned by way of the door (SND-10)."""
        send = self.start()
        send.arrive(25, b"no@remote.example")
        send.until(lambda: send.spawners[1].orders)
        send.spawners[1].report(0, b"DONLYD\n")
        send.line("bounce msg 25 qp 901")
        send.line("end msg 25")
        text, envelope = send.bounces[0]
        self.assertEqual(envelope, b"F\0Tjoe@test.example\0\0")
        self.assertIn(b"<no@remote.example>:\nONLYD\n\n", text)

    def test_trigger(self):
        """A program that writes the queue itself wakes it up, though others hold the pipe open (F22)."""
        send = self.start()
        send.line(STARTED)
        holder = os.open(f"{self.home}/queue/lock/trigger", os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, holder)
        send.store(25, b"a@remote.example")
        writer = os.open(f"{self.home}/queue/lock/trigger", os.O_WRONLY | os.O_NONBLOCK)
        os.write(writer, b"\0")
        os.close(writer)
        send.line("starting delivery 1")

    def test_alarm_and_schedule(self):
        """The schedule outlives the process, and ALRM overrides it (SND-20)."""
        send = self.start()
        send.arrive(25, b"a@remote.example")
        send.until(lambda: send.spawners[1].orders)
        send.spawners[1].report(0, b"Zlater\n")
        send.until(lambda: send.commands == ["todo/25"])
        send.signal(signal.SIGTERM)
        self.assertEqual(send.wait(), 0)
        born = os.stat(send.name("info", 25)).st_mtime
        self.assertEqual(os.stat(send.name("remote", 25)).st_mtime, born + 400)
        send.close()
        send = self.again()
        send.line(STARTED)
        send.signal(signal.SIGALRM)
        send.line("starting delivery 1: msg 25 to remote a@remote.example")

    def test_hangup(self):
        """HUP reads virtualdomains again; unreadable files change nothing (SND-26 to SND-29)."""
        send = self.start(virtualdomains=b"virt.example:joe\nno colon\nvirt.example:jack\n")
        send.arrive(25, b"a@virt.example")
        send.line("to local jack-a@virt.example")
        os.unlink(f"{self.home}/control/virtualdomains")
        os.mkdir(f"{self.home}/control/virtualdomains")
        send.signal(signal.SIGHUP)
        send.line("alert: unable to reread control/virtualdomains")
        os.mkdir(f"{self.home}/control/locals")
        send.signal(signal.SIGHUP)
        send.line("alert: unable to reread control/locals")
        send.arrive(48, b"b@virt.example")
        send.line("to local jack-b@virt.example")
        os.rmdir(f"{self.home}/control/virtualdomains")
        os.rmdir(f"{self.home}/control/locals")
        write(f"{self.home}/control/me", b"other.example\n")
        send.signal(signal.SIGHUP)
        send.arrive(71, b"noat")
        send.line("to local noat@test.example")
        send.arrive(94, b"c@virt.example")
        send.line("to remote c@virt.example")

    def test_terminate(self):
        """TERM waits for the running delivery (SND-22)."""
        send = self.start()
        send.arrive(25, b"slow@remote.example")
        send.until(lambda: send.spawners[1].orders)
        send.signal(signal.SIGTERM)
        send.arrive(48, b"later@remote.example")
        send.turn(0.3)
        self.assertIsNone(send.process.poll())
        send.spawners[1].report(0, b"Kslow\n")
        self.assertEqual(send.wait(), 0)
        self.assertEqual(send.lines[-4:], [
            "delivery 1: success: slow/", "status: local 0/10 remote 0/20 exitasap", "end msg 25", "status: exiting"])
        self.assertTrue(os.path.exists(send.name("todo", 48)))

    def test_no_log(self):
        """Without a reader of the log mail goes on (LOG-09)."""
        send = self.start()
        send.line(STARTED)
        os.close(send.log)
        send.log = None
        send.arrive(25, b"a@remote.example")
        send.until(lambda: send.spawners[1].orders)
        send.spawners[1].report(0, b"K")
        send.until(lambda: send.commands == ["done/25"])

    def test_stuck_log(self):
        """With a reader that is stuck mail goes on (F27)."""
        send = self.start()
        send.line(STARTED)
        log, send.log = send.log, None
        for at in range(300):
            send.arrive(1000 + at, b"x" * 900 + b"@remote.example")
            send.until(lambda at=at: len(send.spawners[1].orders) > at)
            send.spawners[1].report(send.spawners[1].orders[-1][0], b"K")
        send.until(lambda: len(send.commands) == 300)
        send.log = log
        send.line("end msg 1299")


class Loss(Process):
    """Partners that go away."""

    def test_spawner(self):
        """It ends when a spawner is gone, with the exit code that says so (SND-23)."""
        send = self.start()
        send.line(STARTED)
        send.spawners[0].close()
        self.assertEqual(send.wait(), LOST_PARTNER)
        self.assertEqual(send.lines[1:], ["alert: oh no! lost spawn connection! dying...", "status: exiting"])

    def test_door(self):
        """It ends when the door is gone, with the exit code that says so (SND-25)."""
        send = self.start()
        send.until(lambda: send.watcher is not None)
        send.line(STARTED)
        send.watcher.close()
        del send.connections[send.watcher]
        self.assertEqual(send.wait(), LOST_PARTNER)
        self.assertEqual(send.lines[1:], ["alert: oh no! lost qmail-clean connection! dying...", "status: exiting"])


class Kill(Process):
    """Sudden death (SND-36)."""

    def test_first_attempt(self):
        """A message of which nothing is settled on disk is tried again from todo."""
        send = self.start()
        send.arrive(25, b"a@remote.example", b"b@remote.example")
        send.until(lambda: len(send.spawners[1].orders) == 2)
        send.signal(signal.SIGKILL)
        send.wait()
        send.close()
        send = self.again()
        send.until(lambda: len(send.spawners[1].orders) == 2)
        self.assertIn("new msg 25", send.lines)

    def test_written_down(self):
        """What is marked is not tried again, what is not marked is."""
        send = self.start()
        send.arrive(25, b"a@remote.example", b"b@remote.example", b"c@remote.example")
        send.until(lambda: len(send.spawners[1].orders) == 3)
        send.until(lambda: send.commands == ["todo/25"], "the plan")
        send.spawners[1].report(0, b"K")
        send.spawners[1].report(1, b"Dno\n")
        send.line("delivery 2: failure: no/")
        send.until(lambda: read(send.name("remote", 25)).count(b"D") == 2, "the marks")
        send.signal(signal.SIGKILL)
        send.wait()
        send.close()
        send = self.again()
        send.until(lambda: send.spawners[1].orders)
        self.assertEqual([order[3] for order in send.spawners[1].orders], [b"c@remote.example"])
        send.spawners[1].report(0, b"K")
        send.line("end msg 25")
        self.assertIn(b"<b@remote.example>:\nno\n\n", send.bounces[0][0])
