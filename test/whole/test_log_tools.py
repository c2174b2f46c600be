"""qmailctl trace, top, test and summary on a mail system that runs."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
from datetime import datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import cdb, newu
from test.kit.code import code
from test.kit.homes import PORT, SingleHome, scratch
from test.kit.running import Running, wait_until
from test.kit.world import NOT_ROOT, ROLES, World

SENDER = "me@test.example"


INSTRUCTIONS = {
    "gone": "|echo nobody here; exit 100",
    "later": "|echo come back; exit 111",
    "copy": "&me@test.example",
}


def alias(home: SingleHome, name: str, text: str) -> None:
    """Have mail for a local part treated in some way, before the mail system is started."""
    with open(f"{home.path}/users/assign", encoding="ascii") as file:
        former = file.read()
    everybody = next(line for line in former.splitlines() if line.startswith("+:")).split(":")
    line = ":".join([f"={name}", *everybody[1:5], "-", name, ""])
    with open(f"{home.path}/users/assign", "w", encoding="ascii") as file:
        file.write(f"{line}\n{former}")
    with open(f"{home.path}/users/cdb", "wb") as compiled:
        compiled.write(cdb.make(newu.compiled(f"{line}\n{former}".encode())))
    path = f"{home.path}/mail/.qmail-{name}"
    with open(path, "w", encoding="ascii") as file:
        file.write(text + "\n")
    if home.user is not None:
        os.chown(path, *home.user)


class Desk:
    """A home whose log goes to a file, and the administrator's command there."""

    def __init__(self, test: SynchronousTestCase, *words: str, **more: str) -> None:
        """Make it and start it; *more* instructions are for further local parts."""
        self.test = test
        self.home = SingleHome(test)
        self.log = f"{self.home.place}/log"
        for name, text in {**INSTRUCTIONS, **more}.items():
            alias(self.home, name, text)
        self.running: Running = self.home.start(*PORT, "--fronts", "1", "--log", f"tee -a {self.log}", *words)
        self.running.wait_for(r'(status: local 0/.*|.*"kind": "status".*)')

    def ctl(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run the command."""
        return self.home.run([self.home.program("qmailctl"), *words])

    def good(self, *words: str) -> str:
        """Run the command, which must find something; returns what it prints."""
        done = self.ctl(*words)
        self.test.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        return done.stdout.decode("ascii")

    def stories(self, *words: str) -> list[dict[str, Any]]:
        """The stories that trace finds."""
        return [json.loads(line) for line in self.good("trace", *words, "--json").splitlines()]

    def send(self, recipient: str) -> int:
        """Hand in a message over SMTP, with a Message-ID of its own; returns the qp of the reply."""
        import smtplib

        port = self.port()
        with smtplib.SMTP("127.0.0.1", port, timeout=120) as client:
            client.ehlo()
            client.mail(SENDER)
            client.rcpt(recipient)
            reply = client.data(f"Message-ID: <{recipient}>\r\nSubject: x\r\n\r\nhello\r\n")[1]
        found = re.search(rb"qp (\d+)", reply)
        assert found is not None, reply
        return int(found[1])

    def port(self) -> int:
        """The port of SMTP."""
        return int(self.running.wait_for(r".*smtp: listening on \S+ port (\d+).*").group(1))

    def logged(self, pattern: str) -> re.Match[str]:
        """Wait until the log's file has a line."""
        wanted = re.compile(pattern)
        found: list[re.Match[str]] = []

        def look() -> bool:
            """Read the file."""
            self.running.read(0.0)
            with open(self.log, encoding="latin-1") as file:
                found.extend(match for match in map(wanted.fullmatch, file.read().splitlines()) if match)
            return bool(found)

        wait_until(look, pattern)
        return found[0]


class TraceTests(SynchronousTestCase):
    """Messages that were delivered, bounced, forwarded and put off, found by whatever is known of them."""

    def test_delivered(self) -> None:
        """A delivered message is found by its number, qp, sender and recipient, without saying where the log is."""
        desk = Desk(self)
        qp = desk.send("you@test.example")
        number = desk.logged(rf"info msg (\d+): .* qp {qp} .*")[1]
        desk.logged(f"end msg {number}")
        for words in ((number,), ("qp", str(qp)), ("YOU@test.example",), ("delivery", "1"), ("you*",)):
            (story,) = desk.stories(*words)
            self.assertEqual((story["msg"], story["qp"], story["sender"], story["ended"]),
                             (int(number), qp, SENDER, True))
            (delivery,) = story["deliveries"]
            self.assertEqual((delivery["recipient"], delivery["verdict"]), ("you@test.example", "success"))
        text = desk.good("trace", f"250 ok 1 qp {qp}".split()[-2], str(qp))
        self.assertIn(f"message {number}, qp {qp}: ", text)
        self.assertIn("local you@test.example: delivered", text)

    def test_bounced(self) -> None:
        """A message that bounced is told with its bounce, and the bounce with what it returns."""
        desk = Desk(self)
        qp = desk.send("gone@test.example")
        bounce = int(desk.logged(r"bounce msg \d+ qp (\d+)")[1])
        number = desk.logged(rf"info msg (\d+): .* qp {bounce} .*")[1]
        desk.logged(f"end msg {number}")
        for words in (("qp", str(qp)), ("qp", str(bounce)), ("gone@test.example",)):
            first, second = sorted(desk.stories(*words), key=lambda story: story["qp"])
            self.assertEqual((first["qp"], second["qp"]), (qp, bounce), words)
            self.assertEqual(first["deliveries"][0]["verdict"], "failure")
            self.assertEqual(first["begun"], [{"how": "bounce", "qp": bounce}])
            self.assertEqual((second["begun_by_qp"], second["deliveries"][0]["recipient"]), (qp, SENDER))

    def test_forwarded(self) -> None:
        """A forward leads to the copy."""
        desk = Desk(self)
        qp = desk.send("copy@test.example")
        copied = int(desk.logged(r"delivery 1: success: .*qp_(\d+)/.*")[1])
        number = desk.logged(rf"info msg (\d+): .* qp {copied} .*")[1]
        desk.logged(f"end msg {number}")
        stories = desk.stories("qp", str(qp))
        self.assertEqual(sorted(story["qp"] for story in stories), sorted([qp, copied]))

    def test_message_id(self) -> None:
        """A Message-ID leads to a message that is in the queue; for others it says what can be done."""
        desk = Desk(self)
        qp = desk.send("later@test.example")
        gone = desk.send("you@test.example")
        desk.logged("delivery [12]: deferral: .*")
        number = desk.logged(rf"info msg (\d+): .* qp {gone} .*")[1]
        desk.logged(f"end msg {number}")
        (story,) = desk.stories("<later@test.example>")
        self.assertEqual((story["qp"], story["ended"], story["deliveries"][0]["verdict"]), (qp, False, "deferral"))
        done = desk.ctl("trace", "<you@test.example>")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"The log does not have Message-IDs", done.stderr)

    def test_json_log(self) -> None:
        """A log in JSON is read as any other, and its lines have a time."""
        desk = Desk(self, "--log-format", "json")
        qp = desk.send("you@test.example")
        number = desk.logged(rf'.*"kind": "info", "msg": (\d+), .*"qp": {qp}, .*')[1]
        desk.logged(f'.*"kind": "end", "msg": {number}}}')
        (story,) = desk.stories("qp", str(qp))
        self.assertTrue(story["arrived_at"] and story["ended_at"] and story["deliveries"][0]["started_at"])

    def test_output_is_a_file(self) -> None:
        """Where standard output is a file, that is the log, and what it was before rotation, too."""
        home = SingleHome(self)
        log = f"{home.place}/log"
        with gzip.open(f"{log}.1.gz", "wb") as file:
            file.write(b"new msg 1\ninfo msg 1: bytes 1 from <old@test.example> qp 5 uid 5\nend msg 1\n")
        line = code().twistd("-n", "qmail", "--home", home.path, *PORT, "--fronts", "1")
        shell = ["/bin/sh", "-c", f'exec "$@" >>{log}', "sh", *line]
        running = Running(shell, home.path, code().environment(), home.user)
        self.addCleanup(running.kill)
        wait_until(lambda: os.path.exists(log) and os.path.getsize(log), "it has begun")
        done = home.run([home.program("qmailctl"), "trace", "old@test.example"])
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"message 1, qp 5", done.stdout)
        running.stop()

    def test_multilog(self) -> None:
        """The log of multilog is found in its directory, with the times of its stamps."""
        if shutil.which("multilog") is None:
            raise self.skipTest("multilog is not installed")
        home = SingleHome(self)
        log = f"{home.place}/main"
        running = home.start(*PORT, "--fronts", "1", "--log", f"multilog t {log}")

        def logged() -> bool:
            """Whether the whole story of a message is in the log."""
            running.read(0.0)
            with open(f"{log}/current", "rb") as file:
                return b" end msg " in file.read()

        wait_until(lambda: os.path.exists(f"{home.path}/run/queue.sock"), "the door is open")
        done = home.run([home.program("qmail-inject"), "-a", "you@test.example"], b"Subject: x\n\nhello\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(logged, "the message ends")
        done = home.run([home.program("qmailctl"), "trace", "you@test.example", "--json"])
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        story = json.loads(done.stdout)
        self.assertTrue(story["ended"])
        self.assertLess(abs(datetime.fromisoformat(story["arrived_at"]).timestamp() - time.time()), 3600)

    def test_no_log(self) -> None:
        """Where the log cannot be found, the command says what to say."""
        home = SingleHome(self)
        done = home.run([home.program("qmailctl"), "trace", "5"])
        self.assertEqual(done.returncode, 100)
        self.assertIn(b"is not running", done.stderr)
        home.up()
        done = home.run([home.program("qmailctl"), "trace", "5"])
        self.assertEqual(done.returncode, 100)
        self.assertIn(b"--log FILE", done.stderr)


class TestTests(SynchronousTestCase):
    """A message is sent and followed to its end."""

    def test_by_log(self) -> None:
        """Delivered, failed, forwarded and put off, each step told."""
        desk = Desk(self)
        text = desk.good("test", SENDER, "you@test.example")
        for part in (r"accepted as qp \d+: from <me@test.example> to <you@test.example>", "begins",
                     r"delivery \d+: delivered did_1\+0\+0/", "left the queue", "delivered"):
            self.assertRegex(text, part)
        self.assertIn("forwarded as qp", desk.good("test", SENDER, "copy@test.example"))
        done = desk.ctl("test", SENDER, "gone@test.example")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode(), r"failed; the bounce is qp \d+")
        done = desk.ctl("test", "--patience", "50", SENDER, "later@test.example")
        self.assertEqual(done.returncode, 1)
        text = done.stdout.decode()
        self.assertRegex(text, r"put off come_back/\n.*not at its end yet: it is in the queue as message \d+, to be")

    def test_without_log(self) -> None:
        """Where the log cannot be read, the queue and qmail-send tell, and what is inferred is said."""
        plain = SingleHome(self)
        alias(plain, "later", "|exit 111")
        plain.up()
        ctl = plain.program("qmailctl")
        done = plain.run([ctl, "test", SENDER, "you@test.example"])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout.decode(), r"without the log \(.*\):\n(.*\n)*delivered: no delivery has failed")
        self.assertEqual(len(plain.mailbox()), 1)
        done = plain.run([ctl, "test", "--patience", "2", SENDER, "later@test.example"])
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode(), r"not at its end yet: it is in the queue as message \d+")

    def test_no_address(self) -> None:
        """What is no address is refused."""
        desk = Desk(self)
        self.assertEqual(desk.ctl("test", "me", "").returncode, 100)


class ManyUsersTests(SynchronousTestCase):
    """On a host with all of qmail's users, root sees everything, and others no more than they may."""

    skip = NOT_ROOT

    def test_users(self) -> None:
        """root sends, follows and finds a message; a user sends one and is told that he may not follow it."""
        world = World(self)
        log = f"{world.place}/log"
        with open(log, "wb"):
            os.chmod(log, 0o600)
            os.chown(log, *ROLES["qmaill"])
        running = world.start(*PORT, "--fronts", "1", "--log", f"tee -a {log}")
        running.ready()
        ctl = f"{world.home}/bin/qmailctl"
        done = world.run([ctl, "test", "me@test.example", "joe@test.example"])
        self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        self.assertRegex(done.stdout.decode(), r"handed in by uid 0\n(.*\n)*delivered\n\Z")
        self.assertIn("This message was sent by qmailctl test", world.read(f"{world.people['joe'].home}/Mailbox"))
        done = world.run([ctl, "trace", "joe@test.example", "--json"])
        self.assertEqual((done.returncode, json.loads(done.stdout)["uid"]), (0, 0))
        joe = world.people["joe"]
        done = world.run([ctl, "test", "joe@test.example", "me@test.example"], who=joe)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode(), r"accepted as qp \d+: .*\n(.*\n)*.*does not speak to this user")
        self.assertEqual(world.run([ctl, "trace", "me", "--log", log], who=joe).returncode, 1)
        self.assertEqual(world.run([ctl, "top", "--once"], who=joe).returncode, 100)


class SummaryTests(SynchronousTestCase):
    """The log of a real run is summed up."""

    def test_run(self) -> None:
        """What was sent is counted, with its reasons."""
        desk = Desk(self, "--log-format", "json")
        for recipient in ("you", "later", "gone", "you"):
            desk.send(f"{recipient}@test.example")
        desk.logged('.*"kind": "bounce".*')
        desk.logged('.*"verdict": "deferral".*')
        wait_until(lambda: (desk.running.read(0.0), self.ended(desk) == 4)[1], "all but one message end")
        rows = [json.loads(line) for line in desk.good("summary", "--json").splitlines()]
        sums = rows[0]
        wanted = {"messages": 5, "ended": 4, "open": 1, "success": 3, "failure": 1, "bounces": 1}
        self.assertEqual({name: sums[name] for name in wanted}, wanted)
        self.assertIsInstance(sums["delay_median"], float)
        self.assertIn(("deferral", "come back"), [(row["section"], row.get("name")) for row in rows])
        text = desk.good("summary", "--since", "1h")
        self.assertIn("5 arrived with", text)
        self.assertEqual(desk.ctl("summary", "--until", "1h").returncode, 1)

    def ended(self, desk: Desk) -> int:
        """How many messages have left the queue."""
        with open(desk.log, encoding="latin-1") as file:
            return file.read().count('"kind": "end"')


class TopTests(SynchronousTestCase):
    """The mail system at work is watched."""

    def setUp(self) -> None:
        """Start a home in which a delivery runs until its end of a pipe is closed."""
        self.fifo = os.path.join(scratch(self), "fifo")
        os.mkfifo(self.fifo)
        os.chmod(self.fifo, 0o666)
        self.desk = Desk(self, slow=f"|cat {self.fifo}")
        self.desk.send("slow@test.example")
        self.desk.logged("starting delivery .*")
        self.addCleanup(os.close, os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK))

    def test_once(self) -> None:
        """One sample is printed, plain where the output is no terminal."""
        for words in (("--once",), ()):
            text = self.desk.good("top", *words)
            self.assertRegex(text, r"\Aqmail-send \d+: running for ")
            self.assertRegex(text, r"\nlocal: +1 of 10 deliveries, ")
            self.assertRegex(text, r"\ndelivered: +0, 0.00 a second since the start\n")
            self.assertRegex(text, r"\n +1 +0 +\d+\.\d s +\d+\.\d s  test\.example\n")
        sample = json.loads(self.desk.good("top", "--json"))
        self.assertEqual([(row["domain"], row["running"]) for row in sample["destinations"]], [("test.example", 1)])

    def test_not_running(self) -> None:
        """Without a mail system that is said."""
        done = SingleHome(self).run([self.desk.home.program("qmailctl"), "--home", "/nowhere", "top", "--once"])
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"is not running", done.stderr)

    def test_live(self) -> None:
        """On a terminal it is drawn again when the size changes, and q leaves the terminal as it was."""
        self.live(lambda process, keys: os.write(keys, b"q") and None, 0)

    def test_interrupted(self) -> None:
        """Ctrl-C ends it well, a signal from outside ends it, and the terminal is as it was all the same."""
        self.live(lambda process, keys: os.write(keys, b"\x03") and None, 0)
        self.live(lambda process, keys: process.send_signal(signal.SIGTERM), 128 + signal.SIGTERM)

    def live(self, finish: Any, expected: int) -> None:
        """Run it on a terminal, change the size, and end it."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        before = termios.tcgetattr(theirs)
        home = self.desk.home
        who: dict[str, Any] = {"user": home.user[0], "group": home.user[1], "extra_groups": []} if home.user else {}
        process = subprocess.Popen(
            [home.program("qmailctl"), "top", "--interval", "600"], stdin=theirs, stdout=theirs, stderr=theirs,
            cwd="/", env={**code().environment(), "TERM": "xterm"}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **who)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        seen = bytearray()

        def shows(part: bytes, count: int) -> None:
            """Wait until the screen has shown something so many times."""
            os.set_blocking(ours, False)

            def look() -> bool:
                """Read what was drawn."""
                try:
                    seen.extend(os.read(ours, 65536))
                except BlockingIOError:
                    pass
                return seen.count(part) >= count

            wait_until(look, repr(part))

        shows(b"test.example", 1)
        self.assertIn(b"\033[?1049h", seen)
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 30, 0, 0))
        process.send_signal(signal.SIGWINCH)
        shows(b"qmail-send ", 2)
        last = bytes(seen).rpartition(b"\033[H")[2]
        self.assertNotIn(b"test.example", last)
        plain = re.sub(rb"\033\[[0-9;?]*[A-Za-z]", b"", last)
        self.assertLessEqual(max(len(line.rstrip(b"\r")) for line in plain.split(b"\n")), 30)
        finish(process, ours)
        self.assertEqual(process.wait(60), expected)
        shows(b"\033[?25h\033[?1049l", 1)
        self.assertEqual(termios.tcgetattr(theirs), before)
        os.close(theirs)
