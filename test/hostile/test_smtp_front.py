"""Clients that mean no good, on loopback, against a real front process; the numbers are those of the case table.

The queue behind the front is a program that keeps what it gets, so that nothing else has to run.
"""

from __future__ import annotations

import grp
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.start import command

ROOT = Path(__file__).parent.parent.parent
ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<v@local>\r\nDATA\r\n"
QUEUE = """#!/bin/sh
cat > "$KEEP/$$.message" && cat <&1 > "$KEEP/$$.envelope" && [ -s "$KEEP/$$.envelope" ] || exit 54
mv "$KEEP/$$.message" "$KEEP/$$"
"""


class Peer:
    """A client of the front."""

    def __init__(self, port: int, ip: str = "127.0.0.1") -> None:
        """Connect from an address of this host."""
        self.socket = socket.create_connection(("127.0.0.1", port), 20, (ip, 0))
        self.stream = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def line(self) -> bytes:
        """Read one line of the server; nothing at its end."""
        try:
            return self.stream.readline()
        except ConnectionResetError:
            return b""

    def code(self) -> int:
        """Read one reply; give its code, 0 at the end."""
        while (line := self.line())[3:4] == b"-":
            pass
        return int(line[:3] or 0)

    def deliver(self) -> int:
        """Send a message on a new session; give the code of the last answer."""
        if self.code() != 220:
            return 421
        self.send(ENVELOPE)
        codes = [self.code() for _ in range(3)]
        self.send(b"Subject: s\r\n\r\nhi\r\n.\r\n")
        return self.code() if codes == [250, 250, 354] else codes[-1]

    def close(self) -> None:
        """Disconnect."""
        self.stream.close()
        self.socket.close()


class FrontTests(SynchronousTestCase):
    """One front process for each test."""

    def start(self, queue: bool = True, **controls: str) -> None:
        """Start a front with these control files; without ``queue`` there is no door and no program in its place."""
        home = Path(self.mktemp()).absolute()
        for directory in ("control", "conf", "run", "kept"):
            (home / directory).mkdir(parents=True)
        (home / "conf" / "conf-users").write_text((pwd.getpwuid(os.geteuid()).pw_name + "\n") * 8)
        (home / "conf" / "conf-groups").write_text((grp.getgrgid(os.getegid()).gr_name + "\n") * 2)
        for name, text in {"me": "mx.example.org", "rcpthosts": "local", **controls}.items():
            (home / "control" / name).write_text(text)
        stub = home / "queue"
        stub.write_text(QUEUE)
        stub.chmod(0o755)
        self.kept = home / "kept"
        environ = {"PATH": os.environ["PATH"], "KEEP": str(self.kept)}
        if queue:
            environ["QMAILQUEUE"] = str(stub)
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = listener.getsockname()[1]
        log, log_end = os.pipe()
        self.log = os.fdopen(log, "rb")
        self.addCleanup(self.log.close)
        fds = {"smtp0": listener.fileno(), "log": log_end}
        path = [entry for entry in sys.path if entry.startswith("/")]
        words = command("front", str(home), os.getpid(), None, fds, {}, [str(ROOT), *path])
        self.process = subprocess.Popen(words, env=environ, pass_fds=list(fds.values()), stdin=subprocess.DEVNULL)
        self.addCleanup(self.stop)
        listener.close()
        os.close(log_end)

    def stop(self) -> None:
        """End the front."""
        self.process.kill()
        self.process.wait()

    def connect(self, ip: str = "127.0.0.1") -> Peer:
        """Connect a client."""
        peer = Peer(self.port, ip)
        self.addCleanup(peer.close)
        return peer

    def messages(self) -> int:
        """Count the messages that were stored."""
        return len([path for path in self.kept.iterdir() if path.name.isdigit()])

    def descriptors(self) -> int:
        """Count the descriptors of the front."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident(self) -> int:
        """Give the memory of the front in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def finish(self) -> list[bytes]:
        """End the front in order; give its log."""
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(20), 0)
        return self.log.readlines()

    def test_messages(self) -> None:
        """Messages are stored and answered; a client that says all at once and closes its half is answered, too."""
        self.start()
        self.assertEqual(self.connect().deliver(), 250)
        peer = self.connect()
        peer.send(b"EHLO x\r\n" + (ENVELOPE + b"hi\r\n.\r\n") * 2 + b"QUIT\r\n")
        peer.socket.shutdown(socket.SHUT_WR)
        self.assertEqual([peer.code() for _ in range(11)], [220, 250] + [250, 250, 354, 250] * 2 + [221])
        self.assertEqual(peer.line(), b"")
        self.assertEqual(self.messages(), 3)
        self.assertEqual(self.finish(), [])

    def test_big_message(self) -> None:
        """A message of 30 MB passes through little memory."""
        self.start()
        self.assertEqual(self.connect().deliver(), 250)
        before = self.resident()
        peer = self.connect()
        peer.send(ENVELOPE)
        piece = (b"x" * 998 + b"\r\n") * 64
        for _ in range(480):
            peer.send(piece)
        peer.send(b".\r\n")
        self.assertEqual([peer.code() for _ in range(5)], [220, 250, 250, 354, 250])
        self.assertLess(self.resident() - before, 8 << 20)
        self.assertGreater(max(path.stat().st_size for path in self.kept.iterdir()), 30000000)

    def test_s17_endless_line(self) -> None:
        """S17: a client that sends 10 MB without a line end can read why it is sent away."""
        self.start()
        peer = self.connect()
        try:
            for _ in range(160):
                peer.send(b"x" * 65536)
        except OSError:
            pass  # it was sent away already
        self.assertEqual([peer.code() for _ in range(2)], [220, 421])

    def test_bare_lf_can_be_read(self) -> None:
        """The answer to a bare LF arrives even if much more is on its way."""
        self.start()
        peer = self.connect()
        peer.send(ENVELOPE + b"a\nb\r\n" + b"more text\r\n" * 20000)
        self.assertEqual([peer.code() for _ in range(5)], [220, 250, 250, 354, 451])
        self.assertEqual(peer.line(), b"")
        self.assertEqual(self.messages(), 0)

    def test_s41_client_vanishes(self) -> None:
        """S41: clients that reset or close in a message, or in a line, leave nothing; the next is served."""
        self.start()
        for data in (ENVELOPE, ENVELOPE + b"x", b"MAIL FR"):
            for reset in (True, False):
                peer = self.connect()
                peer.code()
                peer.send(data)
                if reset:
                    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                peer.close()
        self.assertEqual(self.connect().deliver(), 250)
        self.assertEqual(self.messages(), 1)
        self.assertEqual(self.finish(), [])

    def test_s52_never_reads(self) -> None:
        """S52: a client that asks for ever and never reads is not read any more, and costs little memory."""
        self.start(maxjunk="0")
        self.assertEqual(self.connect().deliver(), 250)
        before = self.resident()
        peer = self.connect()
        peer.socket.settimeout(1)
        sent = 0
        try:
            for _ in range(2000):
                sent += peer.socket.send(b"EHLO x\r\n" * 8192)
        except TimeoutError:
            pass
        self.assertLess(sent, 2000 * 65536)
        self.assertLess(self.resident() - before, 4 << 20)
        self.assertEqual(self.connect("127.0.0.2").deliver(), 250)

    def test_s53_slow_clients(self) -> None:
        """S53: many clients that send byte by byte are each cut off, and do not slow down a good one."""
        self.start(timeoutcommand="2")
        slow = [self.connect(f"127.0.1.{number % 10}") for number in range(200)]
        for peer in slow:
            peer.code()
            peer.send(b"N")
        good = self.connect("127.0.0.2")
        began = time.monotonic()
        self.assertEqual(good.deliver(), 250)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual({peer.code() for peer in slow}, {451})

    def test_s55_too_many_connections(self) -> None:
        """S55: the 51st connection of one address, or one too many in all, gets 421; the others stay."""
        self.start(concurrencyincoming="60")
        peers = [self.connect() for _ in range(50)]
        self.assertEqual({peer.code() for peer in peers}, {220})
        self.assertEqual(self.connect().code(), 421)
        others = [self.connect("127.0.0.2") for _ in range(10)]
        self.assertEqual(sorted(peer.code() for peer in others)[:2], [220, 220])
        self.assertEqual(self.connect("127.0.0.3").code(), 421)
        peers[0].send(b"NOOP\r\n")
        self.assertEqual(peers[0].code(), 250)

    def test_s56_connect_and_go(self) -> None:
        """S56: clients that come and go leave no descriptor and no memory behind."""
        self.start()
        self.assertEqual(self.connect().deliver(), 250)
        self.settle()
        descriptors, memory = self.descriptors(), self.resident()
        for _ in range(2000):
            Peer(self.port).close()
        self.settle()
        self.assertLessEqual(self.descriptors(), descriptors + 1)
        self.assertLess(self.resident() - memory, 4 << 20)

    def settle(self) -> None:
        """Wait until the front has dealt with all who came before: who comes now is served after them."""
        peer = self.connect("127.0.0.9")
        self.assertEqual(peer.deliver(), 250)
        peer.send(b"QUIT\r\n")
        self.assertEqual([peer.code(), peer.code()], [221, 0])

    def test_s58_urgent_data(self) -> None:
        """S58: an urgent byte is no part of the stream and disturbs nothing."""
        self.start()
        peer = self.connect()
        peer.send(b"NO")
        peer.socket.send(b"!", socket.MSG_OOB)
        peer.send(b"OP\r\n")
        self.assertEqual([peer.code() for _ in range(2)], [220, 250])

    def test_s59_no_queue(self) -> None:
        """S59: while the door of the queue is away messages are put off, and the session goes on."""
        self.start(queue=False)
        peer = self.connect()
        self.assertEqual(peer.deliver(), 451)
        peer.send(b"NOOP\r\n")
        self.assertEqual(peer.code(), 250)

    def test_s61_term_in_a_message(self) -> None:
        """S61: at TERM a message under way is finished and answered, idle clients get 421, and nobody is accepted."""
        self.start()
        busy, idle = self.connect(), self.connect()
        self.assertEqual((busy.code(), idle.code()), (220, 220))
        busy.send(ENVELOPE)
        self.assertEqual([busy.code() for _ in range(3)], [250, 250, 354])
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual((idle.code(), idle.code()), (421, 0))
        busy.send(b"hi\r\n.\r\n")
        self.assertEqual([busy.code() for _ in range(3)], [250, 421, 0])
        self.assertEqual(self.process.wait(20), 0)
        self.assertEqual(self.messages(), 1)

    def test_s61_hup_in_a_message(self) -> None:
        """S61: at HUP the control files are read again, and nobody notices."""
        self.start()
        peer = self.connect()
        peer.code()
        peer.send(ENVELOPE)
        self.assertEqual([peer.code() for _ in range(3)], [250, 250, 354])
        self.process.send_signal(signal.SIGHUP)
        peer.send(b".\r\n")
        self.assertEqual(peer.code(), 250)
