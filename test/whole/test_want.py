"""The mail system in want: of descriptors, memory, space, name servers, and of roles that stand still."""

from __future__ import annotations

import os
import signal
import smtplib
import socket

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import HOST, PORT, SingleHome
from test.kit.running import Running, wait_until
from test.kit.senders import Sender, arrived

TEXT = b"Subject: x\r\n\r\nhi\r\n"
ME = f"me@{HOST}"


def used(pid: int) -> float:
    """The seconds of CPU that a process has used."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def size(pid: int) -> int:
    """The bytes of address space that a process has."""
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


class WantTests(SynchronousTestCase):
    """One home, one want at a time."""

    def setUp(self) -> None:
        """Start the mail system; one client may have as many connections as he likes."""
        self.home = SingleHome(self)
        self.home.control("maxconnip", "0\n")

    def up(self) -> Running:
        """Start it."""
        self.running = self.home.up(*PORT, "--fronts", "1")
        self.port = self.running.port()
        wait_until(lambda: len(self.running.roles()) >= 6, "all roles")
        return self.running

    def limit(self, pid: int, what: str, most: int) -> None:
        """Limit what a process that runs may have."""
        done = self.home.run(["prlimit", f"--pid={pid}", f"--{what}={most}:{most}"])
        self.assertEqual(done.returncode, 0, done.stderr)

    def send(self, text: bytes = TEXT, timeout: float = 60.0) -> int:
        """Send a message by SMTP; give the code of the reply to it."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=timeout) as client:
            client.ehlo()
            client.mail(ME)
            client.rcpt(ME)
            return client.data(text)[0]

    def test_descriptors(self) -> None:
        """With 40 descriptors and a hundred clients a front serves whom it can, does not spin, and recovers (F12)."""
        running = self.up()
        self.assertEqual(self.send(), 250)
        (front,) = running.pids("front")
        self.limit(front, "nofile", 40)
        clients = [socket.create_connection(("127.0.0.1", self.port), timeout=60) for _ in range(100)]
        self.assertEqual(clients[0].recv(3), b"220")
        before = used(front)
        for _ in range(30):
            running.read(0.1)
        self.assertLess(used(front) - before, 0.6)
        for client in clients:
            client.close()
        self.assertEqual(self.send(), 250)
        self.assertEqual(running.pids("front"), [front])
        running.stop()

    def test_memory(self) -> None:
        """A message passes that is six times as large as the memory that each role may still take (F15)."""
        running = self.up()
        self.assertEqual(self.send(), 250)
        before = running.roles()
        for pid, role in before.items():
            if role in ("front", "door", "lspawn", "send"):
                self.limit(pid, "as", size(pid) + (24 << 20))
        line = b"x" * 998 + b"\r\n"
        self.assertEqual(self.send(b"Subject: big\r\n\r\n" + line * 150_000, timeout=120), 250)
        wait_until(lambda: (running.read(0.1), len(self.home.names()) == 2)[1], "the delivery", 120)
        self.assertEqual(max(len(text) for text in self.home.mailbox()) // 1_000_000, 149)
        self.assertEqual(running.roles(), before)
        running.stop()

    def test_standstill(self) -> None:
        """A role that stands still lets the others wait; when it goes on nothing is lost, none has ended (F28)."""
        running = self.up()
        before = running.roles()
        sender = Sender("s", self.port, ME, [ME])
        sender.start()
        for pid in before:
            os.kill(pid, signal.SIGSTOP)
            for _ in range(10):
                running.read(0.1)
            os.kill(pid, signal.SIGCONT)
            enough = len(sender.accepted) + 1
            wait_until(lambda enough=enough: (running.read(0.1), len(sender.accepted) >= enough)[1], "mail goes on")
        names = sender.stop()
        wait_until(lambda: (running.read(0.1), not self.home.queued())[1], "an empty queue")
        self.assertEqual({(ME, name) for name in names} - set(arrived(self.home.mailbox())), set())
        self.assertEqual(running.roles(), before)
        running.stop()

    def test_no_name_servers(self) -> None:
        """Without name servers from the start local mail is delivered and remote mail waits (F30)."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        self.home.control("resolvers", f"127.0.0.1:{port}\n")
        running = self.up()
        done = self.home.run([self.home.program("qmail-inject")], f"to: {ME}, you@far.example\n".encode())
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        running.wait_for(r"delivery \d+: success: did_1\+0\+0/")
        running.wait_for(r"delivery \d+: deferral: .*")
        running.stop()
