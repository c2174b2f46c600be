"""Mail between homes, and to other software: everything between qmail-inject and the other side is real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from test.kit.addresses import own_address
from test.kit.homes import SingleHome
from test.kit.running import wait_until
from test.kit.world_outside import SINK, SOURCE, Forwarder, SmtpSink, name_server

if TYPE_CHECKING:
    from test.kit.running import Running

HERE, THERE = "here.example", "there.example"
#: addresses of our own, since tests may run side by side and port 25 is wanted
THEIR_ADDRESS, DEAD_ADDRESS, OUR_ADDRESS = own_address(2), own_address(3), own_address(4)
NAMES = (
    f"{THERE} MX 10 mx.{THERE}.",
    f"mx.{THERE} A {THEIR_ADDRESS}",
    f"{HERE} MX 10 mx.{HERE}.",
    f"mx.{HERE} A {OUR_ADDRESS}",
)


def inject(home: SingleHome, sender: str, *recipients: str) -> None:
    """Hand in a message."""
    done = home.run([home.program("qmail-inject"), "-f", sender, *recipients], b"Subject: hello\n\n.dot\n")
    home.test.assertEqual((done.returncode, done.stderr), (0, b""))


class RemoteCase(SynchronousTestCase):
    """Has one home that sends."""

    timeout = 120

    def setUp(self) -> None:
        """Make it."""
        self.here = SingleHome(self, HERE)
        self.here.control("relayclients", "127.0.0.1\n")

    def result(self, running: Running, start: int = 0) -> tuple[str, str]:
        """Wait for the end of a delivery: the word for it, and its text."""
        match = running.wait_for(r"delivery \d+: (success|deferral|failure): (?!did_)(.*)/", start)
        return match.group(1), match.group(2)


class HomesTests(RemoteCase):
    """Two homes and the DNS between them."""

    def setUp(self) -> None:
        """Make the other one, and let it have port 25 of an address."""
        super().setUp()
        self.there = SingleHome(self, THERE)
        self.their_log = self.there.up()

    def up(self, *lines: str) -> Running:
        """Start our home with a name server, and let both be reached."""
        for home in (self.here, self.there):
            home.control("resolvers", name_server(self, *NAMES, *lines))
        running = self.here.up()
        try:
            Forwarder(self, THEIR_ADDRESS, self.their_log.port())
            Forwarder(self, OUR_ADDRESS, running.port())
        except PermissionError:
            raise SkipTest("needs port 25, which only root may listen on") from None
        return running

    def arrived(self, home: SingleHome, text: bytes = b"") -> bytes:
        """Wait for a message in a Maildir, and give it."""
        wait_until(lambda: [one for one in home.mailbox() if text in one], "the message")
        return next(one for one in home.mailbox() if text in one)

    def test_exchanger(self) -> None:
        """Mail goes to the exchanger, with its dot, and is received by SMTP."""
        running = self.up()
        inject(self.here, f"me@{HERE}", f"you@{THERE}")
        self.assertEqual(self.result(running)[0], "success")
        message = self.arrived(self.there)
        self.assertIn(b"\n\n.dot\n", message)
        self.assertIn(b"Return-Path: <me@here.example>", message)

    def test_postmaster_in_any_case(self) -> None:
        """Names in any case are the same name."""
        running = self.up()
        inject(self.here, f"me@{HERE}", f"PostMaster@{THERE.upper()}")
        self.assertEqual(self.result(running)[0], "success")
        self.assertIn(b"Delivered-To: PostMaster@THERE.EXAMPLE", self.arrived(self.there))

    def test_second_exchanger(self) -> None:
        """If nobody listens on the best exchanger the next one has the mail."""
        running = self.up("two.example MX 5 dead.example.", f"dead.example A {DEAD_ADDRESS}")
        names = name_server(self, *NAMES, f"dead.example A {DEAD_ADDRESS}", "two.example MX 5 dead.example.",
                            f"two.example MX 10 mx.{THERE}.")
        self.here.control("resolvers", names)
        self.there.control("rcpthosts", f"{THERE}\ntwo.example\n")
        self.there.control("locals", f"{THERE}\ntwo.example\n")
        self.their_log.signal(signal.SIGHUP)
        inject(self.here, f"me@{HERE}", "you@two.example")
        word, text = self.result(running)
        self.assertEqual(word, "success", text)
        self.assertTrue(text.startswith(THEIR_ADDRESS + "_accepted_message."), text)

    def test_bounce_comes_back(self) -> None:
        """What the other home cannot deliver comes back as a bounce, through our exchanger."""
        self.there.control("rcpthosts", f"{THERE}\nnowhere.example\n")
        self.here.control("smtproutes", f"nowhere.example:{THEIR_ADDRESS}\n")
        self.up()
        inject(self.here, f"me@{HERE}", "you@nowhere.example")
        bounce = self.arrived(self.here, b"MAILER-DAEMON@there.example")
        self.assertIn(b"Sorry, I couldn't find any host named nowhere.example. (#5.1.2)", bounce)
        self.assertIn(b"Return-Path: <>", bounce)

    def test_refused_recipient(self) -> None:
        """What the other home refuses to take becomes our bounce."""
        self.here.control("smtproutes", f"other.example:{THEIR_ADDRESS}\n")
        running = self.up()
        inject(self.here, f"me@{HERE}", "you@other.example")
        word, text = self.result(running)
        self.assertEqual((word, text.split("/")[0]), ("failure", f"{THEIR_ADDRESS}_does_not_like_recipient."))
        self.assertTrue(text.endswith(f"/Giving_up_on_{THEIR_ADDRESS}."), text)
        self.assertIn(b"does not like recipient.", self.arrived(self.here, b"<you@other.example>:"))

    def test_servfail_is_no_bounce(self) -> None:
        """If the name server fails the mail waits."""
        running = self.up("trouble.example MX SERVFAIL")
        inject(self.here, f"me@{HERE}", "you@trouble.example")
        self.assertEqual(self.result(running),
                         ("deferral", "Sorry,_I_couldn't_find_any_host_by_that_name._(#4.1.2)"))

    def test_ipv6(self) -> None:
        """A route may lead to an IPv6 address."""
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            raise SkipTest("this machine has no IPv6") from None
        self.their_log.stop()
        self.their_log = self.there.up("--smtp", r"tcp:0:interface=\:\:1", "--fronts", "1")
        self.here.control("smtproutes", f"{THERE}:[::1]:{self.their_log.port()}\n")
        running = self.here.up()
        inject(self.here, f"me@{HERE}", f"you@{THERE}")
        word, text = self.result(running)
        self.assertEqual((word, text[: len("::1_accepted_message.")]), ("success", "::1_accepted_message."))
        self.arrived(self.there)

    def test_qmtp(self) -> None:
        """A route may name QMTP; the other home receives by QMTP."""
        qmtp = self.there
        self.their_log.stop()
        self.their_log = qmtp.up("--qmtp", "tcp:0:interface=127.0.0.1", "--fronts", "1")
        self.here.control("smtproutes", f"{THERE}:127.0.0.1:{self.their_log.port('qmtp')}:qmtp\n")
        running = self.here.up()
        inject(self.here, f"me@{HERE}", f"1@{THERE}", f"2@{THERE}")
        word, text = self.result(running)
        self.assertEqual(word, "success", text)
        self.assertTrue(text.startswith("127.0.0.1_accepted_message./Remote_host_said:_ok_"), text)
        self.assertIn(b" with QMTP; ", self.arrived(self.there))


class GreylistTests(RemoteCase):
    """A server that first says later."""

    def test_greylisting(self) -> None:
        """Mail that was put off is accepted at the next attempt, which ALRM makes at once."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.here.control("smtproutes", f":127.0.0.1:{listener.getsockname()[1]}\n")
        running = self.here.up()
        inject(self.here, f"me@{HERE}", f"you@{THERE}")
        self.serve(listener, b"450 4.7.1 greylisted\r\n")
        self.assertEqual(self.result(running),
                         ("deferral", "127.0.0.1_does_not_like_recipient./Remote_host_said:_450_4.7.1_greylisted/"
                                      "Giving_up_on_127.0.0.1."))
        seen = len(running.log)
        running.signal(signal.SIGALRM)
        self.serve(listener, b"250 ok\r\n")
        self.assertEqual(self.result(running, seen),
                         ("success", "127.0.0.1_accepted_message./Remote_host_said:_250_ok"))

    def serve(self, listener: socket.socket, to_rcpt: bytes) -> None:
        """Serve one client, up to QUIT."""
        listener.settimeout(60)
        client, _ = listener.accept()
        client.settimeout(60)
        with client, client.makefile("rwb") as talk:
            self.say(talk, b"220 grey\r\n")
            while line := talk.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.say(talk, b"354 go\r\n")
                    while talk.readline() not in (b".\r\n", b""):
                        pass
                self.say(talk, to_rcpt if verb == b"RCPT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    def say(self, talk, words: bytes) -> None:  # type: ignore[no-untyped-def]
        """Say something."""
        try:
            talk.write(words)
            talk.flush()
        except BrokenPipeError:
            pass  # QUIT is not waited for


class SinkTests(RemoteCase):
    """Postfix's smtp-sink receives from us."""

    if SINK is None or SOURCE is None:
        skip = "smtp-sink and smtp-source are not installed"

    def to(self, *options: str) -> SmtpSink:
        """Route all mail to an smtp-sink."""
        sink = SmtpSink(self, *options)
        self.here.control("smtproutes", f":127.0.0.1:{sink.port}\n")
        return sink

    def load(self, running: Running, *words: str) -> None:
        """Send much mail with smtp-source."""
        subprocess.run([str(SOURCE), *words, "-f", f"me@{HERE}", f"127.0.0.1:{running.port()}"],
                       check=True, timeout=120, capture_output=True)

    def test_failures(self) -> None:
        """However it fails, at any step, the mail is put off or refused as it should be."""
        running = self.here.up()
        soft, hard = "450_4.3.0_Error:_command_failed", "500_5.3.0_Error:_command_failed"
        for options, word, text in (
            (("-r", "CONNECT"), "deferral", f"Connected_to_127.0.0.1_but_greeting_failed./Remote_host_said:_{soft}"),
            (("-f", "CONNECT"), "deferral", f"Connected_to_127.0.0.1_but_greeting_failed./Remote_host_said:_{hard}"),
            (("-f", "EHLO"), "success", "127.0.0.1_accepted_message./Remote_host_said:_250_"),
            (("-f", "EHLO,HELO"), "deferral", "Connected_to_127.0.0.1_but_my_name_was_rejected./"),
            (("-r", "MAIL"), "deferral", f"Connected_to_127.0.0.1_but_sender_was_rejected./Remote_host_said:_{soft}"),
            (("-f", "MAIL"), "failure", f"Connected_to_127.0.0.1_but_sender_was_rejected./Remote_host_said:_{hard}"),
            (("-r", "RCPT"), "deferral", f"127.0.0.1_does_not_like_recipient./Remote_host_said:_{soft}/Giving_up_on"),
            (("-f", "RCPT"), "failure", f"127.0.0.1_does_not_like_recipient./Remote_host_said:_{hard}/Giving_up_on"),
            (("-r", "DATA"), "deferral", f"127.0.0.1_failed_on_DATA_command./Remote_host_said:_{soft}"),
            (("-f", "DATA"), "failure", f"127.0.0.1_failed_on_DATA_command./Remote_host_said:_{hard}"),
            (("-r", "."), "deferral", f"127.0.0.1_failed_after_I_sent_the_message./Remote_host_said:_{soft}"),
            (("-f", "."), "failure", f"127.0.0.1_failed_after_I_sent_the_message./Remote_host_said:_{hard}"),
            (("-q", "CONNECT"), "deferral", "Connected_to_127.0.0.1_but_connection_died._(#4.4.2)"),
            (("-q", "MAIL"), "deferral", "Connected_to_127.0.0.1_but_connection_died._(#4.4.2)"),
            (("-q", "DATA"), "deferral", "Connected_to_127.0.0.1_but_connection_died._(#4.4.2)"),
            (("-q", "."), "deferral", "Connected_to_127.0.0.1_but_connection_died._Possible_duplicate!_(#4.4.2)"),
            (("-Q", "RCPT"), "deferral", "127.0.0.1_does_not_like_recipient./Remote_host_said:_421_"),
            (("-q", "QUIT"), "success", "127.0.0.1_accepted_message./Remote_host_said:_250_"),
            (("-e",), "success", "127.0.0.1_accepted_message./Remote_host_said:_250_"),
            (("-p", "-8", "-E", "-h", "odd"), "success", "127.0.0.1_accepted_message./Remote_host_said:_250_"),
            (("-W", "CONNECT:1:50", "-w", "1"), "success", "127.0.0.1_accepted_message./Remote_host_said:_250_"),
        ):
            self.to(*options)
            seen = len(running.log)
            self.load(running, "-m", "1", "-t", f"you@{THERE}")
            said = self.result(running, seen)
            self.assertEqual((said[0], said[1][: len(text)]), (word, text), options)

    def test_load(self) -> None:
        """Hundreds of messages all arrive, over few connections."""
        sink = self.to()
        running = self.here.up()
        self.load(running, "-s", "10", "-m", "300", "-l", "4000", "-t", f"you@{THERE}")
        wait_until(lambda: sink.count("mesg") == 300, "300 messages")
        wait_until(lambda: not self.here.queued(), "an empty queue")
        self.assertLess(sink.count("sess"), 60)

    def test_recipients_of_one_message(self) -> None:
        """Ten recipients of a message at one host are one transaction and ten deliveries."""
        sink = self.to()
        running = self.here.up()
        self.load(running, "-m", "1", "-r", "10", "-t", f"you@{THERE}")
        wait_until(lambda: not self.here.queued(), "an empty queue")
        running.wait_for(r"end msg \d+")
        self.assertEqual(sum(": success: " in line for line in running.log), 10)
        self.assertEqual(sink.count("mesg"), 1)

    def test_two_connections_at_a_time(self) -> None:
        """A server that takes two connections at a time gets all the mail."""
        sink = self.to("-m", "2")
        running = self.here.up()
        self.load(running, "-s", "5", "-m", "60", "-t", f"you@{THERE}")
        wait_until(lambda: sink.count("mesg") == 60, "60 messages")
        wait_until(lambda: not self.here.queued(), "an empty queue")
        self.assertEqual([line for line in running.log if ": deferral: " in line], [])

    def test_random_delays(self) -> None:
        """A server that takes its time now and then gets all the mail."""
        # smtp-sink forgets what was pipelined behind a command whose reply it delays, hence -p
        sink = self.to("-p", "-W", "CONNECT:1:30", "-W", "MAIL:1:20", "-w", "1")
        running = self.here.up()
        self.load(running, "-s", "5", "-m", "40", "-t", f"you@{THERE}")
        wait_until(lambda: sink.count("mesg") == 40, "40 messages")

    def test_hundred_that_hang(self) -> None:
        """While a hundred servers hang at the greeting and there are 20 slots, a good one has its mail soon."""
        silent = [socket.create_server((f"127.0.1.{number + 1}", 0)) for number in range(100)]
        for listener in silent:
            self.addCleanup(listener.close)
        good = SmtpSink(self)
        routes = [f"bad{number}.example:127.0.1.{number + 1}:{listener.getsockname()[1]}\n"
                  for number, listener in enumerate(silent)]
        self.here.control("smtproutes", "".join(routes) + f":127.0.0.1:{good.port}\n")
        running = self.here.up()
        inject(self.here, f"me@{HERE}", *(f"you@bad{number}.example" for number in range(100)))
        running.wait_for(r"starting delivery 20: .*")
        inject(self.here, f"me@{HERE}", f"you@{THERE}")
        wait_until(lambda: good.count("mesg") == 1, "the good one", patience=20)
        used = [int(line.split()[4].split("/")[0]) for line in running.log if line.startswith("status: ")]
        self.assertEqual(max(used), 20)

    def test_thousand_at_a_time(self) -> None:
        """There can be a thousand deliveries at a time, and they use little memory."""
        listeners = [socket.create_server((f"127.0.2.{number + 1}", 0), backlog=100) for number in range(200)]
        for listener in listeners:
            self.addCleanup(listener.close)
        routes = [f"bad{number}.example:127.0.2.{number + 1}:{listener.getsockname()[1]}\n"
                  for number, listener in enumerate(listeners)]
        self.here.control("smtproutes", "".join(routes))
        self.here.control("concurrencyremote", "1000\n")
        os.makedirs(f"{self.here.path}/conf", exist_ok=True)
        with open(f"{self.here.path}/conf/conf-spawn", "w", encoding="ascii") as file:
            file.write("1000\n")
        running = self.here.up()
        running.wait_for(r"status: local 0/10 remote 0/1000")
        for part in range(5):
            inject(self.here, f"me{part}@{HERE}", *(f"you@bad{number}.example" for number in range(200)))
        running.wait_for(r"starting delivery 1000: .*")
        rspawn, = running.pids("rspawn")
        wait_until(lambda: _sockets(rspawn) >= 1000, "the connections")
        self.assertLess(_memory(rspawn), 100 << 10)


def _sockets(pid: int) -> int:
    """How many sockets a process has."""
    place = f"/proc/{pid}/fd"
    count = 0
    for name in os.listdir(place):
        try:
            count += os.readlink(f"{place}/{name}").startswith("socket:")
        except FileNotFoundError:
            continue
    return count


def _memory(pid: int) -> int:
    """How much memory a process uses for itself, in KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
