"""qmail-lspawn as the program of 1.02: orders on descriptor 0, reports on descriptor 1."""

from __future__ import annotations

import os
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.spawn import Order, order_bytes
from test.kit.code import NOBODY, code
from test.kit.homes import HOST, scratch
from test.kit.lspawn import MODULE, Lspawn, program
from test.kit.running import wait_until
from test.kit.world import NOT_ROOT, QMAIL, ROLES, World

TEXT = b"Subject: hi\n\nbody\n"


class OwnHomeTests(SynchronousTestCase):
    """Without root's rights, for the one user a home belongs to."""

    def setUp(self) -> None:
        """A home of one user: of nobody if root runs the test. Local parts are found in users/cdb."""
        uid = os.geteuid() or NOBODY
        self.who = {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}
        self.place = scratch(self, uid if self.who else None)
        self.home = self.place + "/home"
        self.run_program("qtwisted.admin.config", "--home", self.home, HOST)
        self.joe = self.place + "/joe"
        self.make(self.joe)
        gid = os.stat(self.joe).st_gid
        self.assign(f"=joe:joe:{uid}:{gid}:{self.joe}:::", f"+joe-:joe:{uid}:{gid}:{self.joe}:-::",
                    f"=other:other:{uid + 1}:{gid}:{self.joe}:::", f"=root:root:0:0:{self.joe}:::", ".")

    def make(self, path: str) -> None:
        """Make a directory of the user's."""
        os.mkdir(path, 0o700)
        if self.who:
            os.chown(path, NOBODY, NOBODY)

    def run_program(self, *words: str) -> None:
        """Run a program of ours as the user."""
        done = subprocess.run(code().module(*words), env={**code().environment(), "QMAILHOME": self.home}, cwd="/",
                              capture_output=True, **self.who)  # type: ignore[call-overload]
        self.assertEqual(done.returncode, 0, done.stderr)

    def assign(self, *lines: str) -> None:
        """Write users/assign and compile it."""
        with open(self.home + "/users/assign", "w") as file:
            file.write("".join(line + "\n" for line in lines))
        self.run_program("qtwisted.config.newu")

    def write(self, name: str, text: str) -> None:
        """Write a file in joe's home."""
        with open(f"{self.joe}/{name}", "w") as file:
            file.write(text)
        if self.who:
            os.chown(f"{self.joe}/{name}", NOBODY, NOBODY)

    def start(self, default: str = "./Mailbox") -> Lspawn:
        """Start it and put a message into the queue."""
        lspawn = Lspawn(self, self.home, program(default), code().environment(), **self.who)
        lspawn.message("0/1", TEXT, (NOBODY, NOBODY) if self.who else None)
        return lspawn

    def test_greeting_and_end(self) -> None:
        """It says how many deliveries it can hold, and ends when there are no more orders (SPN-01)."""
        lspawn = self.start()
        self.assertEqual(lspawn.slots, 120)
        lspawn.close_orders()
        self.assertEqual(lspawn.process.wait(30), 0)

    def test_no_input(self) -> None:
        """With an empty file for orders and a file for reports it greets and ends."""
        done = subprocess.run(program(), env={**code().environment(), "QMAILHOME": self.home}, cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, **self.who)  # type: ignore[call-overload]
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"x", b""))

    def test_conf_spawn(self) -> None:
        """The greeting is conf-spawn."""
        os.makedirs(self.home + "/conf", exist_ok=True)
        with open(self.home + "/conf/conf-spawn", "w") as file:
            file.write("7\n")
        self.assertEqual(self.start().slots, 7)

    def test_no_default(self) -> None:
        """Without a default delivery it says nothing and exits 100 (SPN-02)."""
        done = subprocess.run(code().module(MODULE), env=code().environment(), cwd="/", stdin=subprocess.DEVNULL,
                              capture_output=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (100, b"", b""))

    def test_no_home(self) -> None:
        """A home that cannot be used is exit code 111, before any greeting."""
        done = subprocess.run(program(), env={**code().environment(), "QMAILHOME": "/nonexistent"}, cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual((done.returncode, done.stdout), (111, b""))

    def test_late_child(self) -> None:
        """A child that ends when all is over is not a line on standard error."""
        run = ("import signal\nfrom qtwisted.deliver import lspawn\ntry:\n    lspawn.main()\n"
               "finally:\n    signal.raise_signal(signal.SIGCHLD)\n")
        done = subprocess.run([code().executable, "-P", "-s", "-c", run, "./Mailbox"], cwd="/",
                              env={**code().environment(), "QMAILHOME": self.home},
                              stdin=subprocess.DEVNULL, capture_output=True, **self.who)  # type: ignore[call-overload]
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"x", b""))

    def test_delivered(self) -> None:
        """Mail for the user is delivered by the default, or by his .qmail file."""
        lspawn = self.start()
        self.assertEqual(lspawn.deliver(b"0/1", b"joe@h"), b"Kdid 1+0+0\n")
        with open(self.joe + "/Mailbox", "rb") as file:
            self.assertIn(b"\nReturn-Path: <s@t>\nDelivered-To: joe@h\n" + TEXT, file.read())
        self.write(".qmail-list", "|cat >> out\n")
        self.assertEqual(lspawn.deliver(b"0/1", b"joe-List@h"), b"Kdid 0+0+1\n")
        with open(self.joe + "/out", "rb") as file:
            self.assertEqual(file.read(), TEXT)

    def test_refused_orders(self) -> None:
        """Orders that cannot be obeyed are answered, and the next one is obeyed (SPN-03 to SPN-10)."""
        lspawn = self.start()
        for messid, report in ((b"1/2x", b"DInternal error: messid has nonnumerics. (#5.3.5)\n"),
                               (b"../x", b"DInternal error: messid has nonnumerics. (#5.3.5)\n"),
                               (b"", b"DInternal error: messid too short. (#5.3.5)\n"),
                               (b"1" * 100, b"DInternal error: messid too long. (#5.3.5)\n"),
                               (b"1" * 99, b"Zqmail-spawn unable to open message. (#4.3.0)\n"),
                               (b"0", b"ZSorry, message has wrong type. (#4.3.5)\n")):
            self.assertEqual(lspawn.deliver(messid, b"joe@h"), report)
        self.assertEqual(lspawn.deliver(b"0/1", b"ab"), b"DSorry, address must include host name. (#5.1.3)\n")
        lspawn.order(255, b"0/1", b"joe@h")
        self.assertEqual(lspawn.report(255), b"ZInternal error: delnum too big. (#4.3.5)\n")
        self.assertEqual(lspawn.deliver(b"0/1", b"joe@h"), b"Kdid 1+0+0\n")

    def test_hostile_orders(self) -> None:
        """A megabyte of order does not end it, nor does an order that never ends (L42)."""
        lspawn = self.start()
        self.assertEqual(lspawn.deliver(b"0/1", b"x" * (1 << 20) + b"@h"),
                         b"Zqmail-spawn out of memory. (#4.3.0)\n")
        self.assertEqual(lspawn.deliver(b"0/1", b"joe@h"), b"Kdid 1+0+0\n")
        lspawn.write(b"\0" + b"7" * 500000)
        lspawn.close_orders()
        self.assertEqual(lspawn.process.wait(30), 0)

    def test_byte_by_byte(self) -> None:
        """Orders may come byte by byte, and two at once (SPN-29)."""
        lspawn = self.start()
        for byte in order_bytes(Order(1, b"0/1", b"", b"joe@h")):
            lspawn.write(bytes((byte,)))
        self.assertEqual(lspawn.report(1), b"Kdid 1+0+0\n")
        lspawn.write(order_bytes(Order(2, b"0/1", b"", b"joe@h")) + order_bytes(Order(3, b"0/1", b"", b"@h")))
        self.assertEqual((lspawn.report(3), lspawn.report(2)), (b"K", b"Kdid 1+0+0\n"))

    def test_end_with_deliveries(self) -> None:
        """When orders end, what was begun is finished and reported first (SPN-30)."""
        lspawn = self.start()
        for number in range(2):
            fifo = f"{self.joe}/fifo{number}"
            self.write(f".qmail-slow{number}", f"|read line < fifo{number}; echo $line\n")
            os.mkfifo(fifo)
            if self.who:
                os.chown(fifo, NOBODY, NOBODY)
            lspawn.order(number, b"0/1", b"joe-slow%d@h" % number)
        lspawn.close_orders()
        for number in range(2):
            with open(f"{self.joe}/fifo{number}", "w") as file:
                file.write("late\n")
            self.assertEqual(lspawn.next_report().text, b"Klate\ndid 0+0+1\n")
        self.assertEqual(lspawn.process.wait(30), 0)

    def test_delnum_in_use(self) -> None:
        """A number whose delivery is not over cannot be used again."""
        self.write(".qmail-slow", "|read line < fifo\n")
        os.mkfifo(self.joe + "/fifo")
        if self.who:
            os.chown(self.joe + "/fifo", NOBODY, NOBODY)
        lspawn = self.start()
        lspawn.order(5, b"0/1", b"joe-slow@h")
        lspawn.order(5, b"0/1", b"joe@h")
        self.assertEqual(lspawn.report(5), b"ZInternal error: delnum in use. (#4.3.5)\n")
        with open(self.joe + "/fifo", "w") as file:
            file.write("\n")
        self.assertEqual(lspawn.report(5), b"Kdid 0+0+1\n")

    def test_report_of_programs(self) -> None:
        """What a program prints is reported up to its first NUL and to 3000 bytes (SPN-13, SPN-14, L18)."""
        lspawn = self.start()
        for command, said in (("printf 'abc\\0def'", b"abc"), ("printf 'K\\0D\\0Z'", b"K"),
                              ("head -c 20000 /dev/zero | tr '\\0' x",
                               b"x" * 2966 + b"\nError report too long, sorry.\n")):
            self.write(".qmail-say", f"|{command}; exit 100\n")
            self.assertEqual(lspawn.deliver(b"0/1", b"joe-say@h"), b"D" + said)

    def test_background(self) -> None:
        """A background process does not keep the slot, even if it keeps the output (L16; not as SPN-15)."""
        self.write(".qmail-bg", "|sleep 30 & echo $!; exit 0\n")
        lspawn = self.start()
        lspawn.order(0, b"0/1", b"joe-bg@h")
        report = lspawn.report(0, patience=5.0)
        self.assertRegex(report, rb"^K\d+\ndid 0\+0\+1\n$")
        os.kill(int(report[1:].split()[0]), 9)

    def test_other_users(self) -> None:
        """Mail for others is put off with a clear text, mail for root is refused to be delivered (SPN-24)."""
        lspawn = self.start()
        self.assertEqual(lspawn.deliver(b"0/1", b"other@h"),
                         b"ZUnable to deliver to another user without root privileges. (#4.3.5)\n")
        self.assertEqual(lspawn.deliver(b"0/1", b"root@h"), b"ZNot allowed to perform deliveries as root.\n")

    def test_bad_assignments(self) -> None:
        """A damaged users/cdb puts everything off, and a good one counts at once (SPN-18)."""
        lspawn = self.start()
        with open(self.home + "/users/cdb", "rb") as file:
            good = file.read()
        for bad in (b"", bytes(2048), good[:100]):
            with open(self.home + "/users/cdb", "wb") as file:
                file.write(bad)
            self.assertEqual(lspawn.deliver(b"0/1", b"nobody-else@h"),
                             b"ZTrouble reading users/cdb in qmail-lspawn.\n")
        with open(self.home + "/users/cdb", "wb") as file:
            file.write(good)
        self.assertEqual(lspawn.deliver(b"0/1", b"joe@h"), b"Kdid 1+0+0\n")

    def test_worker_killed(self) -> None:
        """A delivery process that is killed is a crash, and the next delivery gets another (L27)."""
        self.write(".qmail-kill", "|kill -9 $PPID; sleep 60\n")
        lspawn = self.start()
        self.assertEqual(lspawn.deliver(b"0/1", b"joe-kill@h"), b"Zqmail-local crashed.\n")
        self.assertEqual(lspawn.deliver(b"0/1", b"joe@h"), b"Kdid 1+0+0\n")

    def test_idle_worker_killed(self) -> None:
        """A delivery process that is killed while it is idle costs nothing."""
        lspawn = self.start()
        lspawn.deliver(b"0/1", b"joe@h")
        (child,) = lspawn.children()
        os.kill(child, 9)
        wait_until(lambda: child not in lspawn.children(), "the killed process is reaped")
        self.assertEqual(lspawn.deliver(b"0/1", b"joe@h"), b"Kdid 1+0+0\n")

    def test_worker_is_kept(self) -> None:
        """One process serves deliveries one after the other, and several side by side."""
        self.write(".qmail-pid", "|echo $PPID\n")
        lspawn = self.start()
        said = {lspawn.deliver(b"0/1", b"joe-pid@h") for _ in range(5)}
        self.assertEqual(len(said), 1)
        for delnum in range(4):
            lspawn.order(delnum, b"0/1", b"joe@h")
        self.assertEqual({lspawn.report(delnum) for delnum in range(4)}, {b"Kdid 1+0+0\n"})

    def test_orphans_are_reaped(self) -> None:
        """Whatever users leave behind, nothing stays a zombie of ours (L15, X08)."""
        self.write(".qmail-orphan", "|(setsid sh -c 'sleep 0.1' >/dev/null 2>&1 &) ; exit 0\n")
        lspawn = self.start()
        for _ in range(5):
            self.assertEqual(lspawn.deliver(b"0/1", b"joe-orphan@h"), b"Kdid 0+0+1\n")
        (worker,) = lspawn.children()
        os.kill(worker, 9)
        wait_until(lambda: lspawn.children() == [], "all that ended has been waited for")

    def test_timeout(self) -> None:
        """A program that takes too long is ended, with what it has hidden in other sessions (L15)."""
        with open(self.home + "/control/timeoutprogram", "w") as file:
            file.write("1\n")
        self.write(".qmail-hang", "|echo $$ > pid; setsid sh -c 'echo $$ > hidden; exec sleep 1000' & sleep 1000\n")
        lspawn = self.start()
        self.assertEqual(lspawn.deliver(b"0/1", b"joe-hang@h"), b"ZTimeout on program delivery. (#4.3.0)\n")
        for name in ("pid", "hidden"):
            with open(f"{self.joe}/{name}") as file:
                pid = int(file.read())
            self.assertRaises(ProcessLookupError, os.kill, pid, 0)

    def test_dies_with_lspawn(self) -> None:
        """When qmail-lspawn is killed its children go, too."""
        lspawn = self.start()
        lspawn.deliver(b"0/1", b"joe@h")
        (child,) = lspawn.children()
        lspawn.process.kill()
        wait_until(lambda: not os.path.exists(f"/proc/{child}") or "Z" in self.state(child), "the child has ended")

    def state(self, pid: int) -> str:
        """The state of a process, Z if it is gone."""
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0]
        except OSError:
            return "Z"

    def test_reader_gone(self) -> None:
        """When nobody reads the reports any more deliveries are made all the same."""
        lspawn = self.start()
        assert lspawn.process.stdout is not None
        lspawn.process.stdout.close()
        lspawn.order(0, b"0/1", b"joe@h")
        lspawn.close_orders()
        self.assertEqual(lspawn.process.wait(30), 0)
        self.assertTrue(os.path.exists(self.joe + "/Mailbox"))


class RootTests(SynchronousTestCase):
    """As root, among users."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Start it as root with group qmail."""
        self.world = World(self)
        self.me, self.joe = self.world.people["me"], self.world.people["joe"]
        words = ["setpriv", f"--regid={QMAIL}", f"--groups={QMAIL}", "--", *program()]
        self.lspawn = Lspawn(self, self.world.home, self.world.inside(words), self.world.environment())
        self.lspawn.message("0/1", TEXT, (ROLES["qmailq"][0], QMAIL))

    def deliver(self, recipient: bytes) -> bytes:
        """Deliver the message."""
        return self.lspawn.deliver(b"0/1", recipient)

    def test_identity(self) -> None:
        """A delivery is made as the user, with exactly one group, umask 077, in his home (SPN-25, L21)."""
        self.world.write(self.me, ".qmail", "|id -u; id -g; id -G; umask; pwd; cut -d' ' -f6 /proc/$PPID/stat\n")
        report = self.deliver(b"me@h").split()
        self.assertEqual(report[:5], [b"K%d" % self.me.uid, b"%d" % self.me.gid, b"%d" % self.me.gid, b"0077",
                                      self.me.home.encode()])

    def test_files(self) -> None:
        """What a delivery makes belongs to the user alone."""
        self.assertEqual(self.deliver(b"me@h"), b"Kdid 1+0+0\n")
        found = os.stat(self.me.home + "/Mailbox")
        self.assertEqual((found.st_uid, found.st_gid, found.st_mode & 0o777), (self.me.uid, self.me.gid, 0o600))

    def test_children(self) -> None:
        """Each child is one user in every sense, without a way back, a capability or anything of ours (V5)."""
        self.deliver(b"me@h")
        self.deliver(b"joe@h")
        found = {}
        for pid in self.lspawn.children():
            with open(f"/proc/{pid}/status") as file:
                facts = dict(line.rstrip("\n").split(":", 1) for line in file)
            ids = {*facts["Uid"].split(), *facts["Gid"].split()}
            found[facts["Uid"].split()[0]] = ids
            self.assertEqual((facts["CapEff"].strip(), facts["CapPrm"].strip()), ("0" * 16, "0" * 16))
            self.assertEqual(len(facts["Groups"].split()), 1)
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            self.assertEqual(sorted(links)[:3], ["/dev/null"] * 3)
            self.assertEqual(len(links), 4, links)
        getpw = str(ROLES["qmailp"][0])
        self.assertEqual(found, {str(self.me.uid): {str(self.me.uid)}, str(self.joe.uid): {str(self.joe.uid)},
                                 getpw: {getpw, str(ROLES["qmailp"][1])}})

    def test_getpw(self) -> None:
        """Accounts are found as qmail-getpw finds them (SPN-22)."""
        self.world.write(self.joe, ".qmail-x", "|echo $LOCAL $EXT\n")
        self.assertEqual(self.deliver(b"Joe-X@h"), b"KJoe-X X\ndid 0+0+1\n")
        self.assertEqual(self.deliver(b"JOE-nope@h"), b"DSorry, no mailbox here by that name. (#5.1.1)\n")
        self.assertEqual(self.deliver(b"unknown@h"), b"DSorry, no mailbox here by that name. (#5.1.1)\n")

    def test_root_falls_to_alias(self) -> None:
        """Mail for root is alias's business (L37, L40)."""
        with open(self.world.home + "/alias/.qmail-root", "w") as file:
            file.write("|id -un\n")
        os.chmod(self.world.home + "/alias/.qmail-root", 0o644)
        self.assertEqual(self.deliver(b"root@h"), b"Kalias\ndid 0+0+1\n")

    def test_home_of_another(self) -> None:
        """An account whose home is somebody else's gets no mail; it goes to alias."""
        os.chown(self.joe.home, self.me.uid, self.me.gid)
        self.assertIn(b"no mailbox here", self.deliver(b"joe@h"))

    def test_uid_without_account(self) -> None:
        """A uid that only users/cdb knows works like any other, with its one group (L21)."""
        home = self.world.place + "/people/ghost"
        os.mkdir(home, 0o700)
        os.chown(home, 65001, 65002)
        with open(self.world.home + "/users/assign", "w") as file:
            file.write(f"=ghost:ghost:65001:65002:{home}:::\n.\n")
        done = self.world.run(["env", f"QMAILHOME={self.world.home}", *code().module("qtwisted.config.newu")])
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(home + "/.qmail", "w") as file:
            file.write("|id -u; id -G\n")
        self.assertEqual(self.deliver(b"ghost@h"), b"K65001\n65002\ndid 0+0+1\n")

    def test_wrong_owner(self) -> None:
        """A message that is not qmailq's is not delivered (SPN-10, L43)."""
        self.lspawn.message("0/2", TEXT, (0, 0))
        self.lspawn.message("0/3", TEXT, (self.me.uid, self.me.gid))
        for messid in (b"0/2", b"0/3"):
            self.assertEqual(self.lspawn.deliver(messid, b"me@h"), b"ZSorry, message has wrong owner. (#4.3.5)\n")

    def test_user_deleted(self) -> None:
        """An account that is removed loses its mail to alias soon (L37)."""
        self.assertEqual(self.deliver(b"joe@h"), b"Kdid 1+0+0\n")
        path = self.world.place + "/passwd"
        with open(path) as file:
            lines = [line for line in file if not line.startswith("joe:")]
        with open(path, "w") as file:
            file.writelines(lines)
        self.assertIn(b"no mailbox here", self.deliver(b"joe@h"))
