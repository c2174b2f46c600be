"""The end of a system with deliveries that do not end: it waits for a while, puts them off, and says so."""

from __future__ import annotations

import os
import signal
import socket

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import PORT, SingleHome
from test.kit.running import Running, wait_until

HASTY = """\
import sys; sys.argv[0] = 'twistd'
from qtwisted.admin.running import master; master.DELIVERIES_FOR = 1.0
from twisted.scripts.twistd import run; run()
"""


class EndingTests(SynchronousTestCase):
    """One home, and a master with little patience."""

    def setUp(self) -> None:
        """Make the home."""
        self.home = SingleHome(self)

    def up(self, *words: str) -> Running:
        """Start it."""
        line = [code().executable, "-P", "-s", "-c", HASTY, "-n", "--pidfile=", "qmail", "--home", self.home.path,
                *PORT, "--fronts", "1", *words]
        running = Running(line, self.home.path, code().environment(), self.home.user)
        self.addCleanup(running.kill)
        running.ready()
        return running

    def inject(self, recipient: str) -> None:
        """Hand in a message."""
        done = self.home.run([self.home.program("sendmail"), recipient], b"Subject: x\n\n")
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def silent_server(self) -> socket.socket:
        """Have all remote mail go to a server that never says a word."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        self.home.control("smtproutes", f":[127.0.0.1]:{server.getsockname()[1]}\n")
        return server

    def refuses(self, port: int) -> bool:
        """Whether nobody listens on a port."""
        try:
            socket.create_connection(("127.0.0.1", port), 60).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            return False  # it is being closed at this moment
        return False

    def test_put_off(self) -> None:
        """A silent server and a program without end are put off in order, and tried again by the next start."""
        server = self.silent_server()
        with open(f"{self.home.path}/mail/.qmailslow", "w", encoding="ascii") as file:
            file.write(f"|echo $$ > {self.home.place}/new; mv {self.home.place}/new {self.home.place}/pid; "
                       "exec sleep 3600\n")
        running = self.up()
        self.inject("joe@elsewhere.example")
        self.inject("slow")
        server.settimeout(60)
        connection, _ = server.accept()
        self.addCleanup(connection.close)
        wait_until(lambda: os.path.exists(f"{self.home.place}/pid"), "the program")
        running.stop(signal.SIGTERM)
        given_up = [line for line in running.log if "deferral: The_mail_system_is_ending" in line]
        self.assertEqual(len(given_up), 2, running.told())
        self.assertEqual(running.log[-2:], ["status: local 0/10 remote 0/20 exitasap", "status: exiting"])
        self.assertEqual([line for line in running.log if line.startswith("alert")], [])
        self.assertEqual(running.errors, b"")
        with open(f"{self.home.place}/pid", encoding="ascii") as file:
            pid = int(file.read())
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the program")
        self.assertEqual(len(self.home.files("remote") + self.home.files("local")), 2)
        again = self.up()
        again.signal(signal.SIGALRM)
        server.accept()[0].close()

    def test_asked_twice(self) -> None:
        """Whoever asks for the end again and again hears nothing but the log, and the end comes in order."""
        server = self.silent_server()
        running = self.up()
        self.inject("joe@elsewhere.example")
        server.settimeout(60)
        self.addCleanup(server.accept()[0].close)
        running.signal(signal.SIGTERM)
        wait_until(lambda: self.refuses(running.port()), "the end of the port, with which the end begins")
        running.signal(signal.SIGINT)
        running.stop(signal.SIGTERM)
        self.assertEqual(running.errors, b"")
        self.assertEqual(running.log[-1], "status: exiting")

    def test_log_that_cannot_run(self) -> None:
        """Mail goes on without the program that should take the log, and the operator hears of it once a minute."""
        line = code().twistd("-n", "qmail", "--home", self.home.path, *PORT, "--fronts", "1",
                             "--log", "/nonexistent/log x")
        running = Running(line, self.home.path, code().environment(), self.home.user)
        self.addCleanup(running.kill)
        wait_until(lambda: (running.read(0.02), len(running.roles()) >= 6)[1], "six processes")
        self.inject("me")
        wait_until(lambda: len(self.home.names()) == 1, "the message")
        running.stop()
        told = b"alert: cannot run /nonexistent/log: No such file or directory\n"
        self.assertEqual(running.errors, told)
