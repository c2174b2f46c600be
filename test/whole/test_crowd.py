"""Connections are counted over all fronts, whichever process takes them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system import tally
from test.kit.code import code
from test.kit.homes import PORT, SingleHome
from test.kit.running import wait_until

#: counts ``name`` once in a region, says so, and dies when it is told to
COUNTING = """\
import sys
from qtwisted.system.tally import Tally
fd, region, count = map(int, sys.argv[1:])
mine = Tally(fd, region)
for _ in range(count):
    found = mine.change([b"name"], 1)
print(*found, flush=True)
sys.stdin.readline()
"""


class SharedTallyTests(SynchronousTestCase):
    """The shared memory, with real processes."""

    def setUp(self) -> None:
        """Make memory for three."""
        self.fd = tally.create(3)
        self.addCleanup(os.close, self.fd)

    def start(self, region: int, count: int = 1) -> subprocess.Popen[str]:
        """Start a process that counts."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", COUNTING, str(self.fd), str(region), str(count)], pass_fds=[self.fd],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=code().environment(),
        )
        self.addCleanup(process.communicate)
        return process

    def said(self, process: subprocess.Popen[str]) -> int:
        """Wait for what the process has counted."""
        assert process.stdout is not None
        return int(process.stdout.readline())

    def test_sum(self) -> None:
        """Each process is told what all of them have counted."""
        self.assertEqual([self.said(self.start(0)), self.said(self.start(1))], [1, 2])

    def test_at_the_same_time(self) -> None:
        """No count is lost where processes count at the same time."""
        last = [self.said(process) for process in [self.start(0, 5000), self.start(1, 5000)]]
        self.assertEqual(tally.Tally(self.fd, 2).change([b"name"], 0), [10000])
        self.assertEqual(max(last), 10000)

    def test_death(self) -> None:
        """Counts of a process that has died are cleared when they are in the way, those of one that lives are not."""
        dying, living = self.start(0), self.start(1)
        self.said(dying), self.said(living)
        mine = tally.Tally(self.fd, 2)
        self.assertFalse(mine.clear_dead())
        dying.kill()
        dying.wait()
        self.assertEqual(mine.change([b"name"], 1), [3])
        self.assertTrue(mine.clear_dead())
        self.assertFalse(mine.clear_dead())
        self.assertEqual(mine.change([b"name"], 0), [2])


class FrontsTests(SynchronousTestCase):
    """A system with two fronts."""

    def setUp(self) -> None:
        """Start it."""
        self.home = SingleHome(self)
        self.running = self.home.up(*PORT, "--fronts", "2")
        self.port = self.running.port()
        wait_until(lambda: len(self.running.pids("front")) == 2, "two fronts")
        self.fronts = self.running.pids("front")
        self.assertTrue(self.connect().startswith(b"220 "))

    def connect(self, address: str = "127.0.0.1") -> bytes:
        """Connect, keep the connection, and give the first line that is said."""
        client = socket.create_connection(("127.0.0.1", self.port), 60, (address, 0))
        self.addCleanup(client.close)
        self.clients = [*getattr(self, "clients", []), client]
        return client.makefile("rb").readline()

    def only(self, at: int, other: int) -> None:
        """Have one front take all connections, by stopping the other one."""
        os.kill(self.fronts[at], signal.SIGCONT)
        os.kill(self.fronts[other], signal.SIGSTOP)
        self.addCleanup(self.resume)

    def resume(self) -> None:
        """Let all fronts go on."""
        for pid in self.fronts:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def test_51st_over_two_fronts(self) -> None:
        """S55: the 51st connection of an address is sent away, whichever front has the others; nobody else is."""
        self.only(0, 1)
        first = [self.connect() for _ in range(30)]
        self.only(1, 0)
        second = [self.connect() for _ in range(19)]
        self.assertEqual({line[:4] for line in first + second}, {b"220 "})
        self.assertEqual(self.connect(), b"421 4.7.0 too many connections from your address\r\n")
        self.assertEqual(self.connect("127.0.0.2")[:4], b"220 ")
        self.resume()
        # the one that was sent away goes, and two more
        for client in (self.clients[50], self.clients[1], self.clients[40]):
            client.sendall(b"QUIT\r\n")
            while client.recv(4096):
                pass
            client.close()
        wait_until(lambda: self.connect()[:4] == b"220 ", "room for one more")

    def test_front_dies(self) -> None:
        """The connections of a front that dies count no longer, even before there is a new one."""
        self.only(0, 1)
        for _ in range(49):
            self.connect()
        os.kill(self.fronts[1], signal.SIGCONT)
        self.assertEqual(self.connect()[:4], b"421 ")
        os.kill(self.fronts[0], signal.SIGKILL)
        self.running.wait_for("alert: front.: front was ended by signal 9")
        lines = {self.connect()[:4] for _ in range(40)}
        self.assertEqual(lines, {b"220 "})

    def test_total(self) -> None:
        """concurrencyincoming counts all connections to the service, over all fronts."""
        self.home.control("concurrencyincoming", "5\n")
        self.only(0, 1)
        self.connect("127.0.0.2"), self.connect("127.0.0.3")
        self.only(1, 0)
        self.assertEqual([self.connect(f"127.0.0.{at}")[:4] for at in (4, 5, 6)], [b"220 ", b"220 ", b"421 "])
