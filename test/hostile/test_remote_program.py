"""qmail-remote and qmail-rspawn as programs, with servers and a name server on loopback."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as real_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ProcessProtocol
from twisted.trial.unittest import SkipTest, TestCase

import qtwisted
from test.kit.addresses import own_address
from test.kit.dnsserver import DnsServer
from test.kit.names import Names
from test.kit.smtp_peer import CLOSE, Script, ScriptedServer

reactor: Any = real_reactor
MESSAGE = b"Subject: x\n\nhi\n.dot\n..\n"
ROOT = str(Path(qtwisted.__file__).resolve().parent.parent)
CONNECTION_DIED = b"ZConnected to 127.0.0.1 but connection died. "


class Program(ProcessProtocol):
    """One run of qmail-remote."""

    def __init__(self, message: bytes) -> None:
        """Give it a message."""
        self.ended: Deferred[Any] = Deferred()
        self.output = b""
        self.errors = b""
        self._message = message

    def connectionMade(self) -> None:
        """Write the message."""
        self.transport.write(self._message)
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        """Keep the report."""
        self.output += data

    def errReceived(self, data: bytes) -> None:
        """Keep what should not be there."""
        self.errors += data

    def processEnded(self, reason: Any) -> None:
        """Tell how it ended."""
        self.ended.callback(reason.value.exitCode)


class ProgramCase(TestCase):
    """Runs qmail-remote in a home of its own."""

    timeout = 60

    def setUp(self) -> None:
        """Make the home."""
        self.home = Path(self.mktemp())
        (self.home / "control").mkdir(parents=True)
        (self.home / "queue" / "lock").mkdir(parents=True)
        (self.home / "queue" / "lock" / "tcpto").write_bytes(bytes(1024))
        self.control("me", "mx.example.org")
        self.control("resolvers", "127.0.0.1:1")

    def control(self, name: str, text: str) -> None:
        """Write a control file."""
        (self.home / "control" / name).write_text(text + "\n", encoding="latin-1")

    def serve(self, port: int = 0, address: str = "127.0.0.1", **replies: Any) -> Script:
        """Start a server, and route all mail to it, unless the port is given."""
        server = ScriptedServer(reactor, Script(**replies))
        try:
            listening = server.listen(port, address)
        except CannotListenError as trouble:
            raise SkipTest(f"needs port {port} of {address}: {trouble.socketError}") from None
        self.addCleanup(listening.stopListening)
        if not port:
            self.control("smtproutes", f":[{address}]:{listening.getHost().port}")
        return server.script

    async def remote(self, *arguments: bytes, message: bytes = MESSAGE) -> bytes:
        """Run the program, and give its report; it says nothing else, and never fails."""
        program = Program(message)
        words = [sys.executable, "-m", "qtwisted.deliver.remote", *(arguments or (b"dest.example", b"s@x", b"r@d"))]
        environment = {"QMAILHOME": str(self.home.resolve()), "PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": "1",
                       "PATH": os.environ.get("PATH", "/usr/bin:/bin")}
        reactor.spawnProcess(program, sys.executable, words, environment)
        self.assertEqual((await program.ended, program.errors), (0, b""))
        return program.output


class DialogueTests(ProgramCase):
    """Whole dialogues."""

    async def test_accepted(self) -> None:
        """A message goes out whole and in order."""
        script = self.serve()
        self.assertEqual(await self.remote(), b"r\0K127.0.0.1 accepted message.\nRemote host said: 250 done\n\0")
        self.assertEqual(
            script.heard, [b"EHLO mx.example.org", b"MAIL FROM:<s@x>", b"RCPT TO:<r@d>", b"DATA", b"QUIT"])
        self.assertEqual(script.body, b"Subject: x\r\n\r\nhi\r\n..dot\r\n...\r\n")

    async def test_turned_away(self) -> None:
        """Greetings that are none, and names that are not liked, put the mail off."""
        script = self.serve(greeting=b"554 go away\r\n")
        self.assertEqual(await self.remote(), b"ZConnected to 127.0.0.1 but greeting failed.\n"
                                              b"Remote host said: 554 go away\n\0")
        self.assertEqual(script.heard, [b"QUIT"])
        script.replies["greeting"] = b"421-busy\r\n421 later\0\r\n"
        self.assertTrue((await self.remote()).endswith(b"Remote host said: 421-busy\n421 later?\n\0"))
        script.replies.update(greeting=b"220 s\r\n", ehlo=b"500 what\r\n", helo=b"550 no\r\n")
        self.assertEqual(await self.remote(), b"ZConnected to 127.0.0.1 but my name was rejected.\n"
                                              b"Remote host said: 550 no\n\0")

    async def test_refused(self) -> None:
        """Each step can be refused or put off."""
        script = self.serve(mail=b"550 no\r\n")
        rejected = b"Connected to 127.0.0.1 but sender was rejected.\nRemote host said: "
        self.assertEqual(await self.remote(), b"D" + rejected + b"550 no\n\0")
        script.replies["mail"] = b"450 no\r\n"
        self.assertEqual(await self.remote(), b"Z" + rejected + b"450 no\n\0")
        script.replies.update(mail=b"250 ok\r\n", data=b"451 no\r\n")
        self.assertEqual(await self.remote(), b"r\0Z127.0.0.1 failed on DATA command.\nRemote host said: 451 no\n\0")
        script.replies.update(data=b"354 go\r\n", dot=b"554 spam\r\n")
        self.assertEqual(
            await self.remote(), b"r\0D127.0.0.1 failed after I sent the message.\nRemote host said: 554 spam\n\0")

    async def test_three_recipients(self) -> None:
        """Three recipients have three parts; if none is accepted, there is no DATA."""
        three = (b"dest.example", b"s@x", b"1@d", b"2@d", b"3@d")
        script = self.serve(rcpt=[b"550 no such\r\n", b"450 later\r\n", b"250 ok\r\n"])
        refused = (b"h127.0.0.1 does not like recipient.\nRemote host said: 550 no such\n\0"
                   b"s127.0.0.1 does not like recipient.\nRemote host said: 450 later\n\0")
        self.assertEqual(
            await self.remote(*three), refused + b"r\0K127.0.0.1 accepted message.\nRemote host said: 250 done\n\0")
        script.replies["rcpt"] = b"550 no\r\n"
        script.heard.clear()
        self.assertTrue((await self.remote(*three)).endswith(b"550 no\n\0DGiving up on 127.0.0.1.\n\0"))
        self.assertNotIn(b"DATA", script.heard)

    async def test_connection_lost(self) -> None:
        """A lost connection is told, with the danger of a duplicate after the message."""
        script = self.serve(ehlo=CLOSE)
        self.assertEqual(await self.remote(), CONNECTION_DIED + b"(#4.4.2)\n\0")
        del script.replies["ehlo"]
        script.replies["dot"] = CLOSE
        self.assertEqual(await self.remote(), b"r\0" + CONNECTION_DIED + b"Possible duplicate! (#4.4.2)\n\0")

    async def test_partial_last_line(self) -> None:
        """A last line without end gets one."""
        script = self.serve()
        self.assertTrue((await self.remote(message=b"S: x\n\npartial")).startswith(b"r\0K"))
        self.assertEqual(script.body, b"S: x\r\n\r\npartial\r\n")

    async def test_addresses(self) -> None:
        """Addresses are quoted for the wire; an empty sender is empty."""
        script = self.serve()
        await self.remote(b"dest.example", b"", b'"q r"@d', b"a b@D.e", b"nohost")
        self.assertEqual(script.heard[1:5], [
            b"MAIL FROM:<>", b'RCPT TO:<"\\"q r\\""@d>', b'RCPT TO:<"a b"@D.e>', b"RCPT TO:<nohost>"])

    async def test_long_reply(self) -> None:
        """Of a reply of six kilobytes five thousand bytes are reported."""
        self.serve(mail=b"550-" + b"y" * 94 + b"\r\n" + b"550-xxxxxx\r\n" * 600 + b"550 z\r\n")
        report = await self.remote()
        self.assertEqual(len(report.partition(b"said: ")[2]), 5001)

    async def test_timeout(self) -> None:
        """control/timeoutremote bounds the wait for an answer."""
        self.control("timeoutremote", "1")
        self.serve(mail=None)
        self.assertEqual(await self.remote(), CONNECTION_DIED + b"(#4.4.2)\n\0")

    async def test_helohost(self) -> None:
        """control/helohost is the name we give."""
        self.control("helohost", "other.example")
        script = self.serve()
        await self.remote()
        self.assertEqual(script.heard[0], b"EHLO other.example")

    async def test_ipv6_route(self) -> None:
        """A route may lead to an IPv6 address."""
        self.serve(address="::1")
        self.assertTrue((await self.remote()).startswith(b"r\0K::1 accepted message.\n"))


class SetupTests(ProgramCase):
    """Before there is a connection."""

    async def test_too_few_arguments(self) -> None:
        """Three arguments are needed."""
        self.assertEqual(await self.remote(b"d", b"s@x"), b"DI (qmail-remote) was invoked improperly. (#5.3.5)\n\0")

    async def test_no_controls(self) -> None:
        """Without a name of this host the mail waits."""
        (self.home / "control" / "me").unlink()
        self.assertEqual(await self.remote(), b"ZUnable to read control files. (#4.3.0)\n\0")

    async def test_no_home(self) -> None:
        """Without a home the mail waits."""
        self.home = self.home / "nonexistent"
        self.assertEqual(await self.remote(), b"ZUnable to switch to home directory. (#4.3.0)\n\0")

    async def test_nobody_listens(self) -> None:
        """If all connections are refused the mail waits; so it does if a route has no port."""
        for route in (":[127.0.0.1]:1", ":[127.0.0.1]:", ":[127.0.0.1]:abc"):
            self.control("smtproutes", route)
            self.assertEqual(
                await self.remote(), b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\0")

    async def test_back_off(self) -> None:
        """An address that timed out twice lately is not tried."""
        script = self.serve()
        now = int(reactor.seconds()).to_bytes(4, "little")
        record = bytes((127, 0, 0, 1)) + b"\2\0\0\0" + now + bytes(4)
        (self.home / "queue" / "lock" / "tcpto").write_bytes(record + bytes(1008))
        self.assertEqual(
            await self.remote(), b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\0")
        self.assertEqual(script.heard, [])


class DnsTests(ProgramCase):
    """Servers found by the DNS."""

    def setUp(self) -> None:
        """Start a name server."""
        super().setUp()
        self.names = Names()
        server = DnsServer(reactor, self.names)
        self.control("resolvers", f"127.0.0.1:{server.start()}")
        self.addCleanup(server.stop)
        self.names.add("me.test", "A", "127.0.0.1")
        self.names.add("a.test", "A", own_address(77))
        self.names.add("b.test", "A", own_address(78))

    def mx(self, name: str, *exchangers: str) -> None:
        """Let a domain have exchangers."""
        self.names.add(name, "MX", *exchangers)

    async def to(self, host: bytes) -> bytes:
        """Send to a host."""
        return await self.remote(host, b"s@x", b"r@d")

    async def test_exchangers(self) -> None:
        """Exchangers are tried in turn, better ones than this host only; without any, the host itself."""
        self.serve(25, own_address(78))
        accepted = f"r\0K{own_address(78)} accepted message.\nRemote host said: 250 done\n\0".encode()
        self.mx("down.test", "10 a.test.", "20 b.test.")
        self.mx("other.test", "10 b.test.", "20 me.test.")
        self.mx("doubt.test", "10 broken.test.", "20 b.test.")
        self.names.fail("broken.test", "A")
        self.names.fail("broken.test", "AAAA")
        for host in (b"down.test", b"other.test", b"b.test", b"doubt.test"):
            self.assertEqual(await self.to(host), accepted, host)

    async def test_we_are_best(self) -> None:
        """Mail for which this host is the best exchanger is refused."""
        refused = (b"DSorry. Although I'm listed as a best-preference MX or A for that host,\n"
                   b"it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n\0")
        self.mx("one.test", "10 me.test.")
        self.mx("two.test", "10 me.test.", "20 b.test.")
        self.mx("three.test", "10 me.test.", "10 b.test.")
        for host in (b"one.test", b"two.test", b"three.test", b"[127.0.0.1]"):
            self.assertEqual(await self.to(host), refused, host)

    async def test_no_address(self) -> None:
        """A host that takes no mail, or whose exchanger has no address, is refused."""
        self.mx("null.test", "0 .")
        self.mx("nowhere.test", "10 nx.test.")
        for host in (b"null.test", b"nowhere.test"):
            self.assertEqual(
                await self.to(host), b"DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n\0")

    async def test_trouble(self) -> None:
        """If the name server fails the mail waits."""
        self.mx("doubt.test", "10 broken.test.")
        self.names.fail("broken.test", "*")
        for host in (b"doubt.test", b"broken.test"):
            self.assertEqual(
                await self.to(host), b"ZSorry, I couldn't find any host by that name. (#4.1.2)\n\0")

    async def test_no_such_host(self) -> None:
        """A host that does not exist is refused by its name, made safe to show."""
        for host, shown in ((b"nx.test", b"nx.test"), (b"weird\x01host \xc3\xa9", b"weird?host???")):
            self.assertEqual(
                await self.to(host), b"DSorry, I couldn't find any host named " + shown + b". (#5.1.2)\n\0")

    async def test_routes(self) -> None:
        """Routes come before the DNS: the whole host, suffixes, then all; an empty one means the DNS."""
        script = self.serve()
        port = (self.home / "control" / "smtproutes").read_text().strip().rpartition(":")[2]
        self.control("smtproutes", f"two.test:\n.two.test:me.test:{port}\n:[127.0.77.9]:1")
        self.assertEqual(await self.to(b"two.test"),
                         b"DSorry, I couldn't find any host named two.test. (#5.1.2)\n\0")
        self.assertTrue((await self.to(b"a.two.test")).startswith(b"r\0K127.0.0.1 "))
        self.assertEqual(len(script.heard), 5)
        self.assertEqual(
            await self.to(b"any"), b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\0")

    async def test_missing_relay(self) -> None:
        """A relay that does not exist is told by the relay's name."""
        self.control("smtproutes", ":relay.test:2525")
        self.assertEqual(await self.to(b"any"),
                         b"DSorry, I couldn't find any host named relay.test. (#5.1.2)\n\0")


class SpawnProgram(ProcessProtocol):
    """One run of qmail-rspawn."""

    def __init__(self) -> None:
        """Begin with no reports."""
        self.ended: Deferred[Any] = Deferred()
        self.output = b""
        self.errors = b""
        self._wanted: tuple[bytes, Deferred[None]] | None = None

    def outReceived(self, data: bytes) -> None:
        """Keep reports, and tell who waits for one."""
        self.output += data
        if self._wanted is not None and self._wanted[0] in self.output:
            wanted, self._wanted = self._wanted[1], None
            wanted.callback(None)

    def errReceived(self, data: bytes) -> None:
        """Keep complaints."""
        self.errors += data

    def until(self, text: bytes) -> Deferred[None]:
        """Wait until something is written."""
        waiting: Deferred[None] = Deferred()
        self._wanted = (text, waiting)
        self.outReceived(b"")
        return waiting

    def processEnded(self, reason: Any) -> None:
        """Tell how it ended."""
        self.ended.callback(reason.value.exitCode)


class SpawnerTests(ProgramCase):
    """qmail-rspawn in a home that belongs to one user."""

    def setUp(self) -> None:
        """Make a queue with one message."""
        super().setUp()
        (self.home / "conf").mkdir()
        (self.home / "conf" / "conf-users").write_text((pwd.getpwuid(os.getuid()).pw_name + "\n") * 8)
        (self.home / "conf" / "conf-groups").write_text((grp.getgrgid(os.getgid()).gr_name + "\n") * 2)
        (self.home / "queue" / "mess" / "1").mkdir(parents=True)
        (self.home / "queue" / "mess" / "1" / "24").write_bytes(MESSAGE)
        (self.home / "queue" / "lock" / "tcpto").write_bytes(b"\1" * 1024)
        self.environment = {"QMAILHOME": str(self.home.resolve()), "PYTHONPATH": ROOT,
                            "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ.get("PATH", "/usr/bin:/bin")}
        self.report = b"K127.0.0.1 accepted message.\nRemote host said: 250 done\n\0"

    async def test_program(self) -> None:
        """Orders come on descriptor 0, reports go to descriptor 1; at the end of orders it finishes and ends."""
        self.serve()
        program = SpawnProgram()
        words = [sys.executable, "-m", "qtwisted.deliver.rspawn"]
        process = reactor.spawnProcess(program, sys.executable, words, self.environment)
        await program.until(b"x")
        self.assertEqual((self.home / "queue" / "lock" / "tcpto").read_bytes(), bytes(1024))
        process.write(b"\5" + b"1/24\0s@x\0r@d\0" + b"\6" + b"1/25\0s@x\0r@d\0" + b"\7" + b"1/24\0s@x\0r2@d\0")
        process.closeStdin()
        self.assertEqual((await program.ended, program.errors), (0, b""))
        self.assertEqual(program.output[:1], b"x")
        for report in (b"\5" + self.report, b"\7" + self.report,
                       b"\6Zqmail-spawn unable to open message. (#4.3.0)\n\0"):
            self.assertIn(report, program.output)

    async def test_no_home(self) -> None:
        """Without a queue it cannot start."""
        self.environment["QMAILHOME"] = str(self.home / "nonexistent")
        program = SpawnProgram()
        words = [sys.executable, "-m", "qtwisted.deliver.rspawn"]
        reactor.spawnProcess(program, sys.executable, words, self.environment)
        self.assertEqual((await program.ended, program.output), (111, b""))

    async def test_role(self) -> None:
        """As a role it talks on one socket, and ends when that is closed, whatever is under way."""
        script = self.serve()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        program = SpawnProgram()
        start = str(Path(ROOT) / "qtwisted" / "system" / "start.py")
        words = [sys.executable, "-P", "-s", start, "rspawn", f"home={self.home.resolve()}", f"parent={os.getpid()}",
                 "fd.orders=3", "fd.log=2"]
        fds = {0: "w", 1: "r", 2: "r", 3: theirs.fileno()}
        reactor.spawnProcess(program, sys.executable, words, self.environment, childFDs=fds)
        theirs.close()
        talk = _Talk(ours)
        reactor.addReader(talk)
        self.addCleanup(talk.close)
        await talk.until(b"x")
        ours.send(b"\1" + b"1/24\0s@x\0r@d\0")
        await talk.until(b"x\1" + self.report)
        script.replies["dot"] = None
        ours.send(b"\2" + b"1/24\0s@x\0r@d\0")
        talk.close()
        self.assertEqual((await program.ended, program.errors), (0, b""))


class _Talk:
    """Reads what comes on a socket."""

    def __init__(self, end: socket.socket) -> None:
        """Read from here."""
        self._end = end
        self._heard = b""
        self._wanted: tuple[bytes, Deferred[None]] | None = None

    def fileno(self) -> int:
        """Say which descriptor this is."""
        return self._end.fileno()

    def logPrefix(self) -> str:
        """Have a name."""
        return "talk"

    def doRead(self) -> None:
        """Read."""
        self._heard += self._end.recv(65536)
        self._tell()

    def until(self, text: bytes) -> Deferred[None]:
        """Wait until all that came is this."""
        waiting: Deferred[None] = Deferred()
        self._wanted = (text, waiting)
        self._tell()
        return waiting

    def _tell(self) -> None:
        """Tell who waits."""
        if self._wanted is not None and self._wanted[0] == self._heard:
            wanted, self._wanted = self._wanted[1], None
            wanted.callback(None)

    def connectionLost(self, reason: Any) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close the socket."""
        if self._end.fileno() >= 0:
            reactor.removeReader(self)
            self._end.close()
