"""A home of one user, from qmail-config to the Maildir: what anybody can try without root."""

import os
import shutil
import signal
import smtplib
import socket
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import PORT, SingleHome, scratch
from test.kit.running import Running, processes, wait_until

SENDER = "you@example.com"
RECIPIENT = "me@test.example"


def body_of(message: bytes) -> bytes:
    """A delivered message without the lines that the journey has added, up to the first one that was sent."""
    return message[message.index(b"Subject:"):]


class MailTests(SynchronousTestCase):
    """Messages of every kind arrive whole, whatever sends them."""

    def setUp(self) -> None:
        """Start a home of one user."""
        self.home = SingleHome(self)
        self.running = self.home.up()
        self.port = self.running.port()

    def send(self, message: bytes) -> None:
        """Send a message with smtplib."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=120) as client:
            client.sendmail(SENDER, [RECIPIENT], message)

    def arrived(self, count: int = 1) -> list[bytes]:
        """Wait until so many messages are in the Maildir."""
        wait_until(lambda: (self.running.read(0.0), len(self.home.names()) >= count)[1], f"{count} messages")
        return self.home.mailbox()

    def test_smtplib(self) -> None:
        """A message sent with Python's own library arrives with its envelope on top."""
        self.send(b"Subject: hello\r\n\r\nIt works.\r\n")
        message, = self.arrived()
        self.assertTrue(message.startswith(b"Return-Path: <you@example.com>\nDelivered-To: me@test.example\n"))
        self.assertEqual(body_of(message), b"Subject: hello\n\nIt works.\n")

    def test_every_local_part(self) -> None:
        """Whatever stands before the @ of a local domain ends in the same Maildir."""
        names = ["a", "A.b-c+d", "postmaster", "x-y-default", "owner-", "%s"]
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
            for name in names:
                client.sendmail(SENDER, [f"{name}@test.example"], b"Subject: x\r\n\r\n")
            client.sendmail(SENDER, ["me@localhost"], b"Subject: x\r\n\r\n")
        self.arrived(len(names) + 1)

    def test_eight_bit_and_dots(self) -> None:
        """Bytes above 127 and lines that begin with dots arrive as they were sent."""
        body = b"Subject: x\n\n" + bytes(range(128, 256)) + b"\n.\n..\n.x\n...\n\x00\x01\xff\n"
        self.send(body.replace(b"\n", b"\r\n"))
        message, = self.arrived()
        self.assertEqual(body_of(message), body)

    def test_one_byte(self) -> None:
        """The smallest message there is arrives."""
        self.send(b"x")
        message, = self.arrived()
        self.assertTrue(message.endswith(b"\nx\n"), message)

    def test_large(self) -> None:
        """Thirty megabytes arrive whole."""
        line = bytes(range(33, 127)) * 10 + b"\n"
        body = b"Subject: large\n\n" + line * (30 * 1024 * 1024 // len(line))
        self.send(body.replace(b"\n", b"\r\n"))
        message, = self.arrived()
        self.assertTrue(body_of(message) == body, "the message has changed")

    def test_long_lines(self) -> None:
        """Lines of a megabyte arrive as they are."""
        body = b"Subject: long\n\n" + (b"y" * (1 << 20) + b"\n") * 3
        self.send(body.replace(b"\n", b"\r\n"))
        message, = self.arrived()
        self.assertTrue(body_of(message) == body, "the message has changed")

    def test_swaks(self) -> None:
        """A message sent with swaks arrives."""
        if shutil.which("swaks") is None:
            raise self.skipTest("swaks is not installed")
        done = subprocess.run(["swaks", "--server", f"127.0.0.1:{self.port}", "--from", SENDER, "--to", RECIPIENT,
                               "--header", "Subject: swaks", "--body", ".dots\n..\nend"],
                              capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)
        message, = self.arrived()
        self.assertIn(b"\nSubject: swaks\n", message)
        self.assertIn(b"\n\n.dots\n..\nend\n", message)

    def test_curl(self) -> None:
        """A message sent with curl arrives."""
        if shutil.which("curl") is None:
            raise self.skipTest("curl is not installed")
        done = subprocess.run(["curl", "--silent", "--show-error", "--crlf", "--mail-from", SENDER, "--mail-rcpt",
                               RECIPIENT, "-T", "-", f"smtp://127.0.0.1:{self.port}"],
                              input=b"Subject: curl\n\n.dot\nend\n", capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        message, = self.arrived()
        self.assertEqual(body_of(message), b"Subject: curl\n\n.dot\nend\n")

    def test_sendmail(self) -> None:
        """A message given to sendmail -t arrives; the program in the home knows the home."""
        done = self.home.run([self.home.program("sendmail"), "-t"], b"To: me\nSubject: sendmail\n\nIt works.\n",
                             USER="somebody")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        message, = self.arrived()
        self.assertTrue(message.endswith(b"\nSubject: sendmail\n\nIt works.\n"), message)

    def test_relaying(self) -> None:
        """Mail for strangers is refused."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
            refused = self.assertRaises(smtplib.SMTPRecipientsRefused,
                                        client.sendmail, SENDER, ["a@b.example"], b"x")
        self.assertEqual(refused.recipients["a@b.example"][0], 553)

    def test_second_run(self) -> None:
        """Stopped and started again, the home works as before."""
        self.send(b"Subject: first\r\n\r\n")
        self.arrived()
        self.running.stop()
        self.running = self.home.up()
        self.port = self.running.port()
        self.send(b"Subject: second\r\n\r\n")
        self.arrived(2)


class MasterTests(SynchronousTestCase):
    """Starting, stopping and what can go wrong with either."""

    def setUp(self) -> None:
        """Make a home of one user."""
        self.home = SingleHome(self)

    def fails(self, *words: str) -> str:
        """Start with *words*, which must fail with one line on standard error and leave nothing running."""
        running = self.home.start(*words)
        self.assertEqual(running.ended(), 1)
        self.assertEqual(processes(self.home.path), {})
        text = running.errors.decode()
        self.assertEqual(text.count("\n"), 1, text)
        self.assertNotIn("Traceback", running.told())
        return text

    def test_says_where(self) -> None:
        """The log tells which port was taken, and that nothing separates the roles of one user."""
        running = self.home.up()
        self.assertGreater(running.port(), 0)
        uid = self.home.user[0] if self.home.user else os.getuid()
        running.wait_for(f"warning: every process runs as uid {uid}; nothing separates them")

    def test_only_our_lines(self) -> None:
        """Standard output holds the log of mail and nothing else; standard error holds nothing."""
        running = self.home.up()
        running.stop()
        for line in running.log:
            self.assertRegex(line, "^(warning: every|smtp: listening|status: )")
        self.assertEqual(running.errors, b"")

    def test_control_c(self) -> None:
        """Ctrl-C ends everything, in order: the last word is send's."""
        running = self.home.up()
        running.stop(signal.SIGINT)
        self.assertEqual(running.log[-1], "status: exiting")

    def test_term(self) -> None:
        """So does TERM."""
        running = self.home.up()
        running.stop(signal.SIGTERM)
        self.assertEqual(running.log[-1], "status: exiting")

    def test_at_once(self) -> None:
        """Stopped before it is up, it leaves nothing behind either."""
        running = self.home.start(*PORT)
        running.wait_for("smtp: listening.*")
        running.stop()

    def test_kill(self) -> None:
        """When the master is killed, every role ends with it, and it can be started again."""
        running = self.home.up()
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not processes(self.home.path), "the end of all roles")
        self.home.up().stop()

    def test_kill_during_program(self) -> None:
        """When the master is killed, programs that deliver end as well, as they will be run again."""
        with open(f"{self.home.path}/mail/.qmailslow", "w", encoding="ascii") as file:
            file.write(f"|echo $$ > {self.home.place}/pid.new; mv {self.home.place}/pid.new {self.home.place}/pid; "
                       "exec sleep 3600\n")
        running = self.home.up()
        self.home.run([self.home.program("sendmail"), "slow"], b"Subject: x\n\n")
        wait_until(lambda: os.path.exists(f"{self.home.place}/pid"), "the program")
        with open(f"{self.home.place}/pid", encoding="ascii") as file:
            pid = int(file.read())
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the program")
        wait_until(lambda: not processes(self.home.path), "the end of all roles")

    def test_fronts(self) -> None:
        """There are as many fronts as asked for, and they share the port."""
        running = self.home.up(*PORT, "--fronts", "3")
        wait_until(lambda: len(running.pids("front")) == 3, "three fronts")
        for _ in range(6):
            with socket.create_connection(("127.0.0.1", running.port()), 30) as client:
                self.assertEqual(client.recv(3), b"220")

    def test_no_ports(self) -> None:
        """Without a service only the queue runs, and takes mail from programs."""
        os.rename(f"{self.home.path}/control/listen", f"{self.home.path}/control/.listen")
        running = self.home.start()
        running.ready()
        self.assertEqual(running.pids("front"), [])
        self.home.run([self.home.program("sendmail"), "me"], b"Subject: x\n\n")
        wait_until(lambda: len(self.home.names()) == 1, "the message")

    def test_port_taken(self) -> None:
        """A port that is taken is named in one line."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            endpoint = f"tcp:{port}:interface=127.0.0.1"
            self.assertEqual(self.fails("--smtp", endpoint),
                             f"twistd qmail: fatal: --smtp: cannot listen on {endpoint}: Address already in use\n")
            self.home.control("listen", f"# ours\nsmtp {endpoint}\n")
            self.assertEqual(self.fails(), "twistd qmail: fatal: control/listen line 2: "
                                           f"cannot listen on {endpoint}: Address already in use\n")

    def test_wrong_listen(self) -> None:
        """A line of control/listen that makes no sense is named."""
        self.home.control("listen", "smtp\n")
        self.assertIn("control/listen line 1: ", self.fails())

    def test_unknown_user(self) -> None:
        """A user in conf-users that does not exist is named."""
        with open(f"{self.home.path}/conf/conf-users", "w", encoding="ascii") as file:
            file.write("no-such-user\n" * 8)
        self.assertIn("no-such-user", self.fails(*PORT))

    def test_twice(self) -> None:
        """A home that is being served cannot be served a second time."""
        first = self.home.up()
        self.assertEqual(self.fails_beside(first), f"twistd qmail: fatal: the mail system in {self.home.path} "
                                                   "is already running\n")

    def fails_beside(self, first: Running) -> str:
        """Start a second one, which must fail and leave the first alone."""
        before = first.roles()
        second = self.home.start(*PORT)
        self.assertEqual(second.ended(), 1)
        self.assertEqual(first.roles(), before)
        return second.errors.decode()

    def test_refused_options(self) -> None:
        """twistd's own switches of users are refused."""
        running = self.home.start(*PORT, twistd=["--uid", "12"])
        self.assertNotEqual(running.ended(), 0)
        self.assertIn("--uid cannot be used with qmail", running.told())

    def test_restart(self) -> None:
        """Any role that is killed is started again, and mail goes on."""
        running = self.home.up()
        port = running.port()
        for name in ("door", "front", "log", "send", "lspawn", "rspawn"):
            wait_until(lambda name=name: len(running.pids(name)) == 1, f"{name} is up")  # type: ignore[misc]
            pid, = running.pids(name)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid, name=name: running.pids(name) not in ([], [pid]),  # type: ignore[misc]
                       f"another {name}")
        sent = 0
        while not sent:
            try:
                with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                    client.sendmail(SENDER, [RECIPIENT], b"Subject: after\r\n\r\n")
                    sent += 1
            except (smtplib.SMTPException, OSError):
                running.read(0.1)
        wait_until(lambda: (running.read(0.0), self.home.names())[1], "the message")
        running.stop()

    def test_hup_and_alrm(self) -> None:
        """HUP and ALRM to the master end nobody, and HUP has the control files reread."""
        running = self.home.up()
        before = running.roles()
        self.home.control("locals", "test.example\nother.example\n")
        running.signal(signal.SIGALRM)
        running.signal(signal.SIGHUP)
        done = self.home.run([self.home.program("sendmail"), "me@other.example"], b"Subject: x\n\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        running.wait_for(r"starting delivery \d+: msg \d+ to (local|remote) me@other\.example")
        self.assertEqual(running.roles(), before)

    def test_log_program(self) -> None:
        """--log gives the lines to a program, which is started again when it dies."""
        path = f"{self.home.place}/log"
        script = f"{self.home.place}/logger"
        with open(script, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\necho \"$$ $1\" >> {path}.pids\nexec cat >> {path}\n")
        os.chmod(script, 0o755)
        running = self.home.start(*PORT, "--log", f"{script} 'two words'")

        def said(text: str) -> bool:
            """Whether the program has been given *text*."""
            return os.path.exists(path) and text in open(path, encoding="ascii").read()

        wait_until(lambda: said("status: local 0/10 remote 0/20\n"), "the status in the log")
        with open(f"{path}.pids", encoding="ascii") as file:
            pid, _, words = file.read().partition(" ")
        self.assertEqual(words, "two words\n")
        os.kill(int(pid), signal.SIGKILL)
        self.home.run([self.home.program("sendmail"), "me"], b"Subject: x\n\n")
        wait_until(lambda: said("end msg "), "a line after the program was killed")
        running.stop()
        self.assertTrue(said("status: exiting\n"))
        self.assertEqual(running.log, [])

    def test_deaf_reader(self) -> None:
        """Mail goes on when nobody reads the log."""
        running = self.home.up()
        port = running.port()
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            for _ in range(300):  # 300 messages make more lines than the pipes hold that nobody empties now
                client.sendmail(SENDER, [RECIPIENT] * 20, b"Subject: x\r\n\r\n")
        wait_until(lambda: len(self.home.names()) == 6000, "6000 deliveries", 120)

    def test_closed_reader(self) -> None:
        """Mail goes on when the reader of the log has closed it."""
        running = self.home.up()
        port = running.port()
        running.process.stdout.close()
        running._open.clear()
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.sendmail(SENDER, [RECIPIENT], b"Subject: x\r\n\r\n")
        wait_until(lambda: len(self.home.names()) == 1, "the delivery")


TAC = """\
from twisted.application.service import Application, MultiService
from twisted.application.internet import TCPServer
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo

from qtwisted.admin.twistd import Options, makeService

application = Application("several things")
together = MultiService()
together.setServiceParent(application)
TCPServer(0, Factory.forProtocol(Echo), interface="127.0.0.1").setServiceParent(together)
for home in {homes!r}:
    options = Options()
    options.parseOptions(["--home", home, "--smtp", "tcp:0:interface=127.0.0.1", "--fronts", "1"])
    makeService(options).setServiceParent(together)
"""


class EmbeddingTests(SynchronousTestCase):
    """The mail system is an ordinary service in an application with others."""

    def test_tac(self) -> None:
        """Two mail systems and something else run in one twistd from a .tac file, and end together."""
        homes = [SingleHome(self), SingleHome(self)]
        path = f"{homes[0].place}/app.tac"
        with open(path, "w", encoding="ascii") as file:
            file.write(TAC.format(homes=[home.path for home in homes]))
        words = code().twistd("--nodaemon", "--logfile=/dev/null", f"--python={path}")
        running = Running(words, homes[0].path, code().environment(), homes[0].user, scratch(self))
        self.addCleanup(running.kill)
        at, found = running.wait_for_line(r"smtp: listening on \S+ port (\d+)")
        ports = [int(found.group(1)), int(running.wait_for(r"smtp: listening on \S+ port (\d+)", at + 1).group(1))]
        for port in ports:
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
                client.sendmail(SENDER, [RECIPIENT], b"Subject: x\r\n\r\n")
        wait_until(lambda: all(home.names() for home in homes), "a message in both")
        running.stop()
        for home in homes:
            self.assertEqual(processes(home.path), {})
