"""Programs of other hands that speak QMQP, and our own programs with each other, as processes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from test.kit.fronts import FrontHome
from test.kit.homes import scratch
from test.kit.programs import environment
from test.kit.running import wait_until

SOURCE = shutil.which("qmqp-source", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
SINK = shutil.which("qmqp-sink", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
#: runs qmail-qmqpc with another port than its own, which only root may listen on
CLIENT = "import sys; from qtwisted.store import qmqpc; qmqpc.PORT = int(sys.argv[1]); qmqpc.main()"
TEXT = b"Subject: x\n\nhi\n"
ENVELOPE = b"Fs@x\0Ta@b\0Tc@d\0\0"


def client(home: str, port: int, message: bytes = TEXT, envelope: bytes = ENVELOPE) -> int:
    """Run qmail-qmqpc; give its exit code."""
    with tempfile.TemporaryFile() as first, tempfile.TemporaryFile() as second:
        for file, data in ((first, message), (second, envelope)):
            file.write(data)
            file.seek(0)
        done = subprocess.run([sys.executable, "-P", "-c", CLIENT, str(port)], stdin=first, stdout=second,
                              stderr=subprocess.PIPE, env=environment(QMAILHOME=home), timeout=120, check=False)
    if done.stderr:
        raise AssertionError(done.stderr.decode())
    return done.returncode


class SourceTests(SynchronousTestCase):
    """Postfix's qmqp-source sends to us."""

    if SOURCE is None:
        skip = "qmqp-source is not installed"

    def source(self, front: FrontHome, *words: str) -> None:
        """Send with qmqp-source; it fails if any answer does not begin with K."""
        subprocess.run([str(SOURCE), *words, "-f", "s@x", "-t", "r@y", f"inet:127.0.0.1:{front.ports['qmqp']}"],
                       check=True, timeout=120, capture_output=True)

    def test_sessions_and_messages(self) -> None:
        """Many messages in parallel sessions are all queued, with all recipients."""
        front = FrontHome(self, "qmqp", qmqpclients="127.0.0.1\n", me="mx.example.org\n")
        self.source(front, "-m", "50", "-s", "5", "-r", "3", "-l", "2000")
        queued = front.queued()
        self.assertEqual(len(queued), 50)
        for message in queued:
            self.assertIn(b"\nReceived: from unknown (127.0.0.1)\n  by mx.example.org with QMQP; ", message.text)
            self.assertRegex(message.todo, rb"\0Fs@x\0T\d+r@y\0T\d+r@y\0T\d+r@y\0\Z")

    def test_large(self) -> None:
        """A message of ten megabytes is queued whole."""
        front = FrontHome(self, "qmqp", qmqpclients="127.0.0.0/8\n")
        self.source(front, "-l", "10000000")
        message, = front.queued()
        self.assertGreater(len(message.text), 10000000)

    def test_program(self) -> None:
        """qmail-qmqpd serves it, too."""
        front = FrontHome(self)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with subprocess.Popen([str(SOURCE), "-f", "s@x", "-t", "r@y", f"inet:127.0.0.1:{port}"]) as source:
                listener.settimeout(60)
                connection = listener.accept()[0]
                with connection:
                    done = subprocess.run([sys.executable, "-m", "qtwisted.accept.qmqpd"], stdin=connection,
                                          stdout=connection, timeout=60, check=False,
                                          env={**front.home.environment(), "TCPREMOTEIP": "127.0.0.1"})
                self.assertEqual((done.returncode, source.wait(60)), (0, 0))
        message, = front.queued()
        self.assertIn(b"\nReceived: from unknown (127.0.0.1)\n  by unknown with QMQP; ", message.text)


class SinkTests(SynchronousTestCase):
    """qmail-qmqpc sends to Postfix's qmqp-sink."""

    if SINK is None:
        skip = "qmqp-sink is not installed"

    def start(self, address: str) -> int:
        """Start the sink on a free port; give the port."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, 0), family=family) as listener:
            port = int(listener.getsockname()[1])
        sink = subprocess.Popen([str(SINK), f"inet:[{address}]:{port}", "10"], stderr=subprocess.DEVNULL)
        self.addCleanup(sink.wait)
        self.addCleanup(sink.kill)

        def listens() -> bool:
            """Does it take connections?"""
            try:
                socket.create_connection((address, port), 5).close()
            except OSError:
                return False
            return True

        wait_until(listens, "the sink listens")
        return port

    def home(self, servers: str) -> str:
        """Make a home with these servers."""
        home = scratch(self)
        os.makedirs(f"{home}/control")
        with open(f"{home}/control/qmqpservers", "w", encoding="ascii") as file:
            file.write(servers)
        return home

    def test_small_and_large(self) -> None:
        """A small, an empty and a large message are taken."""
        port, home = self.start("127.0.0.1"), self.home("127.0.0.1\n")
        for message in (TEXT, b"", b"x" * 5000000):
            self.assertEqual(client(home, port, message), 0)
        self.assertEqual(client(home, port, TEXT, b"F\0" + b"Tr@y\0" * 100000 + b"\0"), 0)

    def test_ipv6(self) -> None:
        """A server may have an IPv6 address."""
        try:
            port = self.start("::1")
        except OSError:
            raise self.skipTest("this host has no IPv6") from None
        self.assertEqual(client(self.home("::1\n"), port), 0)

    def test_c5_nobody_listens(self) -> None:
        """Where nobody listens the exit code is 73, and the next server is tried."""
        port = self.start("127.0.0.1")
        self.assertEqual(client(self.home("127.0.0.2\n"), port), 73)
        self.assertEqual(client(self.home("127.0.0.2\n127.0.0.1\n"), port), 0)


class OwnTests(SynchronousTestCase):
    """Our client and our server."""

    def test_mail(self) -> None:
        """What qmail-qmqpc is given ends up in the queue of the other host."""
        front = FrontHome(self, "qmqp", qmqpclients="127.0.0.1\n", qmqpservers="127.0.0.1\n")
        self.assertEqual(client(front.home.path, front.ports["qmqp"]), 0)
        message, = front.queued()
        self.assertRegex(message.text, rb"(?s)\AReceived: \(qmail \d+ invoked .*" + re.escape(TEXT) + rb"\Z")
        self.assertTrue(message.todo.endswith(b"\0" + ENVELOPE[:-1]))

    def test_refusals(self) -> None:
        """A server that refuses an address is 31, one that does not know us 74; the queue stays empty."""
        front = FrontHome(self, "qmqp", qmqpclients="127.0.0.1\n", qmqpservers="127.0.0.1\n")
        port = front.ports["qmqp"]
        self.assertEqual(client(front.home.path, port, TEXT, b"F\0T" + b"x" * 1000 + b"\0\0"), 31)
        front.home.write("control/qmqpclients", "192.0.2.1\n")
        self.assertEqual(client(front.home.path, port), 74)
        self.assertEqual(front.queued(), [])

    def test_qmailqueue(self) -> None:
        """As $QMAILQUEUE it takes the place of qmail-queue for qmail-inject, and its exit code is told."""
        front = FrontHome(self, "qmqp", qmqpclients="127.0.0.1\n", qmqpservers="127.0.0.1\n", me="mx.example.org\n")
        program = f"{front.home.place}/qmqpc"
        with open(program, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nexec {sys.executable} -P -c '{CLIENT}' {front.ports['qmqp']}\n")
        os.chmod(program, 0o755)
        words = [sys.executable, "-m", "qtwisted.accept.submit.inject", "r@y.z"]
        environ = {**front.home.environment(), "QMAILQUEUE": program}
        done = subprocess.run(words, input=TEXT, env=environ, capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"Tr@y.z\0", front.queued()[0].todo)
        front.home.write("control/qmqpservers", "127.0.0.2\n")
        done = subprocess.run(words, input=TEXT, env=environ, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 111)
        self.assertIn(b"connection to mail server rejected (#4.4.1)", done.stderr)
