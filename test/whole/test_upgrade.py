"""Steps 11 to 18 of UPGRADE, as root, with real users: the log lines and the mailboxes it promises.

Numbers differ from run to run; everything else is compared to the byte.
"""

import socket

from twisted.trial.unittest import SynchronousTestCase

from test.kit.loglines import NO_MAILBOX, failure, numberless, success
from test.kit.running import Running, wait_until
from test.kit.sink import Sink
from test.kit.world import NOT_ROOT, World

DOMAIN = "test.example"


class UpgradeTests(SynchronousTestCase):
    """The test list that every administrator of qmail has worked through."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Start the system among its own users."""
        self.world = World(self)
        self.sink = Sink(self)
        self.world.control("smtproutes", f"wherever.example:127.0.0.1:{self.sink.port}\n")
        self.running: Running = self.world.up()
        self.seen = len(self.running.log)

    def expect(self, lines: list[str]) -> None:
        """The next lines of the log are *lines*, numbers aside."""
        wait_until(lambda: (self.running.read(0.05), len(self.running.log) >= self.seen + len(lines))[1],
                   f"{len(lines)} lines of the log")
        new = self.running.log[self.seen:]
        self.seen = len(self.running.log)
        self.assertEqual([numberless(line) for line in new], lines)

    def mailbox(self, name: str = "me") -> str:
        """Somebody's ./Mailbox."""
        home = f"{self.world.home}/alias" if name == "alias" else self.world.people[name].home
        return self.world.read(f"{home}/Mailbox")

    def test_11_status(self) -> None:
        """The log begins with the status of nothing to do."""
        self.assertIn("status: local 0/10 remote 0/20", self.running.log)

    def test_12_local(self) -> None:
        """An empty message to oneself is in the mailbox, with exactly these lines in the log."""
        self.world.inject(b"to: me\n")
        self.expect(success(f"me@{DOMAIN}", f"me@{DOMAIN}"))
        mailbox = self.mailbox()
        self.assertTrue(mailbox.startswith(f"From me@{DOMAIN} "), mailbox)
        self.assertIn(f"\nReturn-Path: <me@{DOMAIN}>\nDelivered-To: me@{DOMAIN}\nReceived: (qmail ", mailbox)
        uid = self.world.people["me"].uid
        self.assertRegex(mailbox, rf"\nReceived: \(qmail \d+ invoked by uid {uid}\); ")
        info = next(line for line in self.running.log if line.startswith("info msg"))
        self.assertTrue(info.endswith(f" uid {uid}"), info)

    def test_13_local_error(self) -> None:
        """A message to nobody comes back as a bounce."""
        self.world.inject(b"to: nonexistent\n")
        self.expect([*failure(f"me@{DOMAIN}", f"nonexistent@{DOMAIN}", NO_MAILBOX), *success("", f"me@{DOMAIN}")])
        mailbox = self.mailbox()
        self.assertIn("\nHi. This is the qmail-send program at test.example.\n", mailbox)
        self.assertIn(f"\n<nonexistent@{DOMAIN}>:\nSorry, no mailbox here by that name. (#5.1.1)\n", mailbox)

    def test_14_remote(self) -> None:
        """A message to another host is handed to it, and the log says what it answered."""
        self.world.inject(b"to: me@wherever.example\n")
        self.expect([
            "new msg N", f"info msg N: bytes B from <me@{DOMAIN}> qp P uid U",
            "starting delivery D: msg N to remote me@wherever.example", "status: local 0/10 remote 1/20",
            "delivery D: success: 127.0.0.1_accepted_message./Remote_host_said:_250_ok/",
            "status: local 0/10 remote 0/20", "end msg N"])
        self.assertEqual(len(self.sink.messages), 1)
        self.assertIn(b"invoked by uid", self.sink.messages[0])

    def test_15_postmaster(self) -> None:
        """Mail for the postmaster is in the alias mailbox, however it is spelt."""
        self.world.inject(b"to: POSTmaster\n")
        self.expect(success(f"me@{DOMAIN}", f"POSTmaster@{DOMAIN}"))
        self.assertIn(f"\nDelivered-To: POSTmaster@{DOMAIN}\n", self.mailbox("alias"))

    def test_16_double_bounce(self) -> None:
        """A message with a completely bad envelope ends as a double bounce in the alias mailbox."""
        message = b"To: unknownuser\nSubject: testing\n\nThis is a test. This is only a test.\n"
        self.world.inject(message, "-f", "nonexistent")
        self.expect([*failure(f"nonexistent@{DOMAIN}", f"unknownuser@{DOMAIN}", NO_MAILBOX),
                     *failure("", f"nonexistent@{DOMAIN}", NO_MAILBOX),
                     *success("#@[]", f"postmaster@{DOMAIN}")])
        mailbox = self.mailbox("alias")
        self.assertIn("\nI tried to deliver a bounce message to this address, but the bounce bounced!\n", mailbox)
        self.assertIn("\nThis is a test. This is only a test.\n", mailbox)

    def test_17_groups(self) -> None:
        """A delivery has the user's own group and no other, though he is a member of more."""
        me = self.world.people["me"]
        self.world.write(me, ".qmail-groups", "|id -G >> MYGROUPS; id -u >> MYGROUPS; exit 0\n")
        self.world.inject(b"", "me-groups")
        self.running.wait_for(r"delivery \d+: success: did_0\+0\+1/")
        self.assertEqual(self.world.read(f"{me.home}/MYGROUPS"), f"{me.gid}\n{me.uid}\n")

    def test_18_smtp(self) -> None:
        """Mail forged by hand over SMTP is answered as on the first day, and arrives."""
        with socket.create_connection(("127.0.0.1", self.running.port()), 30) as connection:
            talk = connection.makefile("rwb")

            def ask(line: bytes, answers: int = 1) -> bytes:
                """Send a line, if any, and read so many lines."""
                if line:
                    talk.write(line + b"\r\n")
                    talk.flush()
                return b"".join(talk.readline() for _ in range(answers))

            self.assertEqual(ask(b""), b"220 test.example ESMTP\r\n")
            self.assertEqual(ask(b"helo dude", 3), b"250-test.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            self.assertEqual(ask(b"mail <me@test.example>"), b"250 ok\r\n")
            self.assertEqual(ask(b"rcpt <me@test.example>"), b"250 ok\r\n")
            self.assertEqual(ask(b"data"), b"354 go ahead\r\n")
            self.assertRegex(ask(b"Subject: testing\r\n\r\nThis is a test.\r\n."), rb"^250 ok \d+ qp \d+\r\n$")
            self.assertEqual(ask(b"quit"), b"221 test.example\r\n")
            self.assertEqual(talk.read(), b"")
        self.expect(success(f"me@{DOMAIN}", f"me@{DOMAIN}"))
        self.assertIn("\nSubject: testing\n\nThis is a test.\n", self.mailbox())
        self.assertRegex(self.mailbox(), r"\nReceived: from unknown \(HELO dude\) \(127\.0\.0\.1\)\n"
                                         r"  by test\.example with SMTP; ")
