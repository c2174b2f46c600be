"""A new start where qmail-send was told to end: nobody who talks to the old system loses anything by it."""

from __future__ import annotations

import os
import signal
import smtplib
import socket

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import HOST, PORT
from test.kit.running import Running, wait_until
from test.kit.world import NOT_ROOT, World

STOPPED = "send: stopped; mail is received, and waits for the next start"
ALREADY = b"alert: cannot start: qmail-send is already running\n"


class TakeoverTests(SynchronousTestCase):
    """TERM to qmail-send, then qmail-start."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Start the system among its own users, with a port that the next start can have again."""
        self.world = World(self)
        self.running = self.world.up(*PORT, "--fronts", "1")
        self.world.control("listen", f"smtp tcp:{self.running.port()}:interface=127.0.0.1\n")

    def start(self, *words: str) -> Running:
        """Run qmail-start."""
        line = self.world.inside(code().module("qtwisted.admin.start", *words))
        running = Running(line, self.world.home, {**self.world.environment(), "QMAILHOME": self.world.home})
        self.addCleanup(running.kill)
        return running

    def stop_send(self) -> None:
        """Have qmail-send end, and only that."""
        at = len(self.running.log)
        [send] = self.running.pids("send")
        os.kill(send, signal.SIGTERM)
        self.running.wait_for("status: exiting", at)
        self.running.wait_for(STOPPED, at)

    def listens(self) -> bool:
        """Is anybody on the port?"""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.running.port())) == 0

    def test_clients(self) -> None:
        """Who is in the middle of a message finishes it, who comes meanwhile waits, and all of it is delivered."""
        self.stop_send()
        self.assertEqual(sorted(self.running.roles().values()), ["door", "front", "log"])
        client = smtplib.SMTP("127.0.0.1", self.running.port(), "client.example", 60)
        self.addCleanup(client.close)
        client.helo()
        client.mail("you@client.example")
        client.rcpt(f"me@{HOST}")
        client.putcmd("data")
        self.assertEqual(client.getreply()[0], 354)
        client.send(b"Subject: in the middle\r\n\r\nfirst\r\n")
        new = self.start()
        wait_until(lambda: not self.listens(), "the old system to close its port")
        client.send(b"second\r\n.\r\n")
        self.assertEqual(client.getreply()[0], 250)
        self.assertEqual(self.running.ended(), -signal.SIGTERM)
        self.world.inject(b"to: me\nSubject: meanwhile\n")  # perhaps before the new door is open
        at, _ = new.wait_for_line(r"end msg \d+")
        new.wait_for(r"end msg \d+", at + 1)
        mailbox = self.world.read(f"{self.world.people['me'].home}/Mailbox")
        for text in ("\nSubject: in the middle\n\nfirst\nsecond\n", "\nSubject: meanwhile\n"):
            self.assertEqual(mailbox.count(text), 1)
        self.assertEqual(new.stop(), -signal.SIGINT)

    def test_own_port(self) -> None:
        """instcheck knows that the port in control/listen is taken by the system itself."""
        done = self.world.run([f"{self.world.home}/bin/instcheck"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.running.stop()
        self.world.control("listen", "smtp tcp:0:interface=127.0.0.1\n")
        self.assertFalse(os.path.exists(f"{self.world.home}/run/send.stopped"))

    def test_resume(self) -> None:
        """USR1 to the master starts deliveries again; what has waited is delivered."""
        self.stop_send()
        self.world.inject(b"to: me\n")
        self.assertTrue(os.path.exists(f"{self.world.home}/run/send.stopped"))
        self.running.signal(signal.SIGUSR1)
        self.running.wait_for(r"end msg \d+")
        self.assertFalse(os.path.exists(f"{self.world.home}/run/send.stopped"))

    def test_already_running(self) -> None:
        """While qmail-send runs a second start says so, on standard error and to its logger, and changes nothing."""
        before = self.running.roles()
        path = f"{self.world.place}/logged"
        os.mkdir(path)
        os.chmod(path, 0o777)
        second = self.start("./Mailbox", "sh", "-c", f"id -u > {path}/uid; cat > {path}/log")
        self.assertEqual((second.ended(), second.errors), (111, ALREADY))
        self.assertEqual(self.world.read(f"{path}/log").encode(), ALREADY)
        self.assertEqual(self.world.read(f"{path}/uid"), "64012\n")
        self.assertEqual(self.running.roles(), before)

    def test_crash_is_no_wish(self) -> None:
        """qmail-send that is killed, or that loses the door, is started again."""
        for role in ("send", "door"):
            at = len(self.running.log)
            [victim] = self.running.pids(role)
            os.kill(victim, signal.SIGKILL)
            self.running.wait_for(r"status: local 0/\d+ remote 0/\d+", at)
            self.world.inject(b"to: me\n")
            self.running.wait_for(r"end msg \d+", at)

    def test_not_root(self) -> None:
        """A user cannot start it, and is told so."""
        me = self.world.people["me"]
        done = self.world.run(["env", f"QMAILHOME={self.world.home}", *code().module("qtwisted.admin.start")], who=me)
        self.assertEqual((done.returncode, done.stdout), (111, b""))
        self.assertIn(b"only root can start it", done.stderr)
