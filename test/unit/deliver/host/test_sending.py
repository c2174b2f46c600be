"""Tests: qtwisted.deliver.host.sending, with servers in memory; the first one is the example of the documentation."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import ControlError
from qtwisted.config.fields import RemoteConfig
from qtwisted.deliver.host.sending import Remote
from qtwisted.deliver.host.session import Session
from qtwisted.deliver.host.tcpto import Tcpto
from qtwisted.wire.smtp_client import SmtpClient, Transaction
from test.kit.resolver import BROKEN, TableResolver
from test.kit.smtp_peer import CLOSE, NO_FILES, SILENT, Network, Script

MESSAGE = b"Subject: x\n\nhi\n.dot\n..\n"


class ExampleTests(SynchronousTestCase):
    """An application sends mail without a queue."""

    def test_remote(self) -> None:
        """The servers of a host are found and given the message."""
        reactor: Any = Network()
        reactor.hosts["192.0.2.1"] = Script()
        resolver = TableResolver({b"example.org": [(10, b"mx.example.org")]}, {b"mx.example.org": ["192.0.2.1"]})

        config = RemoteConfig(b"client.example", {}, timeoutconnect=60, timeoutremote=1200)
        remote = Remote(reactor, resolver, lambda: config)
        body = io.BytesIO(b"To: you\n\nhi\n")
        sending = remote.deliver(b"example.org", b"me@example.com", [b"you@example.org"], body)

        reactor.settle()
        report = self.successResultOf(sending)
        self.assertEqual(report.message, b"K192.0.2.1 accepted message.\nRemote host said: 250 done\n")
        self.assertEqual(report.recipients, (b"r",))

    def test_session(self) -> None:
        """One server is given two messages over one connection."""
        reactor: Any = Network()
        reactor.hosts["192.0.2.1"] = script = Script()

        async def send_two() -> list[bool]:
            """Send them."""
            endpoint = TCP4ClientEndpoint(reactor, "192.0.2.1", 587)
            session = await connectProtocol(endpoint, Session(reactor, SmtpClient(b"client.example")))
            accepted = []
            for recipient in (b"you@example.org", b"them@example.org"):
                transaction = Transaction(b"me@example.com", (recipient,))
                outcome = await session.send(transaction, io.BytesIO(b"Subject: hi\n\nhello\n"))
                accepted.append(outcome.accepted)
            session.quit()
            return accepted

        sending = Deferred.fromCoroutine(send_two())
        reactor.settle()
        self.assertEqual(self.successResultOf(sending), [True, True])
        self.assertEqual([line.split(b" ")[0] for line in script.heard],
                         [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"MAIL", b"RCPT", b"DATA", b"QUIT"])


class SendingCase(SynchronousTestCase):
    """Sends messages through a network in memory."""

    def setUp(self) -> None:
        """Begin with one server, to which all mail is routed."""
        self.reactor: Any = Network()
        self.routes: dict[bytes, bytes] = {b"": b"[192.0.2.1]:2525"}
        self.timeoutremote = 1200
        self.resolver = TableResolver()
        self.remote = Remote(self.reactor, self.resolver, self.config, is_ours=lambda address: address == "127.0.0.1",
                             choose=lambda below: 0)

    def config(self) -> RemoteConfig:
        """Give the settings."""
        return RemoteConfig(b"mx.example.org", self.routes, 60, self.timeoutremote)

    def serve(self, **replies: Any) -> Script:
        """Let the server say something."""
        script = Script(**replies)
        self.reactor.hosts["192.0.2.1"] = script
        return script

    def begin(self, *recipients: bytes, host: bytes = b"dest.example", sender: bytes = b"s@x",
              message: bytes = MESSAGE) -> Deferred[Any]:
        """Begin to send a message."""
        sending = self.remote.deliver(host, sender, recipients or [b"r@d"], io.BytesIO(message))
        self.reactor.settle()
        return sending

    def send(self, *recipients: bytes, **more: Any) -> bytes:
        """Send a message, and give the report."""
        return self.successResultOf(self.begin(*recipients, **more)).wire()


class ReportTests(SendingCase):
    """The rows of qmail-remote that need a server."""

    def test_accepted(self) -> None:
        """A message that is accepted goes out whole, and QUIT follows."""
        script = self.serve()
        self.assertEqual(self.send(), b"r\0K192.0.2.1 accepted message.\nRemote host said: 250 done\n\0")
        self.assertEqual(
            script.heard, [b"EHLO mx.example.org", b"MAIL FROM:<s@x>", b"RCPT TO:<r@d>", b"DATA", b"QUIT"])
        self.assertEqual(script.body, b"Subject: x\r\n\r\nhi\r\n..dot\r\n...\r\n")
        self.assertEqual(self.reactor.tried, [("192.0.2.1", 2525)])

    def test_greeting(self) -> None:
        """A greeting that is none puts the mail off, whatever its code, and no other server is tried."""
        for greeting, said in (
            (b"554 go away\r\n", b"554 go away\n"),
            (b"421-busy\r\n421 later\0\r\n", b"421-busy\n421 later?\n"),
            (b"SSH-2.0\r\n", b"SSH-2.0\n"),
            (b"\r\n", b"\n"),
            (b"\0\1\xff\n", b"?\1\xff\n"),
        ):
            script = self.serve(greeting=greeting)
            self.assertEqual(
                self.send(), b"ZConnected to 192.0.2.1 but greeting failed.\nRemote host said: " + said + b"\0")
            self.assertEqual(script.heard, [b"QUIT"])

    def test_hello(self) -> None:
        """EHLO refused means HELO; HELO refused puts the mail off."""
        script = self.serve(ehlo=b"502 what\r\n", helo=b"250 ok\r\n")
        self.assertTrue(self.send().startswith(b"r\0K"))
        self.assertEqual(script.heard[:2], [b"EHLO mx.example.org", b"HELO mx.example.org"])
        self.serve(ehlo=b"502 what\r\n", helo=b"550 no\r\n")
        self.assertEqual(
            self.send(), b"ZConnected to 192.0.2.1 but my name was rejected.\nRemote host said: 550 no\n\0")

    def test_sender(self) -> None:
        """A refused sender refuses the mail; one put off puts it off."""
        for code, letter in ((b"550", b"D"), (b"450", b"Z")):
            self.serve(mail=code + b" no\r\n")
            rejected = b"Connected to 192.0.2.1 but sender was rejected.\nRemote host said: " + code + b" no\n\0"
            self.assertEqual(self.send(), letter + rejected)
        self.serve(mail=b"530 5.7.0 log in\r\n")
        self.assertTrue(self.send().startswith(b"DConnected"))

    def test_recipients(self) -> None:
        """Each recipient has its own part, in order."""
        self.serve(rcpt=[b"550 no such\r\n", b"450 later\r\n", b"250 ok\r\n"])
        self.assertEqual(
            self.send(b"1@d", b"2@d", b"3@d"),
            b"h192.0.2.1 does not like recipient.\nRemote host said: 550 no such\n\0"
            b"s192.0.2.1 does not like recipient.\nRemote host said: 450 later\n\0"
            b"r\0K192.0.2.1 accepted message.\nRemote host said: 250 done\n\0")

    def test_no_recipient(self) -> None:
        """With no recipient accepted, DATA is not said."""
        script = self.serve(rcpt=[b"550 no\r\n", b"450 later\r\n"])
        report = self.send(b"1@d", b"2@d")
        self.assertTrue(report.endswith(b"Remote host said: 450 later\n\0DGiving up on 192.0.2.1.\n\0"))
        self.assertNotIn(b"DATA", script.heard)

    def test_data_and_message(self) -> None:
        """DATA and the message can be refused or put off."""
        for step, words in (("data", b" failed on DATA command.\n"), ("dot", b" failed after I sent the message.\n")):
            for code, letter in ((b"451", b"Z"), (b"554", b"D")):
                self.serve(**{step: code + b" no\r\n"})
                self.assertEqual(
                    self.send(), b"r\0" + letter + b"192.0.2.1" + words + b"Remote host said: " + code + b" no\n\0")

    def test_connection_lost(self) -> None:
        """A lost connection puts the mail off, with a warning once the message is out."""
        died = b"ZConnected to 192.0.2.1 but connection died. (#4.4.2)\n\0"
        for step in ("greeting", "ehlo", "mail", "rcpt"):
            self.serve(**{step: CLOSE})
            self.assertEqual(self.send(), died, step)
        self.serve(data=CLOSE)
        self.assertEqual(self.send(), b"r\0" + died)
        self.serve(dot=CLOSE)
        self.assertEqual(
            self.send(), b"r\0ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n\0")

    def test_long_reply(self) -> None:
        """Of a reply 5000 bytes are reported."""
        self.serve(mail=b"550-" + b"x" * 94 + b"\r\n" + b"550-y\r\n" * 1000 + b"550 z\r\n")
        report = self.send()
        start = b"DConnected to 192.0.2.1 but sender was rejected.\nRemote host said: "
        self.assertTrue(report.startswith(start + b"550-xxx"))
        self.assertEqual(len(report), len(start) + 5000 + 1)

    def test_unspeakable_addresses(self) -> None:
        """An address that would be read as something else is refused before anybody hears it."""
        self.serve()
        for bad in (b'"a\nRCPT TO:<b@c>"@d', b"a@b\r\nDATA", b"a@b> X=<"):
            self.assertEqual(self.send(bad), b"DSorry, that address cannot be sent by SMTP. (#5.1.3)\n\0")
            self.assertEqual(
                self.send(sender=bad), b"DSorry, the sender's address cannot be sent by SMTP. (#5.1.7)\n\0")
        self.assertEqual(self.reactor.tried, [])

    def test_unreadable_message(self) -> None:
        """A message that cannot be read is not sent in part; the connection is dropped."""
        class Broken(io.BytesIO):
            """Fails after its first bytes."""

            def read(self, size: int | None = -1, /) -> bytes:
                """Read, or fail."""
                if self.tell():
                    raise OSError(5, "broken")
                return super().read(size)

        script = self.serve()
        sending = self.remote.deliver(b"d", b"s@x", [b"r@d"], Broken(b"x" * 5))
        self.reactor.settle()
        self.assertEqual(self.successResultOf(sending).wire(), b"r\0ZUnable to read message. (#4.3.0)\n\0")
        self.assertTrue(self.reactor.lines[0].aborted)
        self.assertNotIn(b"QUIT", script.heard)

    def test_large_message(self) -> None:
        """A message of any size goes out whole, piece by piece."""
        script = self.serve()
        message = b"".join(b".%d\n" % n for n in range(100000))
        self.assertTrue(self.send(message=message).startswith(b"r\0K"))
        self.assertEqual(script.body.replace(b"\r\n.", b"\n").replace(b"\r\n", b"\n")[1:], message)

    def test_no_controls(self) -> None:
        """Without settings the mail waits."""
        def broken() -> RemoteConfig:
            """Find no name of this host."""
            raise ControlError("control/me", None, "does not exist")

        remote = Remote(self.reactor, self.resolver, broken)
        sending = remote.deliver(b"d", b"s@x", [b"r@d"], io.BytesIO())
        self.assertEqual(self.successResultOf(sending).wire(), b"ZUnable to read control files. (#4.3.0)\n\0")

    def test_all_closed(self) -> None:
        """One can wait until the last QUIT is said."""
        script = self.serve()
        sending = self.remote.deliver(b"d", b"s@x", [b"r@d"], io.BytesIO())

        def reported(report: Any) -> Any:
            """QUIT is not said yet."""
            self.assertNotIn(b"QUIT", script.heard)
            return self.remote.all_closed()

        sending.addCallback(reported)
        self.reactor.settle()
        self.successResultOf(sending)
        self.assertIn(b"QUIT", script.heard)


class WayTests(SendingCase):
    """Which servers are tried."""

    def setUp(self) -> None:
        """Let the DNS decide."""
        super().setUp()
        self.routes.clear()
        hosts = {
            b"a": ["192.0.2.1"], b"b": ["192.0.2.2"], b"both": ["192.0.2.1", "2001:db8::1"], b"me": ["127.0.0.1"],
            b"relay.test": ["192.0.2.9"], b"two.test": ["192.0.2.1"], b"a.two.test": ["192.0.2.1"]}
        self.remote = Remote(
            self.reactor, TableResolver({b"ab": [(10, b"a"), (20, b"b")], b"bad": BROKEN}, hosts), self.config,
            is_ours=lambda address: address == "127.0.0.1", choose=lambda below: 0)

    def test_second_if_first_is_down(self) -> None:
        """If the best exchanger is down the next is tried."""
        self.reactor.hosts["192.0.2.2"] = Script()
        self.assertTrue(self.send(host=b"ab").startswith(b"r\0K192.0.2.2 "))
        self.assertEqual(self.reactor.tried, [("192.0.2.1", 25), ("192.0.2.2", 25)])

    def test_second_family(self) -> None:
        """If one family leads nowhere the other is tried within a minute."""
        self.reactor.hosts["192.0.2.1"] = SILENT
        self.reactor.hosts["2001:db8::1"] = Script()
        sending = self.begin(host=b"both")
        self.reactor.advance(60)
        self.reactor.settle()
        self.assertTrue(self.successResultOf(sending).wire().startswith(b"r\0K2001:db8::1 accepted message."))

    def test_all_down(self) -> None:
        """If all are down the mail waits."""
        self.assertEqual(
            self.send(host=b"ab"), b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\0")

    def test_no_descriptors(self) -> None:
        """If this host has no more descriptors the mail waits, and the next address is not tried."""
        self.reactor.hosts["192.0.2.1"] = NO_FILES
        self.assertEqual(self.send(host=b"ab"), b"ZSystem resources temporarily unavailable. (#4.3.0)\n\0")
        self.assertEqual(len(self.reactor.tried), 1)

    def test_no_descriptors_to_look(self) -> None:
        """If this host cannot find out its own addresses the mail waits."""
        def broken(address: str) -> bool:
            """Have no descriptor."""
            raise OSError(24, "too many open files")

        remote = Remote(self.reactor, TableResolver({}, {b"a": ["192.0.2.1"]}), self.config, is_ours=broken)
        sending = remote.deliver(b"a", b"s@x", [b"r@d"], io.BytesIO())
        self.assertEqual(self.successResultOf(sending).message,
                         b"ZSystem resources temporarily unavailable. (#4.3.0)\n")

    def test_black_holes(self) -> None:
        """Twenty addresses that do not answer take two minutes together, not twenty."""
        hosts = {b"far": [f"192.0.2.{n}" for n in range(100, 120)]}
        for address in hosts[b"far"]:
            self.reactor.hosts[address] = SILENT
        remote = Remote(self.reactor, TableResolver({}, hosts), self.config, is_ours=lambda address: False)
        sending = remote.deliver(b"far", b"s@x", [b"r@d"], io.BytesIO())
        self.reactor.pump([1] * 119)
        self.assertNoResult(sending)
        self.reactor.pump([1] * 2)
        self.assertEqual(self.successResultOf(sending).message,
                         b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n")

    def test_routes(self) -> None:
        """A route decides before the DNS, and an empty one leaves it to the DNS."""
        self.routes.update({b"two.test": b"", b".two.test": b"relay.test:2525", b"": b"relay.test"})
        for host, tried in ((b"two.test", ("192.0.2.1", 25)), (b"a.two.test", ("192.0.2.9", 2525)),
                            (b"Any", ("192.0.2.9", 25))):
            self.send(host=host)
            self.assertEqual(self.reactor.tried.pop(), tried)

    def test_route_to_this_host(self) -> None:
        """A relay may be this host; a host may not."""
        self.routes[b"r"] = b"[127.0.0.1]:2525"
        self.send(host=b"r")
        self.assertEqual(self.reactor.tried, [("127.0.0.1", 2525)])
        self.assertTrue(self.send(host=b"me").startswith(b"DSorry. Although I'm listed"))

    def test_route_to_ipv6(self) -> None:
        """A relay may be an IPv6 address."""
        self.routes[b"r"] = b"[2001:db8::9]:2525"
        self.send(host=b"r")
        self.assertEqual(self.reactor.tried, [("2001:db8::9", 2525)])

    def test_addresses_that_do_not_answer(self) -> None:
        """After two attempts in vain an address is skipped; one that was hardly tried is not blamed."""
        path = Path(self.mktemp())
        path.write_bytes(bytes(1024))
        tcpto = Tcpto(str(path), self.reactor.seconds)
        self.reactor.advance(1_000_000)
        addresses = [f"192.0.2.{n}" for n in range(100, 107)]
        for address in addresses:
            self.reactor.hosts[address] = SILENT
        remote = Remote(self.reactor, TableResolver({}, {b"far": addresses}), self.config, tcpto,
                        is_ours=lambda address: False)
        tried = []
        for _ in range(3):
            self.reactor.tried.clear()
            sending = remote.deliver(b"far", b"s@x", [b"r@d"], io.BytesIO())
            self.reactor.pump([10] * 20)
            self.assertEqual(self.successResultOf(sending).message[:1], b"Z")
            tried.append([address for address, _ in self.reactor.tried])
        self.assertEqual(tried, [addresses[:4], addresses[:4], addresses[4:]])
        self.reactor.hosts[addresses[4]] = Script()
        remote.deliver(b"far", b"s@x", [b"r@d"], io.BytesIO())
        self.reactor.settle()
        self.assertFalse(tcpto.advises_against(addresses[4], 0))
