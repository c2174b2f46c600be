"""Users who want more than their mail: what a .qmail file can do to others, to the queue, and to us."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user.shares import PUT_OFF
from test.kit.lspawn import OF_THE_SHELL, VARIABLES, Lspawn, program
from test.kit.running import wait_until
from test.kit.speed import is_done_within
from test.kit.world import NOT_ROOT, QMAIL, ROLES, World

TEXT = b"Subject: for you only\n\nbody\n"
QMAILQ = (ROLES["qmailq"][0], QMAIL)


class HostileUserTests(SynchronousTestCase):
    """Joe is hostile; me is everybody else."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Start qmail-lspawn as root with group qmail; programs have two seconds."""
        self.world = World(self)
        self.me, self.joe = self.world.people["me"], self.world.people["joe"]
        self.world.control("timeoutprogram", "2\n")
        self.lspawn = self.start()

    def start(self) -> Lspawn:
        """Start it, and put a message into the queue."""
        words = ["setpriv", f"--regid={QMAIL}", f"--groups={QMAIL}", "--", *program()]
        lspawn = Lspawn(self, self.world.home, self.world.inside(words), self.world.environment())
        lspawn.message("0/1", TEXT, QMAILQ)
        return lspawn

    def qmail(self, *lines: str, name: str = ".qmail") -> None:
        """Write joe's instructions."""
        self.world.write(self.joe, name, "".join(line + "\n" for line in lines))

    def deliver(self, *lines: str) -> bytes:
        """Deliver to joe by these instructions."""
        self.qmail(*lines)
        return self.lspawn.deliver(b"0/1", b"joe@h")

    def others_are_fine(self, within: float = 5.0) -> None:
        """Assert that mail for others is delivered as always."""
        def deliver() -> None:
            """Deliver to somebody else."""
            self.assertEqual(self.lspawn.deliver(b"0/1", b"me@h"), b"Kdid 1+0+0\n")

        self.assertTrue(is_done_within(within, deliver))

    # What a program finds

    def test_environment(self) -> None:
        """The environment is exactly the documented one, whatever qmail-lspawn's own is (L22)."""
        report = self.deliver("|env -0 | tr '\\n\\0' '/\\n' | cut -d= -f1 | sort | tr '\\n' ' '; :")
        names = set(report.removeprefix(b"K").split(b"did ")[0].decode().split())
        self.assertEqual(names - OF_THE_SHELL, VARIABLES)

    def test_path(self) -> None:
        """PATH is ours, not qmail-lspawn's."""
        report = self.deliver("|echo $PATH $SHELL")
        self.assertTrue(report.startswith(b"K%s/bin:/usr/local/bin:/usr/bin:/bin:" % self.world.home.encode()))
        self.assertIn(b" /bin/sh\n", report)

    def test_sender_is_no_code(self) -> None:
        """Nothing in a sender is run (L22)."""
        self.qmail("|printf %s \"$SENDER\" > sender")
        sender = b"() { :;}; touch hacked\n`touch hacked`$(touch hacked)@x"
        self.assertEqual(self.lspawn.deliver(b"0/1", b"joe@h", sender), b"Kdid 0+0+1\n")
        self.assertEqual(self.world.read(self.joe.home + "/sender").encode(), sender)
        self.assertNotIn("hacked", os.listdir(self.joe.home))

    def test_descriptors(self) -> None:
        """A program has three descriptors, and none of them is a file of the queue (V5)."""
        report = self.deliver("|exec readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2",
                              "|exec ls /proc/self/fd")
        message, out, errors, *numbers = report[1:].splitlines()
        self.assertEqual(message, b"/memfd:message (deleted)")
        self.assertEqual(out, errors)
        self.assertTrue(out.startswith(b"pipe:"))
        self.assertEqual(numbers, [b"0", b"1", b"2", b"3", b"did 0+0+2"])

    def test_message_is_only_to_read(self) -> None:
        """The message can be read by any name, and changed by none (L24)."""
        report = self.deliver("|cat /proc/self/fd/0 /dev/stdin | wc -c",
                              "|(: > /dev/stdin) 2>/dev/null && echo emptied; chmod 666 /proc/self/fd/0 2>/dev/null; "
                              "(echo x >> /dev/stdin) 2>/dev/null && echo changed; :")
        self.assertEqual(report, b"K%d\ndid 0+0+2\n" % (2 * len(TEXT)))

    def test_queue_is_closed(self) -> None:
        """The queue cannot be looked into (L24)."""
        report = self.deliver(f"|ls {self.world.home}/queue/mess {self.world.home}/queue/mess/* "
                              f"{self.world.home}/queue/info 2>&1; cat {self.world.home}/queue/mess/0/1 2>&1; :")
        self.assertEqual(report.count(b"Permission denied"), 4, report)

    def test_recycled_file(self) -> None:
        """Who keeps his descriptor sees his own message for ever, not the next in the same file (V4)."""
        os.mkfifo(self.joe.home + "/fifo")
        os.chown(self.joe.home + "/fifo", self.joe.uid, self.joe.gid)
        for size in (0, 1 << 21):
            self.lspawn.message("0/1", TEXT + b"x" * size, QMAILQ)
            self.assertEqual(self.deliver("|exec 3<&0; (read line < fifo; cat <&3 > seen; echo > fifo) "
                                          ">/dev/null 2>&1 &"), b"Kdid 0+0+1\n")
            self.lspawn.message("0/1", b"Subject: for somebody else\n\n" + b"y" * size, QMAILQ)
            for mode in ("w", "r"):
                with open(self.joe.home + "/fifo", mode) as fifo:
                    fifo.write("\n") if mode == "w" else fifo.read()
            self.assertEqual(self.world.read(self.joe.home + "/seen").encode(), TEXT + b"x" * size)

    # What a program does

    def test_spies(self) -> None:
        """The process that delivers is closed to its user: no memory, environment or descriptors (L27)."""
        report = self.deliver("|for name in environ mem fd map_files; do (ls /proc/$PPID/$name/ || "
                              "cat /proc/$PPID/$name) >/dev/null 2>&1 && echo $name; done; :")
        self.assertEqual(report, b"Kdid 0+0+1\n")

    def test_signals_to_lspawn(self) -> None:
        """Nobody can signal qmail-lspawn, nor another user's children (L27)."""
        self.others_are_fine()
        pids = [self.lspawn.process.pid, *self.lspawn.children()]
        report = self.deliver(f"|for pid in {' '.join(map(str, pids))}; do kill -9 $pid 2>/dev/null && echo $pid; "
                              "done; :")
        self.assertEqual(report, b"Kdid 0+0+1\n")
        self.others_are_fine()

    def test_kills_himself(self) -> None:
        """Who kills the process that delivers to him gets his mail later, and nobody else notices (L27)."""
        self.assertEqual(self.deliver("|kill -9 $PPID; sleep 60"), b"Zqmail-local crashed.\n")
        self.assertEqual(self.deliver("#"), b"Kdid 0+0+0\n")
        self.others_are_fine()

    def test_stops_himself(self) -> None:
        """Who stops it has that one delivery hang (L27)."""
        self.qmail("|kill -STOP $PPID; echo $PPID > stopped")
        self.lspawn.order(7, b"0/1", b"joe@h")
        wait_until(lambda: self.world.read(self.joe.home + "/stopped").endswith("\n"), "it is stopped")
        self.others_are_fine()
        self.assertEqual(self.deliver("#"), b"Kdid 0+0+0\n")
        os.kill(int(self.world.read(self.joe.home + "/stopped")), 18)
        self.assertEqual(self.lspawn.report(7), b"Kdid 0+0+1\n")

    def test_hides(self) -> None:
        """A program that ignores TERM and has children in other sessions is ended all the same (L15)."""
        report = self.deliver("|trap '' TERM; setsid sh -c \"trap '' TERM; echo \\$\\$ > hidden; sleep 1000\" "
                              ">/dev/null 2>&1 & sleep 1000; sleep 1000")
        self.assertEqual(report, b"ZTimeout on program delivery. (#4.3.0)\n")
        self.assertRaises(ProcessLookupError, os.kill, int(self.world.read(self.joe.home + "/hidden")), 0)

    def test_fork_bomb(self) -> None:
        """A fork bomb is bounded and ends with its time; others' mail comes in meanwhile (L19)."""
        self.qmail("|bomb() { bomb | bomb & }; bomb >/dev/null 2>&1; sleep 1000")
        self.lspawn.order(7, b"0/1", b"joe@h")
        self.others_are_fine()
        self.assertEqual(self.lspawn.report(7), b"ZTimeout on program delivery. (#4.3.0)\n")

        def processes() -> list[str]:
            """The processes of joe that have not ended."""
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/status") as file:
                        facts = dict(line.split(":", 1) for line in file)
                except OSError:
                    continue
                if facts["Uid"].split()[0] == str(self.joe.uid) and "Z" not in facts["State"]:
                    found.append(facts["Name"].strip())
            return found

        wait_until(lambda: not [name for name in processes() if name in ("sh", "dash", "sleep")], "the bomb is over")

    def test_process_limit(self) -> None:
        """The number of processes is limited, and core files are not made (L13, L19)."""
        self.assertEqual(self.deliver("|ulimit -u 2>/dev/null || ulimit -p; ulimit -c"), b"K1024\n0\ndid 0+0+1\n")

    def test_hanging_programs(self) -> None:
        """Programs that hang take no more than the user's part of the slots; more is put off (L15, L16)."""
        self.world.control("timeoutprogram", "60\n")
        self.lspawn.end()
        self.lspawn = self.start()
        self.qmail("|sleep 1000")
        for delnum in range(1, 10):
            self.lspawn.order(delnum, b"0/1", b"joe@h")
        self.others_are_fine()
        self.assertEqual(self.lspawn.next_report().text, PUT_OFF)
        self.others_are_fine()

    def test_output(self) -> None:
        """Whatever a program prints, its exit code decides (L18)."""
        self.assertEqual(self.deliver("|printf 'K\\0D\\0Z'; exit 111"), b"ZK")
        self.assertEqual(self.deliver("|printf 'Dno\\n\\033[31m\\377%%s%%n'; exit 0")[:1], b"K")

    # What a .qmail file is

    def test_odd_files(self) -> None:
        """What is no regular file is passed over, what is too large put off; nothing hangs (L06)."""
        path = self.joe.home + "/.qmail-x"
        made = {
            "FIFO": lambda: os.mkfifo(path, 0o644), "directory": lambda: os.mkdir(path),
            "dangling": lambda: os.symlink("nowhere", path), "loop": lambda: os.symlink(".qmail-x", path),
            "device": lambda: os.symlink("/dev/zero", path),
        }
        self.qmail("#", name=".qmail-default")
        for kind, make in made.items():
            make()
            self.assertEqual(self.lspawn.deliver(b"0/1", b"joe-x@h"), b"Kdid 0+0+0\n", kind)
            os.rmdir(path) if kind == "directory" else os.unlink(path)
        self.world.write(self.joe, "large", "")
        os.truncate(self.joe.home + "/large", 1 << 30)
        os.symlink("large", path)
        self.assertEqual(self.lspawn.deliver(b"0/1", b"joe-x@h"), b"ZUh-oh: .qmail file is too big. (#4.3.0)\n")

    def test_unreadable_file(self) -> None:
        """A file the user himself cannot read puts mail off (L30)."""
        self.world.write(self.joe, ".qmail", "", 0o600)
        os.chown(self.joe.home + "/.qmail", 0, 0)
        self.assertEqual(self.lspawn.deliver(b"0/1", b"joe@h"),
                         b"ZUnable to open .qmail: access denied. (#4.3.0)\n")

    def test_writable_home(self) -> None:
        """A home or a file that others may write is not worked with (L03, L04)."""
        os.chmod(self.joe.home, 0o1755)
        self.assertIn(b"sticky", self.deliver("#"))
        for mode in (0o775, 0o757):
            os.chmod(self.joe.home, mode)
            self.assertEqual(self.deliver("#"), b"ZUh-oh: home directory is writable. (#4.7.0)\n")

    def test_ways_out(self) -> None:
        """No extension leads out of the home (L10, L40)."""
        for ext in (b"../../etc/passwd", b"/etc/passwd", b"..", b".", b"%00", b"\xff", b"x" * 900):
            report = self.lspawn.deliver(b"0/1", b"joe-" + ext + b"@h")
            self.assertEqual(report, b"DSorry, no mailbox here by that name. (#5.1.1)\n", ext)

    # What a mailbox is

    def test_mailbox_of_another(self) -> None:
        """A mailbox that is a link to what the user may not write is not written (L28)."""
        self.world.write(self.me, "Mailbox", "private\n", 0o600)
        for target in (self.me.home + "/Mailbox", "/etc/shadow", self.world.place + "/passwd"):
            os.symlink(target, self.joe.home + "/Mailbox")
            before = self.world.read(target)
            self.assertEqual(self.deliver("./Mailbox"), b"ZUnable to open ./Mailbox: access denied. (#4.2.1)\n")
            self.assertEqual(self.world.read(target), before)
            os.unlink(self.joe.home + "/Mailbox")

    def test_mailboxes_that_wait(self) -> None:
        """A mailbox that is a FIFO, a directory or a full device is put off at once (L28)."""
        os.mkfifo(self.joe.home + "/Mailbox", 0o666)
        os.chown(self.joe.home + "/Mailbox", self.joe.uid, self.joe.gid)
        self.assertEqual(self.deliver("./Mailbox"),
                         b"ZUnable to open ./Mailbox: device not configured. (#4.2.1)\n")
        self.assertEqual(self.deliver("/dev/full"), b"ZUnable to write /dev/full: out of disk space. (#4.3.0)\n")
        self.assertEqual(self.deliver("/tmp"), b"ZUnable to open /tmp: is a directory. (#4.2.1)\n")

    def test_maildir_of_another(self) -> None:
        """A Maildir that leads into another's home is not written (L34)."""
        for name in ("", "/tmp", "/new", "/cur"):
            os.mkdir(f"{self.me.home}/Maildir{name}", 0o700)
            os.chown(f"{self.me.home}/Maildir{name}", self.me.uid, self.me.gid)
        os.symlink(self.me.home + "/Maildir", self.joe.home + "/Maildir")
        self.assertEqual(self.deliver("./Maildir/"), b"ZUnable to chdir to maildir. (#4.2.1)\n")
        self.assertEqual(os.listdir(self.me.home + "/Maildir/new"), [])
