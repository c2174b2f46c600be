"""Callers that mean no good, on the socket by which a running qmail-send is asked."""

from __future__ import annotations

import array
import os
import random
import socket

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.schedule.asking import Asking
from qtwisted.schedule.requests.reception import CALLERS_MAX
from qtwisted.system.sockets import connect_unix
from qtwisted.wire.request import END, REQUEST_MAX, Answers, request_bytes
from test.kit.homes import SingleHome
from test.kit.running import wait_until


class HostileCase(SynchronousTestCase):
    """A test with a running mail system, whose qmail-send must be the same and answer at the end."""

    def setUp(self) -> None:
        """Start it, with a message that waits."""
        self.home = SingleHome(self)
        self.home.control("concurrencyremote", "0\n")
        self.running = self.home.up()
        done = self.home.run([self.home.program("qmail-inject"), "-a", "a@far.example"], b"Subject: x\n\nhello\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: self.home.files("info") and not self.home.files("todo"), "its files")
        [self.pid] = self.running.pids("send")

    def caller(self, reads_greeting: bool = True) -> socket.socket:
        """Connect."""
        connection = connect_unix(f"{self.home.path}/run", "send.sock", 30.0)
        self.addCleanup(connection.close)
        if reads_greeting:
            self.read(connection)
        return connection

    def read(self, connection: socket.socket) -> bytes:
        """Read one answer, or what comes before the end of the connection."""
        data = b""
        while not data.endswith(END) and (piece := connection.recv(4096)):
            data += piece
        return data

    def is_cut_off(self, connection: socket.socket) -> bool:
        """Wait for the end of a connection; False if there is something to read first."""
        try:
            return connection.recv(4096) == b""
        except ConnectionError:
            return True

    def still_serves(self) -> None:
        """The same process answers, and the message is where it was."""
        with Asking(self.home.path) as send:
            self.assertEqual(send.snapshot()["pid"], self.pid)
        self.assertEqual(len(self.home.files("info")), 1)
        self.running.read(0)
        self.assertFalse([line for line in self.running.log if "Traceback" in line or line.startswith("alert")])


class ProtocolTests(HostileCase):
    """Breaches of the protocol."""

    def test_breaches(self) -> None:
        """Whatever is no request ends the connection, and nothing else."""
        for data in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100, b"0:,", b"3:abc,", b"5:a\0b\0c;", b"-1:a,", b"1e3:",
                     b"01:\0,", b"%d:" % (REQUEST_MAX + 1), b"2000000000:", b"99999999999:", b"6:delete,", b":",
                     b"9" * 1000):
            caller = self.caller()
            caller.sendall(data)
            self.assertTrue(self.is_cut_off(caller), data)
        self.still_serves()

    def test_noise(self) -> None:
        """Nor does noise do anything, alone or after a good request."""
        chance = random.Random(7)
        for _ in range(50):
            caller = self.caller()
            noise = chance.randbytes(chance.randrange(1, 5000))
            try:
                caller.sendall(request_bytes([b"snapshot"]) * chance.randrange(2) + noise)
            except ConnectionError:
                pass
            caller.close()
        self.still_serves()

    def test_cut_anywhere(self) -> None:
        """A request that ends early is none; one that comes byte by byte is one."""
        whole = request_bytes([b"delete", b"%d" % 4711])
        for end in range(len(whole)):
            caller = self.caller()
            caller.sendall(whole[:end])
            caller.close()
        caller = self.caller()
        for byte in whole:
            caller.sendall(bytes((byte,)))
        self.assertIn(b"not found", self.read(caller))
        self.still_serves()

    def test_nonsense(self) -> None:
        """Numbers that are none, too many of them, and unknown verbs are refused in words."""
        with Asking(self.home.path) as send:
            for words in ((b"remove", b"1"), (b"delete", b"../info/1"), (b"delete", b"1", b"-1"), (b"delete",),
                          (b"hold", *[b"%d" % at for at in range(1, 1500)]), (b"",), (b"bounce", b"x" * 5000, b"1"),
                          (b"delete", b"1@"), (b"delete", b"1@2@3"), (b"show", b"0x10")):
                [value] = send.ask(*words)
                self.assertIn("error", value, words)
        self.still_serves()


class CrowdTests(HostileCase):
    """Callers that take what they can get."""

    def test_crowd(self) -> None:
        """Beyond a number callers are turned away, and served again when others have gone."""
        crowd = [self.caller() for _ in range(CALLERS_MAX)]
        late = self.caller(reads_greeting=False)
        self.assertEqual(list(Answers().received(self.read(late))), [{"refused": "too many callers"}, None])
        self.assertTrue(self.is_cut_off(late))
        for caller in crowd:
            caller.close()
        wait_until(lambda: self.descriptors("socket") < 40, "that they are gone")
        self.still_serves()

    def descriptors(self, kind: str) -> int:
        """How many descriptors of a kind qmail-send has open."""
        directory = f"/proc/{self.pid}/fd"
        found = 0
        for fd in os.listdir(directory):
            try:
                found += os.readlink(f"{directory}/{fd}").startswith(kind)
            except FileNotFoundError:
                continue
        return found

    def test_no_reader(self) -> None:
        """Callers who ask and ask and never read cost no memory and no time of others."""
        before = self.memory()
        callers = [self.caller(reads_greeting=False) for _ in range(20)]
        question = request_bytes([b"show", *[b"%d" % at for at in range(1, 1000)]])
        for caller in callers:
            caller.setblocking(False)
            for _ in range(200):
                try:
                    caller.send(question)
                except BlockingIOError:
                    break
        self.still_serves()
        self.assertLess(self.memory() - before, 30_000)

    def memory(self) -> int:
        """How much memory qmail-send has ever had, in kilobytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            [line] = [line for line in file if line.startswith("VmHWM:")]
        return int(line.split()[1])

    def test_descriptors(self) -> None:
        """Descriptors that a caller passes are not taken."""
        before = self.descriptors("/dev/null")
        caller = self.caller()
        with open(os.devnull, "rb") as file:
            passed = array.array("i", [file.fileno()] * 100)
            for _ in range(10):
                caller.sendmsg([request_bytes([b"snapshot"])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        self.assertIn(b"pid", self.read(caller))
        self.assertEqual(self.descriptors("/dev/null"), before)
        self.still_serves()

    def test_others_delete_and_vanish(self) -> None:
        """A caller who vanishes while his wish is fulfilled leaves the queue in order."""
        [name] = self.home.files("info")
        number = os.path.basename(name).encode()
        for verb in (b"hold", b"release", b"hold"):
            caller = self.caller()
            caller.sendall(request_bytes([verb, number]))
            caller.close()
        with Asking(self.home.path) as send:
            [value] = send.ask(b"hold", number)
            self.assertIn(value["answer"], ("done", "already"))
        self.still_serves()
