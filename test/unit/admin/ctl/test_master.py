"""Tests: the master is found, and no other process is mistaken for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import master

#: listens on HOME/run/queue.sock, with HOME/run open or not, and ends at TERM
PLAYED = """\
import os, signal, socket, sys
os.chdir(sys.argv[1] + "/run")
held = os.open(".", os.O_RDONLY) if sys.argv[2] == "held" else None
os.chdir("/")
with open(sys.argv[1] + "/caught", "w") as caught:
    signal.signal(signal.SIGUSR1, lambda *_: (caught.write("x"), caught.flush()))
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(sys.argv[1] + "/run", os.O_RDONLY)
    listener.bind(f"/proc/self/fd/{here}/queue.sock")
    os.close(here)
    listener.listen()
    print("ready", flush=True)
    while True:
        signal.pause()
"""


class MasterTests(SynchronousTestCase):
    """Processes that serve a home, or seem to."""

    def setUp(self) -> None:
        """Make a home."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/run")

    def play(self, how: str) -> subprocess.Popen[bytes]:
        """Start a process that listens."""
        process = subprocess.Popen([sys.executable, "-c", PLAYED, self.home, how], stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def test_found(self) -> None:
        """Whoever listens and holds HOME/run is it; signals reach it, and its end is seen."""
        process = self.play("held")
        found = master.find(self.home)
        assert found is not None
        with found:
            self.assertEqual(found.pid, process.pid)
            self.assertTrue(found.catches(signal.SIGUSR1))
            self.assertFalse(found.catches(signal.SIGUSR2))
            self.assertFalse(found.ended(0.01))
            found.signal(signal.SIGTERM)
            self.assertTrue(found.ended(60))
            found.signal(signal.SIGTERM)

    def test_not_the_master(self) -> None:
        """A process that listens without HOME/run open, as systemd may, is left alone."""
        self.play("not")
        self.assertIsNone(master.find(self.home))

    def test_nobody(self) -> None:
        """Without a socket, or with one that nobody has open, there is none."""
        self.assertIsNone(master.find(self.home))
        process = self.play("held")
        process.kill()
        process.wait()
        self.assertIsNone(master.find(self.home))
