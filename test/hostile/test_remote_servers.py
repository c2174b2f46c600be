"""Servers that misbehave: whatever they do, mail is neither lost nor refused wrongly, and nobody waits for ever."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor as real_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from qtwisted.config.fields import RemoteConfig
from qtwisted.deliver.host.reports import combine
from qtwisted.deliver.host.sending import Remote
from qtwisted.model.address import quote
from qtwisted.wire.smtp_client import speakable
from test.kit.resolver import TableResolver
from test.kit.smtp_peer import CLOSE, NO_ROUTE, RESET, SILENT, Network, Script, ScriptedServer

MESSAGE = b"Subject: x\n\nhi\n"
STEPS = ("greeting", "ehlo", "mail", "rcpt", "data", "dot")


class ServerCase(SynchronousTestCase):
    """Sends one message to a scripted server in memory, and looks at what qmail-send would be told."""

    def begin(self, window: int | None = None, message: bytes = MESSAGE, recipients: tuple[bytes, ...] = (b"r@d",),
              sender: bytes = b"s@x", **replies: Any) -> Deferred[Any]:
        """Begin to send."""
        self.reactor: Any = Network()
        self.script = self.reactor.hosts["192.0.2.1"] = Script(**replies)
        if window is not None:
            self.reactor.windows["192.0.2.1"] = window
        config = RemoteConfig(b"mx.example.org", {b"": b"[192.0.2.1]"}, 60, 1200)
        remote = Remote(self.reactor, TableResolver(), lambda: config)
        sending = remote.deliver(b"d", sender, recipients, io.BytesIO(message))
        self.reactor.settle()
        return sending

    def wire(self, **more: Any) -> bytes:
        """Send, and give the whole report."""
        return self.successResultOf(self.begin(**more)).wire()

    def told(self, **more: Any) -> bytes:
        """Send, and give what qmail-send is told."""
        return combine(self.wire(**more))

    def told_after(self, seconds: int, **more: Any) -> bytes:
        """Send to a server that hangs, and give what qmail-send is told within so many seconds."""
        sending = self.begin(**more)
        self.assertNoResult(sending)
        for _ in range(seconds):
            self.reactor.advance(1)
        self.reactor.settle()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        return combine(self.successResultOf(sending).wire())


class HangTests(ServerCase):
    """Servers that go silent."""

    def test_hang(self) -> None:
        """A server that hangs puts the mail off in time, with a warning where the message may have been taken."""
        died = b"ZConnected to 192.0.2.1 but connection died. (#4.4.2)\n"
        for step in STEPS[:-1]:
            self.assertEqual(self.told_after(300, **{step: None}), died, step)
        self.assertEqual(self.told_after(300, window=5000, message=b"x" * 100000), died)
        self.assertEqual(self.told_after(600, dot=None),
                         b"ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n")

    def test_hang_at_quit(self) -> None:
        """A server that hangs at QUIT keeps nobody."""
        self.assertTrue(self.told(quit=None).startswith(b"K"))

    def test_late_reply(self) -> None:
        """After the message a reply counts within ten minutes, and not later."""
        for second, letter in ((599, b"K"), (601, b"Z")):
            sending = self.begin(dot=None)
            self.reactor.advance(second)
            if not sending.called:
                self.reactor.lines[0].say(b"250 at last\r\n")
            self.assertEqual(combine(self.successResultOf(sending).wire())[:1], letter)

    def test_slow_reader(self) -> None:
        """A server that reads a byte a second of ten megabytes gives back the slot."""
        sending = self.begin(window=100, message=b"x" * 10_000_000)
        for _ in range(300):
            self.reactor.advance(1)
            self.reactor.lines[0].open_window(1)
        self.assertEqual(self.successResultOf(sending).message[:1], b"Z")


class GreetingTests(ServerCase):
    """Greetings of all kinds."""

    def test_bad_greetings(self) -> None:
        """No greeting, however wrong, refuses the mail."""
        for greeting in (b"421 busy\r\n", b"554 go away\r\n", b"garbage\r\n", b"\r\n", bytes(range(256)) + b"\n",
                         b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", b"2" * 1_000_000 + b"\r\n",
                         b"220 " + b"x" * 1_000_000 + b"\r\n", b"250 ok\r\n"):
            self.assertEqual(self.told(greeting=greeting)[:1], b"Z", greeting[:20])

    def test_long_greetings(self) -> None:
        """Greetings and EHLO replies may have a hundred lines."""
        lines = b"".join(b"%d-line\r\n" % code for code in [220] * 99) + b"220 server\r\n"
        self.assertEqual(self.told(greeting=lines, ehlo=lines.replace(b"220", b"250"))[:1], b"K")

    def test_hello(self) -> None:
        """A server without EHLO gets HELO; one that refuses HELO puts the mail off."""
        for code in (b"500", b"502"):
            self.assertEqual(self.told(ehlo=code + b" what\r\n")[:1], b"K")
            self.assertTrue(self.told(ehlo=code + b" what\r\n", helo=b"500 no\r\n").startswith(
                b"ZConnected to 192.0.2.1 but my name was rejected.\n"))


class CodeTests(ServerCase):
    """Codes of all kinds."""

    def test_recipients(self) -> None:
        """Each of three recipients has its own result, and one accepted is enough for the message."""
        report = self.wire(recipients=(b"1@d", b"2@d", b"3@d"), rcpt=[b"450 x\r\n", b"550 x\r\n", b"250 x\r\n"])
        self.assertEqual([part[:1] for part in report.split(b"\0")], [b"s", b"h", b"r", b"K", b""])

    def test_data_and_message(self) -> None:
        """4yz puts off, 5yz refuses."""
        for step, later, never in (("data", b"451 x\r\n", b"554 x\r\n"), ("dot", b"452 x\r\n", b"554 x\r\n")):
            self.assertEqual(self.told(**{step: later})[:1], b"Z")
            self.assertEqual(self.told(**{step: never})[:1], b"D")

    def test_strange_codes_after_the_message(self) -> None:
        """Only 2yz is success, only 5yz refuses."""
        for reply in (b"000 x", b"199 x", b"354 x", b"600 x", b"999 x", b"2x0 x", b"25", b"", b"-250 x", b" 250 x"):
            self.assertEqual(self.told(dot=reply + b"\r\n")[:1], b"Z", reply)
        for reply in (b"200 x", b"299 x", b"250", b"250 "):
            self.assertEqual(self.told(dot=reply + b"\r\n")[:1], b"K", reply)

    def test_login_wanted(self) -> None:
        """A server that wants a login refuses the mail."""
        self.assertEqual(self.told(mail=b"530 5.7.0 log in\r\n")[:1], b"D")

    def test_bare_line_feeds(self) -> None:
        """LF alone ends a reply."""
        self.assertEqual(self.told(greeting=b"220 s\n", ehlo=b"250-s\n250 x\n", mail=b"250 x\n", rcpt=b"250 x\n",
                                   data=b"354 x\n", dot=b"250 x\n")[:1], b"K")

    def test_bytes_beyond_ascii(self) -> None:
        """Such bytes in the message go out; an address of that kind is refused if the server cannot take it."""
        self.assertEqual(self.told(message=b"caf\xe9\n")[:1], b"K")
        self.assertEqual(self.script.body, b"caf\xe9\r\n")
        self.assertIn(b"(#5.6.7)", self.told(recipients=("jos\xe9@d".encode(),)))
        self.assertEqual(self.told(recipients=("jos\xe9@d".encode(),))[:1], b"D")


class TurnTests(ServerCase):
    """Servers that speak out of turn."""

    def test_all_at_once(self) -> None:
        """A server that says everything in advance has accepted nothing."""
        talk = b"220 s\r\n250 e\r\n250 m\r\n250 r\r\n354 d\r\n250 accepted\r\n"
        self.assertEqual(self.told(greeting=talk)[:1], b"Z")
        self.assertEqual(self.script.heard, [])

    def test_extra_replies(self) -> None:
        """An extra reply at any step puts the mail off, and is never taken for the next recipient's."""
        for step in STEPS[:-1]:
            usual = {"greeting": b"220 s\r\n", "data": b"354 x\r\n"}.get(step, b"250 x\r\n")
            for extra in (b"250 extra\r\n", b"550 extra\r\n", b"2", b"\r\n"):
                report = self.wire(recipients=(b"1@d", b"2@d"), **{step: usual + extra})
                self.assertNotIn(b"\0K", report)
                self.assertEqual(combine(report)[:1], b"Z", (step, extra))

    def test_reply_before_the_dot(self) -> None:
        """A server that accepts or refuses before the message is sent has not decided."""
        for reply in (b"250 early\r\n", b"550 early\r\n"):
            sending = self.begin(window=100, message=b"x" * 100000)
            self.reactor.lines[0].say(reply)
            self.assertEqual(self.successResultOf(sending).message[:1], b"Z")

    def test_farewell_with_the_last_reply(self) -> None:
        """What follows the last reply changes nothing."""
        self.assertEqual(self.told(dot=b"250 ok\r\n421 bye\r\n" + CLOSE)[:1], b"K")


class AddressTests(SynchronousTestCase):
    """Addresses on the wire."""

    @settings(max_examples=500, derandomize=True, database=None, deadline=None)
    @given(st.binary(min_size=1, max_size=20).filter(lambda local: not set(b"\r\n\0") & set(local)))
    def test_same_mailbox(self, local: bytes) -> None:
        """Whatever a local part holds, the server reads the same local part (RFC 5321 4.1.2)."""
        address = local + b"@example.org"
        self.assertTrue(speakable(address))
        path = b"<" + quote(address) + b">"
        self.assertEqual(_read_path(path), address)


def _read_path(path: bytes) -> bytes:
    """Read a path as a server does: quotes and backslashes off, up to the closing bracket."""
    text, at, quoted = b"", 1, False
    while quoted or path[at : at + 1] != b">":
        letter = path[at : at + 1]
        if letter == b'"':
            quoted = not quoted
        elif letter == b"\\":
            at += 1
            text += path[at : at + 1]
        else:
            text += letter
        at += 1
    assert at == len(path) - 1
    return text


class FamilyTests(SynchronousTestCase):
    """Hosts with addresses of both families."""

    def test_one_family_unreachable(self) -> None:
        """If one family leads nowhere the other gets the mail within a minute."""
        for dead in (NO_ROUTE, SILENT):
            for addresses in (["192.0.2.1", "2001:db8::1"], ["2001:db8::1", "192.0.2.1"]):
                network: Any = Network()
                network.hosts = {addresses[0]: dead, addresses[1]: Script()}
                config = RemoteConfig(b"h", {}, 60, 1200)
                remote = Remote(network, TableResolver({}, {b"d": addresses}), lambda config=config: config,
                                is_ours=lambda address: False)
                sending = remote.deliver(b"d", b"s@x", [b"r@d"], io.BytesIO(MESSAGE))
                network.settle()
                network.advance(60)
                network.settle()
                self.assertTrue(self.successResultOf(sending).message.startswith(b"K" + addresses[1].encode()))


class LoopbackTests(TestCase):
    """Servers on real connections."""

    timeout = 30

    async def deliver(self, message: bytes = MESSAGE, **replies: Any) -> bytes:
        """Send a message to a scripted server."""
        reactor: Any = real_reactor
        server = ScriptedServer(reactor, Script(**replies))
        port = server.listen()
        self.addCleanup(port.stopListening)
        config = RemoteConfig(b"h", {b"": b"[127.0.0.1]:%d" % port.getHost().port}, 5, 5)
        remote = Remote(reactor, TableResolver(), lambda: config)
        report = await remote.deliver(b"d", b"s@x", [b"r@d"], io.BytesIO(message))
        await remote.all_closed()
        self.script = server.script
        for connection in server.connections:
            connection.transport.abortConnection()
        return report.wire()

    async def test_reset_after_acceptance(self) -> None:
        """A server that accepts and resets at once has accepted."""
        self.assertTrue((await self.deliver(dot=b"250 ok\r\n" + RESET)).startswith(b"r\0K127.0.0.1 accepted"))

    async def test_reset_in_the_message(self) -> None:
        """A server that resets in the middle of the message has not."""
        report = await self.deliver(message=b"x" * 10_000_000, data=b"354 go\r\n" + RESET)
        self.assertEqual(report, b"r\0ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n\0")

    async def test_large_message(self) -> None:
        """Ten megabytes arrive whole."""
        lines = b"".join(b".line %d\n" % n for n in range(700_000))
        self.assertTrue((await self.deliver(message=lines)).startswith(b"r\0K"))
        self.assertEqual(self.script.body, b"." + lines.replace(b"\n.", b"\r\n..")[:-1] + b"\r\n")
