"""A home that an original qmail has left is taken over: its queue, users, control files and aliases as they are."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.running import serving
from test.kit.code import code
from test.kit.homes import HOST
from test.kit.old_queue import OLD, OldQueue, strip
from test.kit.running import processes, wait_until
from test.kit.sink import Sink
from test.kit.world import NOT_ROOT, World
from test.kit.world_outside import name_server

if TYPE_CHECKING:
    import subprocess
    from typing import Any

SPLIT = 7
MESSAGES = 1000
EACH = 3
"""How many failures there are of each kind."""
LIFETIME = 604800
DIRECTORIES = ("mess", "intd", "todo", "info", "local", "remote", "bounce")
RC = """\
#!/bin/sh
# Using splogger to send the log through syslog.
exec env - PATH="$PATH" qmail-start ./Maildir/ splogger qmail
"""


class PickySink(Sink):
    """A mail host that refuses some recipients, and puts others off."""

    def reply(self, recipient: bytes) -> bytes:
        """The reply to a RCPT line."""
        if b"<refused" in recipient:
            return b"550 no such user"
        return b"451 not now" if b"<later" in recipient else b"250 ok"


def digest(folder: str) -> dict[str, str]:
    """What is in a folder: the text, the mode and the owner of every file."""
    found = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            status = os.stat(path)
            found[path] = f"{status.st_mode:o} {status.st_uid} {status.st_gid}"
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] += " " + hashlib.sha256(file.read()).hexdigest()
    return found


class OldHomeCase(SynchronousTestCase):
    """Has the home of an original, in a world with users."""

    skip = NOT_ROOT
    timeout = 600

    def setUp(self) -> None:
        """Make it."""
        self.world = World(self, ("me", "joe", "sam"))
        self.home = self.world.home
        strip(self.home)
        self.queue = OldQueue(self.home, SPLIT)
        with open(f"{self.home}/rc", "w", encoding="ascii") as file:
            file.write(RC)
        for who in self.world.people.values():
            for name in ("Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"):
                os.mkdir(f"{who.home}/{name}", 0o700)
                os.chown(f"{who.home}/{name}", who.uid, who.gid)
        self.addCleanup(self.stop)

    def adopt(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run the command."""
        return self.world.run(code().module("qtwisted.admin.qmailctl", "--home", self.home, "adopt", *words))

    def found(self) -> list[dict[str, Any]]:
        """What the command finds."""
        done = self.adopt("--json")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def marks(self, mark: str) -> dict[str, str]:
        """What it finds with one mark, by what it is about."""
        return {each["subject"].removeprefix(self.home + "/"): each["text"] for each in self.found()
                if each["mark"] == mark}

    def start(self) -> None:
        """Start ours on the home, its log in a file."""
        self.log = f"{self.world.place}/log"
        os.makedirs(self.log, exist_ok=True)
        os.chmod(self.log, 0o777)
        done = self.adopt("--start", "--", "--log", f"sh -c 'exec cat >> {self.log}/lines'")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def told(self) -> str:
        """The log."""
        return self.world.read(f"{self.log}/lines")

    def stop(self) -> None:
        """Stop ours, if it runs, and wait for the end of all its processes."""
        master = serving.master(self.home)
        if master is not None:
            os.kill(master, signal.SIGTERM)
            wait_until(lambda: not processes(self.home), "the end of every process")


class AdoptTests(OldHomeCase):
    """A thousand messages in mixed states."""

    def setUp(self) -> None:
        """Write the queue."""
        super().setUp()
        self.sink = PickySink(self)
        self.world.control("smtproutes", f"nowhere.example:\n:127.0.0.1:{self.sink.port}\n")
        self.world.control("resolvers", name_server(self, "other.example A 127.0.0.9"))
        self.world.control("concurrencylocal", "20\n")
        self.now = time.time()
        self.count = 0
        #: what must arrive: recipient and subject
        self.expected: Counter[tuple[str, str]] = Counter()
        #: who must be told of which failure: sender, recipient and subject
        self.bounces: Counter[tuple[str, str, str]] = Counter()
        self.stays: set[int] = set()
        self.write_failures()
        self.write_rubbish()
        self.write_successes()

    def subject(self, kind: str) -> bytes:
        """A subject of its own for the next message."""
        self.count += 1
        return f"{kind}-{self.count}".encode()

    def message(self, kind: str, recipients: list[str], at: float | None = None,
                header: bytes = b"") -> tuple[int, str]:
        """A text whose recipients will get it: its number and its subject."""
        subject = self.subject(kind)
        for recipient in recipients:
            self.expected[recipient, subject.decode()] += 1
        return self.queue.mess(subject, at, header), subject.decode()

    def fails(self, kind: str, recipient: str, sender: str = f"me@{HOST}", header: bytes = b"") -> None:
        """Three messages that will come back to their sender, in S4 and S5, one with a recipient who gets it."""
        who = recipient.encode()
        for at in range(EACH):
            number, subject = self.message(kind, [f"sam@{HOST}"] if at == 1 else [], None, header)
            self.bounces[sender, recipient, subject] += 1
            if at == 0:
                self.queue.received(number, sender.encode(), [who])
            elif at == 1:
                self.queue.received(number, sender.encode(), [who, f"sam@{HOST}".encode()])
            else:
                folder = "local" if recipient.endswith("@" + HOST) else "remote"
                self.queue.planned(number, sender.encode(), self.now - 1000, **{folder: b"T%s\0" % who})

    def write_failures(self) -> None:
        """Three of each kind of failure."""
        joe, sam = self.world.people["joe"], self.world.people["sam"]
        self.world.write(joe, ".qmail-refuse", "|echo not wanted; exit 100\n")
        self.world.write(joe, ".qmail-later", "|exit 111\n")
        self.world.write(sam, ".qmail-loop", "./Maildir/\n")
        with open(f"{self.home}/alias/.qmail-postmaster", "w", encoding="ascii") as file:
            file.write("./postmaster\n")
        self.fails("unknown", f"nobody-here@{HOST}")
        self.fails("refuse", f"joe-refuse@{HOST}")
        self.fails("loop", f"sam-loop@{HOST}", header=f"Delivered-To: sam-loop@{HOST}\n".encode())
        self.fails("remote", "refused@other.example")
        self.fails("nowhere", "you@nowhere.example")
        self.fails("double", f"nobody-here@{HOST}", f"no-sender@{HOST}")
        self.write_deferrals()
        self.write_expired()
        self.write_earlier()
        for _ in range(EACH):  # what bounces to the sender of a double bounce goes nowhere
            number, _ = self.message("triple", [])
            self.queue.received(number, b"#@[]", [f"nobody-here@{HOST}".encode()])

    def write_deferrals(self) -> None:
        """Messages that stay: nobody is told, and who had them does not get them again."""
        for at, who in enumerate([f"joe-later@{HOST}"] * EACH + ["later@other.example"] * EACH):
            number, _ = self.message("deferral", [])
            self.stays.add(number)
            folder = "local" if who.endswith("@" + HOST) else "remote"
            if at % 2:
                self.queue.received(number, f"me@{HOST}".encode(), [who.encode()])
            else:
                self.queue.planned(number, f"me@{HOST}".encode(), self.now - 5000,
                                   **{folder: f"Dsam@{HOST}\0T{who}\0".encode()})
        for _ in range(EACH):  # not due for an hour yet
            number, _ = self.message("future", [])
            self.stays.add(number)
            self.queue.planned(number, f"me@{HOST}".encode(), self.now - 5000, local=f"Tme@{HOST}\0".encode(),
                               next_at=self.now + 3600)

    def write_expired(self) -> None:
        """Messages that have been there too long: the next trouble is the last."""
        for _ in range(EACH):
            number, subject = self.message("expired", [])
            self.bounces[f"me@{HOST}", f"joe-later@{HOST}", subject] += 1
            self.queue.planned(number, f"me@{HOST}".encode(), self.now - LIFETIME - 7200,
                               local=f"Tjoe-later@{HOST}\0".encode())

    def write_earlier(self) -> None:
        """Messages with failures from before, with and without somebody left to try."""
        for at in range(EACH):
            number, subject = self.message("earlier", [f"joe@{HOST}"] if at == 1 else [])
            self.bounces[f"me@{HOST}", "gone@other.example", subject] += 1
            local = {0: b"", 1: f"Tjoe@{HOST}\0".encode(), 2: f"Djoe@{HOST}\0".encode()}[at]
            self.queue.planned(number, f"me@{HOST}".encode(), self.now - 3000, local=local,
                               remote=b"Dgone@other.example\0")
            self.queue.bounced(number, b"<gone@other.example>:\nUser unknown. (#5.1.1)\n\n")

    def write_rubbish(self) -> None:
        """What was never queued, old and young, and files that are no messages."""
        for _ in range(10):
            self.queue.mess(self.subject("s2"), self.now - OLD)
            self.queue.received(self.queue.mess(self.subject("s3"), self.now - OLD), b"s@x", [f"me@{HOST}".encode()],
                                queued=False)
        for _ in range(5):
            self.stays.add(self.queue.mess(self.subject("young")))

    def write_successes(self) -> None:
        """All others, for local and remote recipients, in S4 and S5, done in part."""
        at = 0
        while self.count < MESSAGES:
            at += 1
            local = [f"{name}@{HOST}" for name in ("me", "joe", "sam")][: at % 3 + 1]
            remote = [f"r{at}-{number}@other.example" for number in range(at % 4)]
            kind = ("received", "planned", "partly", "interrupted")[at % 4]
            number, _ = self.message(kind, local + remote)
            sender = b"far@away.example"
            if kind in ("received", "interrupted"):
                if kind == "interrupted":
                    self.queue.planned(number, b"wro", self.now, local=f"Tme@{HOST}\0Twrong@{HOST}\0".encode())
                self.queue.received(number, sender, [who.encode() for who in local + remote])
                continue
            done = f"Dhad@{HOST}\0" if kind == "partly" else ""
            self.queue.planned(
                number, sender, self.now - at, local=(done + "".join(f"T{who}\0" for who in local)).encode(),
                remote="".join(f"T{who}\0" for who in remote).encode())

    # What must come of it

    def test_queue(self) -> None:
        """Every recipient gets exactly what he should, and what remains is a queue an original can go on with."""
        before = {name: digest(f"{self.home}/{name}") for name in ("control", "users", "alias")}
        self.assertEqual(self.marks("must"), {})
        self.start()
        self.assertEqual(self.world.read(f"{self.home}/conf/conf-split"), f"{SPLIT}\n")
        wait_until(lambda: self.is_at_rest() and self.numbers() <= self.stays, "the end of all that can be done", 400)
        self.stop()
        self.assertEqual(self.numbers(), self.stays, self.told()[-3000:])
        self.check_deliveries()
        self.check_bounces()
        self.check_files()
        after = {name: digest(f"{self.home}/{name}") for name in ("control", "users", "alias")}
        del after["alias"][f"{self.home}/alias/postmaster"]
        self.assertEqual(after, before)
        self.assertEqual(sorted(os.listdir(self.home)),
                         ["alias", "bin", "conf", "control", "queue", "rc", "run", "users"])

    def numbers(self) -> set[int]:
        """The messages that are in the queue."""
        return {int(os.path.basename(name)) for name in self.queue.files(*DIRECTORIES)}

    def is_at_rest(self) -> bool:
        """Is no delivery under way?"""
        with open(f"{self.log}/lines", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            found = re.findall(rb"^status: local (\d+)/\d+ remote (\d+)/\d+", file.read(), re.M)
        return bool(found) and found[-1] == (b"0", b"0")

    def mailbox(self, name: str) -> list[bytes]:
        """The messages in somebody's Maildir."""
        folder = f"{self.world.people[name].home}/Maildir/new"
        texts = []
        for entry in os.listdir(folder):
            with open(f"{folder}/{entry}", "rb") as file:
                texts.append(file.read())
        return texts

    def check_deliveries(self) -> None:
        """Each recipient has each message once, and no other."""
        arrived: Counter[tuple[str, str]] = Counter()
        for name in self.world.people:
            for text in self.mailbox(name):
                if b"\nSubject: failure notice\n" not in text:
                    to = re.search(rb"^Delivered-To: (.*)$", text, re.M)
                    subject = re.search(rb"^Subject: (.*)$", text, re.M)
                    arrived[to.group(1).decode(), subject.group(1).decode()] += 1
        for recipients, text in self.sink.transactions:
            subject = re.search(rb"^Subject: (.*)\r$", text, re.M)
            for recipient in recipients:
                arrived[re.search(rb"<(.*)>", recipient).group(1).decode(), subject.group(1).decode()] += 1
        self.assertEqual(arrived - self.expected, Counter(), "too much")
        self.assertEqual(self.expected - arrived, Counter(), "too little")

    def check_bounces(self) -> None:
        """Each sender is told once of each failure; what could not be returned is with the postmaster."""
        told: Counter[tuple[str, str, str]] = Counter()
        notices = [(f"me@{HOST}", text) for text in self.mailbox("me") if b"\nSubject: failure notice\n" in text]
        doubles = self.world.read(f"{self.home}/alias/postmaster").encode("latin-1").split(b"\nFrom #@[] ")
        notices += [(f"no-sender@{HOST}", text) for text in doubles]
        for sender, text in notices:
            subject = re.findall(rb"^Subject: (.*)$", text, re.M)[-1].decode()
            for recipient in re.findall(rb"^<(.*)>:$", text, re.M):
                if recipient.decode() != sender:
                    told[sender, recipient.decode(), subject] += 1
        self.assertEqual(told, self.bounces)
        self.assertEqual(len(doubles), EACH)

    def check_files(self) -> None:
        """Every file has a place, a name, an owner and a mode that an original gives."""
        for name in self.queue.files(*DIRECTORIES):
            folder, number = name.split("/")[0], int(os.path.basename(name))
            split = folder in ("mess", "info", "local", "remote")
            self.assertEqual(name, self.queue.place(folder, number) if split else f"{folder}/{number}")
            status = os.stat(f"{self.queue.path}/{name}")
            self.assertEqual(status.st_mode & 0o777, 0o600 if status.st_uid == 64016 else 0o644, name)
            if folder == "mess":
                self.assertEqual(status.st_ino, number)
        self.assertEqual(self.queue.files("lock"), ["lock/sendmutex", "lock/tcpto", "lock/trigger"])
        self.assertTrue(all(os.path.basename(name).isdigit() for name in self.queue.files("pid")))
        self.assertEqual(set(os.listdir(self.queue.path)), {*DIRECTORIES, "pid", "lock"})
        self.assertEqual(os.stat(f"{self.queue.path}/lock/tcpto").st_size, 1024)


class LookTests(OldHomeCase):
    """What is found, and that nothing is changed by it."""

    def test_look(self) -> None:
        """It says which qmail it is, what differs and what does not count; nothing is changed."""
        self.world.control("spfbehavior", "3\n")
        self.world.control("servercert.pem", "\n")
        self.world.control("odd\x1b[31m", "\n")
        self.world.control("smtproutes", "# relays\na.example:b.example:587 user word\n")
        with open(f"{self.home}/users/assign", "w", encoding="ascii") as file:
            file.write(".\n")
        self.queue.received(self.queue.mess(b"one"), b"s@x", [b"me@x"])
        self.queue.planned(self.queue.mess(b"two"), b"s@x", time.time(), local=b"Tme@x\0")
        before = digest(self.home)
        differs, fine = self.marks("differs"), self.marks("ok")
        self.assertEqual(fine["bin"], "netqmail, with its own programs, which may stay")
        self.assertEqual(fine["users"], "own what they should")
        self.assertEqual((fine["queue S4"][:1], fine["queue S5"][:1]), ("1", "1"))
        self.assertIn(f"is {SPLIT}, and not 23", differs["conf-split"])
        self.assertIn("the boot script says ./Maildir/", differs["default delivery"])
        self.assertIn("starts the old programs: exec env", differs["rc line 3"])
        self.assertIn("there is nothing like it here", differs["control/spfbehavior"])
        self.assertIn("not offered TLS here", differs["control/servercert.pem"])
        self.assertIn(r"control/odd\x1b[31m", differs)
        self.assertIn("control/smtpauth", differs["control/smtproutes line 2"])
        self.assertIn("does not exist, but users/assign does", differs["users/cdb"])
        self.assertEqual(self.marks("must"), {})
        done = self.adopt()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"\x1b", done.stdout)
        self.assertIn(f"qmailctl --home {self.home} adopt --start\n".encode(), done.stdout)
        self.assertEqual(digest(self.home), before)

    def test_running(self) -> None:
        """While the old qmail-send holds the queue nothing is started or written."""
        holder = os.open(f"{self.queue.path}/lock/sendmutex", os.O_WRONLY)
        self.addCleanup(os.close, holder)
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertIn("the old qmail-send runs", self.marks("must")["queue/lock/sendmutex"])
        done = self.adopt("--start")
        self.assertEqual(done.returncode, 100)
        self.assertIn(b"not started: one thing must be put right first", done.stderr)
        self.assertFalse({"conf", "run"} & set(os.listdir(self.home)))

    def test_not_as_left(self) -> None:
        """A queue that qmail has not left so is not started on; each fault has its remedy."""
        for number in range(3):
            os.mkdir(f"{self.queue.path}/todo/{number}")
        good = self.queue.mess(b"good")
        os.link(f"{self.queue.path}/{self.queue.place('mess', good)}", f"{self.queue.path}/mess/0/{good * SPLIT}")
        os.link(f"{self.queue.path}/{self.queue.place('mess', good)}", f"{self.queue.path}/mess/0/{good * SPLIT + 1}")
        os.chmod(f"{self.queue.path}/mess/3", 0o755)
        os.unlink(f"{self.queue.path}/lock/trigger")
        found = {}
        for each in self.found():
            if each["mark"] == "must":
                found.setdefault(each["subject"], []).append((each["text"], each["commands"]))
        (text, commands), = found["queue/todo"]
        self.assertIn("is split into 3 directories (big-todo), with 0 files", text)
        self.assertEqual(commands[:2], [f"mkdir -p {self.home}/conf && echo {SPLIT} > {self.home}/conf/conf-split",
                                        f"QMAILHOME={self.home} qmail-upq"])
        self.assertIn(f"queue/mess/0/{good * SPLIT + 1}", found["queue"][0][0])
        self.assertIn(f"queue/mess/0/{good * SPLIT};", found["queue/mess"][0][0])
        self.assertEqual(found["queue/mess"][0][1], commands[:2])
        self.assertEqual(found["queue/mess/3"], [("has the mode 0755", [f"chmod 0750 {self.queue.path}/mess/3"])])
        self.assertIn("mkfifo", found["queue/lock/trigger"][0][1][0])
        self.assertEqual(self.adopt("--start").returncode, 100)

    def test_users(self) -> None:
        """Users of other names show by what they own; numbers without a name count as numbers."""
        sam = self.world.people["sam"]
        os.chown(f"{self.queue.path}/lock/tcpto", sam.uid, sam.gid)
        self.assertIn("the users are alias qmaild qmaill root qmailp qmailq sam qmails",
                      self.marks("differs")["conf-users"])
        os.chown(f"{self.home}/alias", 64999, 64001)
        self.assertIn("the users are 64999 qmaild", self.marks("differs")["conf-users"])

    def test_there_and_back(self) -> None:
        """Started and stopped, and without what was made, the home is as it was."""
        before = digest(self.home)
        self.start()
        words = code().module("qtwisted.admin.qmailctl", "--home", self.home, "explain", "me@" + HOST)
        self.assertIn(f"delivered: in {self.world.people['me'].home}/Maildir/".encode(), self.world.run(words).stdout)
        self.assertEqual(self.marks("must").keys(), {"running"})
        self.assertIn("ours already", self.marks("must")["running"])
        self.assertEqual(self.adopt("--start").returncode, 100)
        self.stop()
        for name in ("conf", "run"):
            shutil.rmtree(f"{self.home}/{name}")
        self.assertEqual(digest(self.home), before)
        self.start()

    def test_not_root(self) -> None:
        """Others are told what they can see, and start nothing."""
        words = code().module("qtwisted.admin.qmailctl", "--home", self.home, "adopt")
        done = self.world.run(words, who=self.world.people["me"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"only root sees all", done.stdout)
        done = self.world.run([*words, "--start"], who=self.world.people["me"])
        self.assertEqual(done.returncode, 100)
