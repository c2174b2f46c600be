"""Steps 1 to 22 of UPGRADE, one after the other, on a host with users of its own and another machine beside it.

What is upgraded is an installation that runs. SMTP comes in through inetd, as on most hosts of the time, and through
tcpserver on another address.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import HOST, SingleHome
from test.kit.installed import NET, Installed
from test.kit.loglines import NO_MAILBOX, failure, numberless, success
from test.kit.running import wait_until
from test.kit.world import NOFILES, NOT_ROOT, ROLES, Person

THERE = "wherever.example"
AUTHOR = "cr.yp.to"
MAIL = "bsd-mailx"


class StepsTests(SynchronousTestCase):
    """The document, carried out."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Install what will be upgraded, turn it on, and start the other machine."""
        self.world = Installed(self)
        self.home = self.world.home
        self.log = self.world.syslog
        self.there = SingleHome(self, THERE)
        self.there.control("rcpthosts", f"{THERE}\n{AUTHOR}\n")
        self.there.control("locals", f"{THERE}\n{AUTHOR}\n")
        self.there.control("smtproutes", f"{HOST}:{NET}.1:25\n")
        port = self.there.up().port()
        self.world.control("smtproutes", f"{THERE}:127.0.0.1:{port}\n{AUTHOR}:127.0.0.1:{port}\n")
        self.inetd = self.start_inetd()
        self.tcpserver = self.start_tcpserver()
        self.world.shell(f"cp {self.home}/boot/home {self.home}/rc")
        self.turn_on("csh", "-cf")
        self.log.wait_for("status: local 0/10 remote 0/20")
        self.seen = len(self.log.lines)

    def start_inetd(self) -> subprocess.Popen[bytes]:
        """An inetd with the line of qmail's documents."""
        self.smtp_line(True)
        return self.launch("inetd", "-i", f"{self.world.place}/inetd.conf")

    def smtp_line(self, is_on: bool) -> None:
        """Write inetd.conf, with the smtp line or with the line commented out."""
        line = f"{NET}.1:25 stream tcp nowait qmaild {self.home}/bin/tcp-env tcp-env -R {self.home}/bin/qmail-smtpd\n"
        with open(f"{self.world.place}/inetd.conf", "w", encoding="ascii") as file:
            file.write(line if is_on else "#" + line)

    def start_tcpserver(self) -> subprocess.Popen[bytes]:
        """A tcpserver for the same on another address."""
        return self.launch("tcpserver", "-H", "-R", "-l", HOST, "-u", str(ROLES["qmaild"][0]), "-g", str(NOFILES),
                           f"{NET}.2", "25", f"{self.home}/bin/qmail-smtpd")

    def launch(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a server of the system; it ends with the test."""
        process = subprocess.Popen(self.world.inside(words), stdin=subprocess.DEVNULL, cwd="/",
                                   env={"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin"})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.send_signal, signal.SIGCONT)
        return process

    def turn_on(self, *shell: str) -> None:
        """The line that is in the boot scripts."""
        self.world.shell(f"{self.home}/rc &", shell)

    def expect(self, *lines: str) -> None:
        """The next lines of the log are *lines*, numbers aside."""
        wait_until(lambda: len(self.log.lines) >= self.seen + len(lines), f"{len(lines)} lines of the log")
        new = self.log.lines[self.seen:]
        self.seen += len(new)
        self.assertEqual([numberless(line) for line in new], list(lines))

    def wait_for_ends(self, count: int) -> None:
        """Wait until so many messages have come to their end."""
        for _ in range(count):
            self.seen = self.log.wait_for(r"end msg \d+", self.seen)

    def mailbox(self, name: str = "me") -> str:
        """Somebody's ./Mailbox."""
        home = f"{self.home}/alias" if name == "alias" else self.world.people[name].home
        return self.world.read(f"{home}/Mailbox")

    def dialogue(self, address: str) -> str:
        """Send the message of step 18 to an address; gives all that was said."""
        lines = ("helo dude", f"mail <me@{HOST}>", f"rcpt <me@{HOST}>", "data",
                 "Subject: testing\r\n\r\nThis is a test.\r\n.", "quit")
        connection = socket.create_connection((address, 25), 60)
        self.addCleanup(connection.close)
        talk = connection.makefile("rwb")
        said = talk.readline().decode()
        for line in lines:
            talk.write(line.encode() + b"\r\n")
            talk.flush()
            answer = talk.readline().decode()
            said += answer
            while answer[3:4] == "-":
                answer = talk.readline().decode()
                said += answer
        return said + talk.read().decode()

    def listens(self) -> bool:
        """Is anybody on inetd's port?"""
        with socket.socket() as probe:
            return probe.connect_ex((f"{NET}.1", 25)) == 0

    def test_steps(self) -> None:
        """Every step does what the document says, in its order."""
        for number in range(1, 23):
            getattr(self, f"step_{number:02}")()
        self.report_success()
        self.another_shell()
        self.in_the_foreground()

    def step_01(self) -> None:
        """The programs and the manual pages are made."""
        self.world.make("it", "man")
        self.assertIn(".SH SYNOPSIS", self.world.read(f"{self.world.source}/build/man/man8/qmail-start.8"))

    def step_02(self) -> None:
        """Users are told; by mail, while that works."""
        self.world.inject(b"To: me\n\nMail will not be accepted for a few minutes.\n", who="joe")
        self.expect(*success(f"joe@{HOST}", f"me@{HOST}"))

    def step_03(self) -> None:
        """Killing qmail-send alone stops deliveries; mail from users and by SMTP waits in the queue."""
        [self.old] = self.world.called("qmail-start")
        [send] = self.world.called("qmail-send")
        os.kill(send, signal.SIGTERM)
        self.log.wait_for("status: exiting", self.seen)
        self.stopped_at = self.log.wait_for("send: stopped; mail is received, .*", self.seen)
        self.world.inject(b"to: me\nSubject: from a user meanwhile\n")
        self.assertIn("250 ok ", self.dialogue(f"{NET}.1"))
        self.assertIn("250 ok ", self.dialogue(f"{NET}.2"))
        self.assertEqual(self.world.called("qmail-lspawn"), [])

    def step_04(self) -> None:
        """SMTP is disabled, under inetd by its table, under tcpserver by a signal."""
        self.smtp_line(False)
        self.inetd.send_signal(signal.SIGHUP)
        wait_until(lambda: not self.listens(), "inetd to close its port")
        self.tcpserver.send_signal(signal.SIGSTOP)
        wait_until(lambda: not self.world.called("qmail-smtpd"), "the end of all qmail-smtpd")

    def step_05(self) -> None:
        """The new programs are installed; what is in the queue is left alone."""
        queue = self.queue()
        self.assertEqual(len([name for name in queue if name.startswith("todo/")]), 3)
        self.assertEqual(self.world.make("setup"), f"Installed into {self.home}.\n")
        self.assertEqual(self.queue(), queue)

    def queue(self) -> list[str]:
        """Every file of the queue that holds a message."""
        found = []
        for folder in ("mess", "todo", "intd", "info", "local", "remote", "bounce"):
            for here, _, names in os.walk(f"{self.home}/queue/{folder}"):
                found += [os.path.relpath(f"{here}/{name}", f"{self.home}/queue") for name in names]
        return sorted(found)

    def step_06(self) -> None:
        """instcheck has no warnings."""
        self.assertEqual(self.world.make("check"), "")

    def step_07(self) -> None:
        """The boot script is copied."""
        self.world.shell(f"cp {self.home}/boot/home {self.home}/rc")

    def step_08(self) -> None:
        """The script turns qmail on as the boot scripts did."""
        self.assertTrue(self.world.read(f"{self.home}/rc").endswith(
            f'exec env - PATH="{self.home}/bin:$PATH" \\\nqmail-start ./Mailbox splogger qmail\n'))

    def step_09(self) -> None:
        """Deliveries are enabled again: the new one takes over, and what has waited is delivered."""
        self.assertEqual(self.log.lines[self.stopped_at:], [])
        self.turn_on("csh", "-cf")
        at = self.log.wait_for("status: local 0/10 remote 0/20", self.stopped_at)
        for _ in range(3):
            at = self.log.wait_for(r"end msg \d+", at)
        wait_until(lambda: self.old not in self.world.called("qmail-start"), "the end of the old one")
        self.assertEqual(len(self.world.called("qmail-start")), 1)
        self.assertEqual(self.mailbox().count("\nSubject: testing\n"), 2)
        self.assertIn("\nSubject: from a user meanwhile\n", self.mailbox())

    def step_10(self) -> None:
        """SMTP is enabled again; who has come to the stopped tcpserver is served now."""
        waiting = socket.create_connection((f"{NET}.2", 25), 60)
        self.addCleanup(waiting.close)
        self.smtp_line(True)
        self.inetd.send_signal(signal.SIGHUP)
        self.tcpserver.send_signal(signal.SIGCONT)
        self.assertEqual(waiting.makefile("rb").readline(), f"220 {HOST} ESMTP\r\n".encode())
        wait_until(self.listens, "inetd to open its port")
        self.seen = len(self.log.lines)

    def step_11(self) -> None:
        """The status is in syslog, from the mail system, with the time of splogger in front."""
        self.assertIn("status: local 0/10 remote 0/20", self.log.lines)
        self.assertEqual(self.log.priorities, {2 << 3 | 6})

    def step_12(self) -> None:
        """Local-local."""
        self.world.inject(b"to: me\n")
        self.expect(*success(f"me@{HOST}", f"me@{HOST}"))

    def step_13(self) -> None:
        """Local-error."""
        self.world.inject(b"to: nonexistent\n")
        self.expect(*failure(f"me@{HOST}", f"nonexistent@{HOST}", NO_MAILBOX), *success("", f"me@{HOST}"))
        self.assertIn(f"\n<nonexistent@{HOST}>:\nSorry, no mailbox here by that name. (#5.1.1)\n", self.mailbox())

    def step_14(self) -> None:
        """Local-remote: the message is in the mailbox on the other machine."""
        self.world.inject(f"to: me@{THERE}\n".encode())
        at = self.log.wait_for(r"delivery \d+: success: 127\.0\.0\.1_accepted_message\./"
                               r"Remote_host_said:_250_ok_\d+_qp_\d+/", self.seen)
        self.assertIn("starting delivery D: msg N to remote me@wherever.example",
                      [numberless(line) for line in self.log.lines[self.seen:at]])
        self.seen = at
        self.wait_for_ends(1)
        self.assertIn(f"Delivered-To: me@{THERE}\n", self.arrived())

    def arrived(self) -> str:
        """Wait for the next message in the mailbox of the other machine, and take it out."""
        wait_until(self.there.names, "the message on the other machine")
        [name] = self.there.names()
        text = self.there.read(name).decode("latin-1")
        os.unlink(f"{self.there.path}/mail/Maildir/new/{name}")
        return text

    def step_15(self) -> None:
        """Local-postmaster."""
        self.world.inject(b"to: POSTmaster\n")
        self.expect(*success(f"me@{HOST}", f"POSTmaster@{HOST}"))
        self.assertIn(f"\nDelivered-To: POSTmaster@{HOST}\n", self.mailbox("alias"))

    def step_16(self) -> None:
        """Double-bounce."""
        message = b"To: unknownuser\nSubject: testing\n\nThis is a test. This is only a test.\n"
        self.world.inject(message, "-f", "nonexistent")
        self.expect(*failure(f"nonexistent@{HOST}", f"unknownuser@{HOST}", NO_MAILBOX),
                    *failure("", f"nonexistent@{HOST}", NO_MAILBOX), *success("#@[]", f"postmaster@{HOST}"))
        self.assertIn("\nThis is a test. This is only a test.\n", self.mailbox("alias"))

    def step_17(self) -> None:
        """Group membership."""
        me = self.world.people["me"]
        self.world.write(me, ".qmail-groups", "|groups >> MYGROUPS; exit 0\n")
        self.world.inject(b"", "me-groups")
        self.wait_for_ends(1)
        self.assertEqual(self.world.read(f"{me.home}/MYGROUPS"), "me\n")

    def step_18(self) -> None:
        """SMTP server, to the byte."""
        self.assertRegex(self.dialogue(f"{NET}.1"), (
            "^220 test.example ESMTP\r\n250-test.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n"
            "354 go ahead\r\n250 ok \\d+ qp \\d+\r\n221 test.example\r\n$"))
        self.expect(*success(f"me@{HOST}", f"me@{HOST}"))
        self.assertEqual(self.mailbox().count("\nSubject: testing\n\nThis is a test.\n"), 3)

    def from_there(self, recipient: str) -> None:
        """Send a message from the other machine."""
        done = self.there.run([self.there.program("qmail-inject")], f"to: {recipient}\n".encode(), USER="you")
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def step_19(self) -> None:
        """Remote-local."""
        self.from_there(f"joe@{HOST}")
        self.expect(*success(f"you@{THERE}", f"joe@{HOST}"))
        self.assertIn(f"\nReceived: from localhost (HELO {THERE}) (127.0.0.1)\n  by {HOST} with SMTP; ",
                      self.mailbox("joe"))

    def step_20(self) -> None:
        """Remote-error: it comes back as a bounce."""
        self.from_there(f"nonexistent@{HOST}")
        self.assertIn(f"\nHi. This is the qmail-send program at {HOST}.\n", self.arrived())
        self.wait_for_ends(2)

    def agent(self, recipient: str, words: list[str], who: Person | None) -> None:
        """Send a message with a user agent."""
        login = {"HOME": self.world.place, "USER": "root"} if who is None else {
            "HOME": who.home, "USER": who.name, "LOGNAME": who.name}
        with open(f"{self.world.place}/mailrc", "w", encoding="ascii") as file:
            file.write(f"set sendmail={self.home}/bin/sendmail\n")
        environment = {"PATH": os.environ.get("PATH", os.defpath), "MAILRC": f"{self.world.place}/mailrc", **login}
        done = subprocess.run(self.world.inside([*words, recipient], who), input=b"from an agent\n", check=False,
                              capture_output=True, timeout=60, env=environment, cwd=login["HOME"])
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def step_21(self) -> None:
        """User agents: to a local account, then to a remote one."""
        mutt = ["mutt", "-n", "-F", "/dev/null", "-e", f'set sendmail="{self.home}/bin/sendmail -oem -oi"',
                "-e", 'set record=""', "-e", "set use_domain=no", "-s", "agent", "--"]
        for count, words in enumerate(([MAIL, "-s", "agent"], mutt), 1):
            self.agent("joe", words, self.world.people["me"])
            self.wait_for_ends(1)
            self.assertEqual(self.mailbox("joe").count("\nSubject: agent\n"), count)
            self.agent(f"me@{THERE}", words, self.world.people["me"])
            text = self.arrived()
            self.assertIn("\nfrom an agent\n", text)
            self.assertTrue(text.startswith(f"Return-Path: <me@{HOST}>\n"), text)
            self.wait_for_ends(1)

    def step_22(self) -> None:
        """Remote-postmaster."""
        self.from_there(f"PoStMaStEr@{HOST}")
        self.expect(*success(f"you@{THERE}", f"PoStMaStEr@{HOST}"))
        self.assertIn(f"\nDelivered-To: PoStMaStEr@{HOST}\n", self.mailbox("alias"))

    def report_success(self) -> None:
        """The last line of the document works in the source tree, and describes the system."""
        line = f"cd {self.world.source} && ( echo 'First M. Last'; cat `cat SYSDEPS` ) | {MAIL}"
        self.agent(f"djb-qst@{AUTHOR}", ["sh", "-c", f'{line} "$0"'], None)
        text = self.arrived()
        self.assertIn("\nFirst M. Last\n", text)
        self.assertIn(f"\n{' '.join(os.uname())}".split(" #")[0], text)
        self.assertIn(f"\n{self.home}\n", text)

    def another_shell(self) -> None:
        """It is also turned on by sh, with another boot script: .forward files, and procmail for everybody else."""
        self.wait_for_ends(1)
        self.world.end()
        self.world.shell(f"cp {self.home}/boot/proc+df {self.home}/rc")
        self.turn_on("sh", "-c")
        self.log.wait_for("status: local 0/10 remote 0/20", self.seen)
        me, joe = self.world.people["me"], self.world.people["joe"]
        self.world.write(joe, ".forward", "me\n")
        self.world.write(me, ".procmailrc", "DEFAULT=$HOME/Mailbox.procmail\n")
        self.world.inject(b"to: joe\nSubject: on its way\n")
        wait_until(lambda: "\nSubject: on its way\n" in self.world.read(f"{me.home}/Mailbox.procmail"), "procmail")
        self.world.end()

    def in_the_foreground(self) -> None:
        """A service manager runs the script in the foreground, and ends it with TERM."""
        self.seen = len(self.log.lines)
        running = self.world.foreground(f"{self.home}/boot/home")
        self.log.wait_for("status: local 0/10 remote 0/20", self.seen)
        self.assertEqual(running.stop(signal.SIGTERM), -signal.SIGTERM)
        self.log.wait_for("status: exiting", self.seen)
        self.assertEqual((running.log, running.errors), ([], b""))
