"""Tests for qtwisted.admin.running.takeover and serving: who has a home, and whether he makes room."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install import launchers
from qtwisted.admin.running import serving, takeover
from qtwisted.system import sockets
from test.kit.homes import scratch

SERVE = """\
import signal, sys
sys.path.insert(0, sys.argv[2])
from qtwisted.system import sockets
held = sockets.lock_home(sys.argv[1] + "/run")
listener = sockets.listen_unix(sys.argv[1] + "/run", "queue.sock", 0o666)
print("ready", flush=True)
signal.pause()
"""


class TakeoverTests(SynchronousTestCase):
    """A home with a mutex, and perhaps another process that serves it."""

    def setUp(self) -> None:
        """Make the home."""
        self.home = scratch(self)
        os.makedirs(f"{self.home}/queue/lock")
        os.mkdir(f"{self.home}/run")
        with open(f"{self.home}/{takeover.MUTEX}", "w"):
            pass

    def serve(self) -> subprocess.Popen[bytes]:
        """Start a process that serves the home as a master does."""
        process = subprocess.Popen([sys.executable, "-c", SERVE, self.home, launchers.package_root()],
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def send(self) -> int:
        """Hold the mutex as qmail-send does."""
        fd = os.open(f"{self.home}/{takeover.MUTEX}", os.O_WRONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        self.addCleanup(os.close, fd)
        return fd

    def test_nobody(self) -> None:
        """A home nobody serves is had at once."""
        self.assertIsNone(serving.master(self.home))
        os.close(takeover.lock(self.home))

    def test_master(self) -> None:
        """The kernel tells who made the socket listen."""
        process = self.serve()
        self.assertEqual(serving.master(self.home), process.pid)

    def test_sending(self) -> None:
        """A home whose qmail-send runs is not given away, not even if it is said to be stopped."""
        process = self.serve()
        takeover.note(self.home, True)
        self.assertFalse(takeover.is_sending(self.home))
        self.send()
        self.assertTrue(takeover.is_sending(self.home))
        self.assertRaises(takeover.AlreadyRunning, takeover.lock, self.home)
        self.assertIsNone(process.poll())

    def test_stopped(self) -> None:
        """A master whose qmail-send was told to end is ended, and the home is had."""
        process = self.serve()
        takeover.note(self.home, True)
        self.assertTrue(takeover.is_stopped(self.home))
        os.close(takeover.lock(self.home))
        self.assertEqual(process.wait(60), -signal.SIGTERM)
        takeover.note(self.home, False)
        self.assertFalse(takeover.is_stopped(self.home))

    def test_not_stopped(self) -> None:
        """A master whose qmail-send is about to start is left alone, and the wait for it ends."""
        process = self.serve()
        self.patch(takeover, "PATIENCE_FOR", 0.2)
        self.assertRaises(takeover.AlreadyRunning, takeover.lock, self.home)
        self.assertIsNone(process.poll())

    def test_ourselves(self) -> None:
        """A home that this very process serves is served."""
        self.addCleanup(os.close, sockets.lock_home(f"{self.home}/run"))
        listener = sockets.listen_unix(f"{self.home}/run", "queue.sock", 0o666)
        self.addCleanup(listener.close)
        takeover.note(self.home, True)
        self.assertRaises(takeover.AlreadyRunning, takeover.lock, self.home)

    def test_no_mutex(self) -> None:
        """Where there is no queue nobody has it; a link in the place of the mutex is not followed."""
        os.unlink(f"{self.home}/{takeover.MUTEX}")
        self.assertFalse(takeover.is_sending(self.home))
        os.symlink("/etc/passwd", f"{self.home}/{takeover.MUTEX}")
        self.assertFalse(takeover.is_sending(self.home))
