"""qmailctl and the mail system it is about: real processes, real users, mail that waits and mail that comes back."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from itertools import islice
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import SingleHome
from test.kit.queues import fill
from test.kit.running import processes, wait_until
from test.kit.world import NOT_ROOT, World

if TYPE_CHECKING:
    from test.kit.running import Running

#: nobody listens there, so what goes there waits
NOWHERE = ":127.0.0.1:1\n"
LETTER = b"Subject: hello\n\nhello\n"


class CtlCase(SynchronousTestCase):
    """A test with a home of one user, whose mail to elsewhere waits."""

    def setUp(self) -> None:
        """Make it."""
        self.home = SingleHome(self)
        self.home.control("smtproutes", NOWHERE)
        self.addCleanup(self.put_down)

    def put_down(self) -> None:
        """Leave nothing behind that qmailctl has started."""
        if processes(self.home.path):
            self.ctl("stop")
        self.assertEqual(processes(self.home.path), {})

    def done(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run qmailctl as the user of the home."""
        return self.home.run(code().module("qtwisted.admin.qmailctl", "--home", self.home.path, *words))

    def ctl(self, *words: str, code: int = 0) -> str:
        """Run it and give what it prints."""
        done = self.done(*words)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return (done.stdout + done.stderr).decode("ascii")

    def send(self, *recipients: str, sender: str = "me@test.example") -> None:
        """Queue a message."""
        done = self.home.run([self.home.program("qmail-inject"), "-a", "-f", sender, *recipients], LETTER)
        self.assertEqual(done.returncode, 0, done.stderr)

    def waiting(self, running: Running, *recipients: str, sender: str = "me@test.example") -> str:
        """Queue a message and give its number when its first attempt has put off everybody."""
        begin = len(running.log)
        self.send(*recipients, sender=sender)
        for _ in recipients:
            begin = running.wait_for_line(r"delivery \d+: deferral: .*", begin)[0] + 1
        wait_until(lambda: self.ctl("queue", "--state", "queued", "--ids", "--recipient", recipients[0]), "its files")
        return self.ctl("queue", "--ids", "--recipient", recipients[0]).strip()


class QueueTests(CtlCase):
    """The queue of a running system."""

    def test_hold_and_release(self) -> None:
        """A message on hold is not tried, whatever comes, nor after a restart; released, it is tried at once."""
        running = self.home.up()
        number = self.waiting(running, "ann@far.example")
        self.assertEqual(self.ctl("hold", number), f"{number}: done\n")
        running.wait_for(rf"qmailctl: hold msg {number} by uid \d+")
        self.assertEqual(self.ctl("queue").split("\t")[1], "held")
        self.assertEqual(self.ctl("retry", number, code=1), f"{number}: refused: it is on hold\n")
        running.stop()
        running = self.home.up()
        self.ctl("flush")
        other = self.waiting(running, "bob@far.example")
        self.assertFalse([line for line in running.log if f"msg {number} to" in line])
        self.assertEqual(self.ctl("release", "--state", "held"), f"{number}: done\n")
        running.wait_for(rf"starting delivery \d+: msg {number} to remote ann@far.example")
        self.assertEqual(sorted(self.ctl("queue", "--ids").split()), sorted([number, other]))

    def test_retry(self) -> None:
        """Messages are tried now, by number or by what they have in common; others wait."""
        running = self.home.up()
        first = self.waiting(running, "ann@far.example")
        second = self.waiting(running, "bob@near.example")
        begin = len(running.log)
        self.assertEqual(self.ctl("retry", "--domain", "near.example"), f"{second}: done\n")
        running.wait_for(rf"starting delivery \d+: msg {second} to .*", begin)
        self.assertEqual(self.ctl("retry", first, "4711", code=1),
                         f"{first}: done\n4711: not found: it is not in the queue\n")
        running.wait_for(rf"starting delivery \d+: msg {first} to .*", begin)

    def test_bounce(self) -> None:
        """The sender gets a bounce that says what the administrator said, and names every recipient."""
        running = self.home.up()
        number = self.waiting(running, "ann@far.example", "bob@far.example")
        self.assertEqual(self.ctl("bounce", number, "--text", "No such project any more."), f"{number}: done\n")
        wait_until(self.home.mailbox, "the bounce")
        [bounce] = self.home.mailbox()
        self.assertIn(b"<ann@far.example>:\nNo such project any more.\n\n", bounce)
        self.assertIn(b"<bob@far.example>:\nNo such project any more.\n\n", bounce)
        self.assertIn(b"Subject: hello", bounce)
        running.wait_for(rf"qmailctl: bounce msg {number} by uid \d+")
        running.wait_for(rf"end msg {number}")
        wait_until(lambda: not self.home.queued(), "an empty queue")

    def test_delete(self) -> None:
        """Nothing is left, and nobody is told."""
        running = self.home.up()
        number = self.waiting(running, "ann@far.example")
        other = self.waiting(running, "bob@far.example", sender="list@test.example")
        self.assertEqual(self.ctl("delete", "--sender", "me@*"), f"{number}: done\n")
        running.wait_for(rf"end msg {number}")
        self.assertEqual(self.ctl("queue", "--ids"), other + "\n")
        self.ctl("delete", other)
        wait_until(lambda: not self.home.queued() and not self.home.files("mess", "intd"), "an empty queue")
        self.assertEqual(self.home.mailbox(), [])

    def test_everything(self) -> None:
        """What would end every message must be said so; a dry run touches nothing."""
        running = self.home.up()
        numbers = sorted(self.waiting(running, f"{name}@far.example") for name in ("ann", "bob"))
        self.assertIn("--all", self.ctl("delete", code=100))
        self.assertIn("every one of the 2 messages", self.ctl("delete", "--sender", "*", code=100))
        self.assertIn("every one of the 2 messages", self.ctl("bounce", "--larger", "1", code=100))
        listed = self.ctl("delete", "--all", "--dry-run", "--json")
        self.assertEqual(sorted(str(json.loads(line)["id"]) for line in listed.splitlines()), numbers)
        self.assertEqual(sorted(self.ctl("queue", "--ids").split()), numbers)
        told = [json.loads(line) for line in self.ctl("delete", "--all", "--json").splitlines()]
        self.assertEqual(sorted((str(each["id"]), each["answer"]) for each in told),
                         [(number, "done") for number in numbers])
        self.assertEqual(self.ctl("queue"), "")

    def test_show(self) -> None:
        """The envelope, each recipient's state, the next attempt and the last report; the rest without qmail-send."""
        running = self.home.up()
        number = self.waiting(running, "ann@far.example")
        value = json.loads(self.ctl("show", number, "--json"))
        [recipient] = value["recipients"]
        self.assertEqual((recipient["address"], recipient["done"]), ("ann@far.example", False))
        self.assertIn("establish_an_SMTP_connection", recipient["report"].replace(" ", "_"))
        self.assertEqual(value["next"]["remote"] - value["arrived"], 400)
        shown = self.ctl("show", number)
        for text in (f"message     {number}", "sender      <me@test.example>", "Subject     hello",
                     "to do remote ann@far.example", "next try    remote in 6m"):
            self.assertIn(text, shown)
        running.stop()
        value = json.loads(self.ctl("show", number, "--json"))
        self.assertFalse(value["running"])
        self.assertEqual(value["next"]["remote"] - value["arrived"], 400)
        self.assertIn("not in the queue", self.ctl("show", "4711", code=1))
        self.assertIn("is not running", self.ctl("delete", number, code=100))
        self.assertEqual(self.ctl("queue", "--ids"), number + "\n")

    def test_first_lines(self) -> None:
        """However long the queue is, the list begins at once, takes little memory, and ends when nobody reads on."""
        before = self.memory(None)
        fill(f"{self.home.path}/queue", 5000, texts=False)
        self.assertLess(self.memory(None) - before, 4000)
        self.memory(1)

    def memory(self, lines: int | None) -> int:
        """List the queue, read so many lines, and give how much memory that has needed, in kilobytes."""
        program = ("import sys; from qtwisted.admin.qmailctl import main; code = main(); "
                   "sys.stderr.write(open('/proc/self/status').read()); sys.exit(code)")
        words = [code().executable, "-P", "-s", "-c", program, "--home", self.home.path, "queue"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=code().environment())
        assert process.stdout is not None and process.stderr is not None
        read = len(list(islice(process.stdout, lines)))
        process.stdout.close()
        status = process.stderr.read().decode("ascii")
        process.stderr.close()
        self.assertEqual((process.wait(120), read), (0, len(self.home.files("info")) if lines is None else lines))
        return int(status.partition("VmHWM:")[2].split()[0])

    def test_many(self) -> None:
        """Thousands are held and deleted by one command each, while mail goes on."""
        fill(f"{self.home.path}/queue", 3000, texts=False)
        if self.home.user:
            for kind in ("mess", "info", "remote"):
                for name in self.home.files(kind):
                    os.chown(f"{self.home.path}/queue/{name}", *self.home.user)
        self.home.up()
        held = self.ctl("hold", "--sender", "s1*").splitlines()
        self.assertEqual((len(held), {line.split()[1] for line in held}), (1000, {"done"}))
        self.send("nobody@test.example")
        wait_until(self.home.mailbox, "mail that passes")
        deleted = self.ctl("delete", "--all").splitlines()
        self.assertEqual(len([line for line in deleted if line.endswith((": done", "ended"))]), len(deleted))
        wait_until(lambda: not self.home.queued() and not self.home.files("mess"), "an empty queue")


class ServiceTests(CtlCase):
    """Start and stop."""

    def test_life(self) -> None:
        """Started it answers, stopped it is gone; each is told if it was so already."""
        path = self.home.path
        self.home.control("listen", "smtp tcp:0:interface=127.0.0.1\n")
        self.assertIn("is not running", self.ctl("stat", code=1))
        self.assertEqual(self.ctl("start"), f"the mail system in {path} runs\n")
        self.assertEqual(self.ctl("start"), f"the mail system in {path} is running already\n")
        told = json.loads(self.ctl("stat", "--json"))
        self.assertTrue(told["running"])
        self.assertLessEqual({"master", "log", "door", "lspawn", "rspawn", "send", "front"},
                             {each["role"] for each in told["processes"]})
        self.ctl("pause")
        self.send("nobody@test.example")
        self.assertIn("is paused", self.ctl("stat"))
        self.assertIn("messages in queue: 1\n", self.ctl("stat"))
        self.assertEqual(self.home.mailbox(), [])
        self.ctl("cont")
        wait_until(self.home.mailbox, "the message")
        before = processes(path)
        self.ctl("reload")
        self.ctl("restart")
        self.assertFalse(set(before) & set(processes(path)))
        self.assertEqual(self.ctl("stop"), f"the mail system in {path} has ended\n")
        self.assertEqual(processes(path), {})
        self.assertEqual(self.ctl("stop"), f"the mail system in {path} is not running\n")
        self.assertIn("is not running", self.ctl("pause", code=100))
        self.assertIn("is not running", self.ctl("reload", code=100))

    def test_script(self) -> None:
        """HOME/rc is run if it is there, with whatever it does to be different."""
        twistd = shlex.join(code().twistd("-n", "qmail", "--home", self.home.path))
        with open(f"{self.home.path}/rc", "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\necho ran >{self.home.path}/ran\nexec {twistd}\n")
        os.chmod(f"{self.home.path}/rc", 0o755)
        self.home.control("listen", "")
        self.ctl("start")
        self.assertTrue(os.path.exists(f"{self.home.path}/ran"))
        self.ctl("stop")

    def test_resume(self) -> None:
        """Where qmail-send was told to end, a start starts it again, and nothing else."""
        running = self.home.up()
        master, [send] = running.process.pid, running.pids("send")
        os.kill(send, signal.SIGTERM)
        running.wait_for("send: stopped; .*")
        self.assertIn("does not answer", self.ctl("stat", code=1))
        self.assertIn("does not answer", self.ctl("pause", code=100))
        self.assertEqual(self.ctl("start"), "qmail-send runs again\n")
        self.assertNotEqual(running.pids("send"), [send])
        told = json.loads(self.ctl("stat", "--json"))
        self.assertEqual([each["pid"] for each in told["processes"] if each["role"] == "master"], [master])
        running.stop()

    def test_failure(self) -> None:
        """What keeps it from starting is said."""
        self.home.control("listen", "smtp nonsense\n")
        self.assertIn("nonsense", self.ctl("start", code=100))
        with open(f"{self.home.path}/rc", "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho the disk is on fire >&2\nexit 3\n")
        os.chmod(f"{self.home.path}/rc", 0o755)
        self.assertIn("the disk is on fire", self.ctl("start", code=100))

    def test_no_home(self) -> None:
        """Where there is no mail system that is said."""
        self.home.path += "/elsewhere"
        for command in ("start", "stop", "queue", "pause"):
            self.assertIn("qmailctl: fatal: ", self.ctl(command, code=100))


class SeparatedTests(SynchronousTestCase):
    """A home with users of its own."""

    if NOT_ROOT:
        skip = NOT_ROOT

    def test_root_and_others(self) -> None:
        """Root may ask and change everything, ordinary users nothing; roles stay who they are."""
        world = World(self)
        world.control("smtproutes", NOWHERE)
        running = world.up()

        def ctl(*words: str, who: str | None = None) -> tuple[int, str]:
            """Run qmailctl as somebody."""
            person = None if who is None else world.people[who]
            done = world.run(code().module("qtwisted.admin.qmailctl", "--home", world.home, *words), who=person)
            return done.returncode, (done.stdout + done.stderr).decode("ascii")

        world.inject(LETTER, "-a", "ann@far.example", "joe@test.example")
        running.wait_for(r"delivery \d+: deferral: .*")
        wait_until(lambda: ctl("queue", "--state", "queued", "--ids")[1], "its files")
        number = ctl("queue", "--ids")[1].strip()
        for words in (("delete", number), ("hold", "--all"), ("pause",), ("flush",), ("bounce", "--all")):
            found, said = ctl(*words, who="joe")
            self.assertEqual((found, "only root" in said), (100, True), (words, said))
        for words in (("queue",), ("show", number), ("delete", "--all", "-n"), ("delete", "--sender", "x")):
            found, said = ctl(*words, who="joe")
            self.assertEqual((found, "only root" in said), (100, True), (words, said))
        self.assertIn("ask root", ctl("stop", who="joe")[1])
        self.assertEqual(ctl("hold", number), (0, f"{number}: done\n"))
        running.wait_for(rf"qmailctl: hold msg {number} by uid 0")
        self.assertEqual(ctl("bounce", number), (0, f"{number}: done\n"))
        running.wait_for(rf"end msg {number}")
        wait_until(lambda: ctl("queue")[1] == "", "an empty queue")
        self.assertEqual(ctl("stop"), (0, f"the mail system in {world.home} has ended\n"))
        running.ended()
