"""A running mail system that is asked what it does, and told to do something else."""

from __future__ import annotations

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.schedule.asking import Asking, NotAllowed, NotRunning, is_answering
from test.kit.code import NOBODY
from test.kit.homes import SingleHome


class SnapshotTests(SynchronousTestCase):
    """What qmail-send tells of itself."""

    def test_snapshot(self) -> None:
        """Its numbers come at once, and the deliveries that run with them."""
        home = SingleHome(self)
        running = home.up()
        with Asking(home.path) as send:
            self.assertEqual(send.greeting["server"], "qmail-send")
            found = send.snapshot()
            self.assertEqual([found["pid"]], running.pids("send"))
            self.assertEqual(found["local"], {"running": 0, "limit": 10, "waiting": 0, "scheduled": 0})
            self.assertEqual((found["deliveries"], found["is_paused"]), ([], False))

    def test_pause(self) -> None:
        """Paused, it receives and delivers nothing; both changes are told in the log."""
        home = SingleHome(self)
        running = home.up()
        with Asking(home.path) as send:
            self.assertEqual(list(send.ask(b"pause")), [{"answer": "done"}])
            self.assertEqual(list(send.ask(b"pause")), [{"answer": "already"}])
            running.wait_for("qmailctl: paused: .*")
            done = home.run([home.program("qmail-inject"), "-a", "nobody"], b"Subject: x\n\nhello\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            running.wait_for("info msg .*")
            self.assertTrue(send.snapshot()["is_paused"])
            self.assertEqual(send.snapshot()["deliveries"], [])
            list(send.ask(b"cont"))
        running.wait_for("end msg .*")
        going = running.wait_for_line("qmailctl: going on")[0]
        self.assertGreater(running.wait_for_line("starting delivery .*")[0], going)

    def test_not_running(self) -> None:
        """Without a mail system that is said."""
        home = SingleHome(self)
        self.assertRaises(NotRunning, Asking, home.path)
        self.assertFalse(is_answering(home.path))
        running = home.up()
        self.assertTrue(is_answering(home.path))
        running.stop()
        self.assertFalse(is_answering(home.path))

    def test_silent(self) -> None:
        """A socket that nobody serves is not waited for, and gets no request."""
        home = SingleHome(self)
        os.makedirs(f"{home.path}/run", exist_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(f"{home.path}/run")
        listener.bind("send.sock")
        listener.listen()
        error = self.assertRaises(NotRunning, Asking, home.path, 0.1)
        self.assertIn("does not answer", str(error))
        self.assertEqual(listener.accept()[0].recv(100), b"")


class StrangerTests(SynchronousTestCase):
    """Who is not root and does not own the home."""

    def test_closed(self) -> None:
        """The socket is closed to everybody else."""
        home = SingleHome(self)
        home.up()
        mode = os.stat(f"{home.path}/run/send.sock").st_mode & 0o777
        self.assertEqual(mode, 0o600)
        if os.geteuid() == 0:
            os.chown(f"{home.path}/run/send.sock", 0, 0)
            os.seteuid(NOBODY)
            self.addCleanup(os.seteuid, 0)
            self.assertRaises(NotAllowed, Asking, home.path)
