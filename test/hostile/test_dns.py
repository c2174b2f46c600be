"""Name servers that misbehave on real sockets, over loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.message
from twisted.internet import reactor as any_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import TestCase

from qtwisted.config.control import Control
from qtwisted.trust import dns as our_dns
from qtwisted.trust.dns import LookupFailed, Mx, NoSuchName, Resolver
from qtwisted.trust.nameservers import Nameserver, nameservers
from test.kit.dnsserver import Beginning, DnsServer, RawBytes
from test.kit.names import Names, Question, records

reactor: Any = any_reactor
GOOD = [Mx(10, b"mail.example")]


class ServerCase(TestCase):
    """Has a name server and a resolver that asks it."""

    timeout = 60
    address = "127.0.0.1"
    tcp = True

    def setUp(self) -> None:
        """Start the server."""
        self.names = Names()
        self.server = DnsServer(reactor, self.names, self.address, self.tcp)
        self.server.start()
        self.addCleanup(self.server.stop)
        self.servers = [Nameserver(self.address, self.server.port)]
        self.resolver = Resolver(reactor, lambda: self.servers)

    def good(self, question: Question) -> bytes:
        """The right answer to a question about example.org."""
        return question.response(records("example.org", "MX", "10 mail.example.")).to_wire()

    def truncated(self, question: Question) -> bytes:
        """The answer that there is more than fits."""
        wire = bytearray(question.response().to_wire())
        wire[2] |= 2
        return bytes(wire)

    async def check_failed(self) -> None:
        """The question gets no proper answer."""
        await self.assertFailure(self.resolver.mx(b"example.org"), LookupFailed)


class UdpTests(ServerCase):
    """Answers by UDP."""

    other_addresses = ("127.0.0.1", "127.0.0.2")

    async def test_answer(self) -> None:
        """An honest server answers, with an EDNS question."""
        self.names.special("example.org", "MX", lambda question: self.good(question))
        self.assertEqual(await self.resolver.mx(b"example.org"), GOOD)
        await self.assertFailure(self.resolver.mx(b"nx.example"), NoSuchName)

    async def test_forged_answers_first(self) -> None:
        """Answers with a wrong number or a wrong question are ignored, and the right one still counts."""
        def forge(question: Question) -> list[bytes]:
            """Answer wrongly, wrongly and rightly."""
            bad = question.response(records("example.org", "MX", "1 evil.example.")).to_wire()
            other = bytearray(bad)
            other[13] ^= 1
            return [bytes((bad[0] ^ 1,)) + bad[1:], bytes(other), b"", b"noise", self.good(question)]

        self.names.special("example.org", "MX", forge)
        self.assertEqual(await self.resolver.mx(b"example.org"), GOOD)

    async def test_other_sources(self) -> None:
        """Answers from another port or address are ignored."""
        async def listen(address: str) -> Any:
            """Open another socket."""
            port = reactor.listenUDP(0, DatagramProtocol(), interface=address)
            self.addCleanup(port.stopListening)
            return port

        others = [await listen(address) for address in self.other_addresses]
        udp = self.server._ports[0].protocol
        answer = udp.datagramReceived

        def forge(datagram: bytes, addr: Any) -> None:
            """Let the others answer first."""
            question = Question(dns.message.from_wire(datagram), datagram, False, 1)
            bad = question.response(records("example.org", "MX", "1 evil.example.")).to_wire()
            for port in others:
                port.protocol.transport.write(bad, addr)
            answer(datagram, addr)

        self.patch(udp, "datagramReceived", forge)
        self.names.special("example.org", "MX", lambda question: self.good(question))
        self.assertEqual(await self.resolver.mx(b"example.org"), GOOD)

    async def test_nobody_there(self) -> None:
        """A server that is not there is found out at once, and another one is asked."""
        dead = DnsServer(reactor, Names())
        port = dead.start()
        await dead.stop()
        self.names.special("example.org", "MX", lambda question: self.good(question))
        alive = self.servers[0]
        self.servers = [Nameserver("127.0.0.1", port)] * 10
        began = reactor.seconds()
        await self.check_failed()
        self.assertTrue(reactor.seconds() - began < 10)
        self.servers = [Nameserver("127.0.0.1", port), alive]
        self.assertEqual(await self.resolver.mx(b"example.org"), GOOD)

    async def test_silence(self) -> None:
        """A silent server is given up, and nothing stays behind."""
        self.patch(our_dns, "ANSWER_WITHIN", 2.5)
        self.patch(our_dns, "TRY_FOR", 0.2)
        self.names.special("example.org", "MX", lambda question: None)
        await self.check_failed()
        self.assertTrue(2 <= len(self.names.asked) <= 4, self.names.asked)


class TcpTests(ServerCase):
    """Answers that are too long for UDP."""

    def after(self, tcp: Any) -> None:
        """Answer by UDP that there is more, and by TCP like this."""
        self.names.special(
            "example.org", "MX",
            lambda question: tcp(question) if question.tcp else self.truncated(question))

    async def test_answer(self) -> None:
        """A long answer comes by TCP."""
        self.names.add("example.org", "MX", *(f"{n} mail{n}.with-a-rather-long-name.example." for n in range(500)))
        found = await self.resolver.mx(b"example.org")
        self.assertEqual(found[0], Mx(0, b"mail0.with-a-rather-long-name.example"))
        self.assertEqual(len(found), our_dns.RECORDS_MAX)

    async def test_misbehaviour(self) -> None:
        """A connection that is closed early, or has a wrong length, is no answer."""
        for answer in (
            None,
            RawBytes(b"\0"),
            RawBytes(b"\0\0"),
            RawBytes(b"\0\1x"),
            RawBytes(b"\0\x40half"),
            RawBytes(b"\xff\xffhalf"),
            b"noise",
        ):
            self.after(lambda question, answer=answer: answer)
            await self.check_failed()
        self.after(self.truncated)
        await self.check_failed()
        self.after(lambda question: self.good(question))
        self.assertEqual(await self.resolver.mx(b"example.org"), GOOD)

    async def test_silence(self) -> None:
        """A connection on which nothing comes is given up."""
        self.patch(our_dns, "ANSWER_WITHIN", 2.5)
        self.patch(our_dns, "TRY_FOR", 0.2)
        self.after(lambda question: Beginning(b"\0\x40"))
        await self.check_failed()


class NoTcpTests(ServerCase):
    """A server without TCP."""

    tcp = False

    async def test_refused(self) -> None:
        """If TCP is refused there is no answer, at once."""
        self.names.special("example.org", "MX", self.truncated)
        began = reactor.seconds()
        await self.check_failed()
        self.assertTrue(reactor.seconds() - began < 5)


class Ipv6Tests(UdpTests):
    """The same over IPv6."""

    address = "::1"
    other_addresses = ("::1",)

    async def test_long_answer(self) -> None:
        """TCP works over IPv6."""
        self.names.add("example.org", "MX", *(f"{n} mail{n}.with-a-rather-long-name.example." for n in range(500)))
        self.assertEqual(len(await self.resolver.mx(b"example.org")), our_dns.RECORDS_MAX)


class FileTests(ServerCase):
    """Files that name servers."""

    async def test_resolvers(self) -> None:
        """A resolver asks whom the file names at that moment; a broken file is trouble and no answer."""
        home = Path(self.mktemp())
        (home / "control").mkdir(parents=True)
        file = home / "control" / "resolvers"
        resolver = Resolver(reactor, nameservers(Control(str(home)), "/nonexistent"))
        self.names.special("example.org", "MX", lambda question: self.good(question))
        file.write_text("nonsense\n")
        await self.assertFailure(resolver.mx(b"example.org"), LookupFailed)
        file.write_text(f"127.0.0.1:{self.server.port}\n")
        self.assertEqual(await resolver.mx(b"example.org"), GOOD)
        file.write_text("# nobody\n")
        await self.assertFailure(resolver.mx(b"other.example"), LookupFailed)

    async def test_many_at_once(self) -> None:
        """A hundred questions at once are all answered, and all sockets closed."""
        for n in range(100):
            self.names.add(f"h{n}.example", "MX", "10 mail.example.")
        looking: list[Deferred[Any]] = [self.resolver.mx(b"h%d.example" % n) for n in range(100)]
        for found in looking:
            self.assertEqual(await found, GOOD)
