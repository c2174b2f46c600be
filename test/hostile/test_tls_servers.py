"""Servers with TLS, good and bad, over loopback: what goes in clear, what waits, and what is reported."""

from __future__ import annotations

import io
import ssl
from typing import Any

from twisted.internet import reactor as real_reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from qtwisted.config.fields import RemoteConfig
from qtwisted.config.security import Policy, Security
from qtwisted.deliver.host.reports import combine
from qtwisted.deliver.host.sending import Remote
from qtwisted.model.login import Login
from test.kit.certificates import Authority, Identity, self_signed
from test.kit.resolver import TableResolver
from test.kit.smtp_peer import CLOSE, RESET
from test.kit.tls_peer import INSIDE, OUTSIDE, PASSWORD, USER, TlsScript, TlsServer, old_server

reactor: Any = real_reactor
MESSAGE = b"Subject: x\n\nhi\n.dot\ncaf\xe9"
NEVER_CLEAR = (Policy(b"encrypt"), Policy(b"verify"), Policy(b"verify", "mx.example.org"))


class TlsCase(TestCase):
    """Sends messages to scripted servers with TLS."""

    timeout = 60
    authority = Authority()
    good = authority.identity("mx.example.org", "127.0.0.1")

    def setUp(self) -> None:
        """Begin with an opportunistic client that trusts the authority of the tests."""
        self.security = Security({}, {}, self.authority.pem)
        self.kind = b""

    def serve(self, identity: Identity | None = None, at_once: bool = False, clients_of: bytes | None = None,
              **replies: Any) -> TlsScript:
        """Begin to serve; mail for anybody goes there."""
        self.script = TlsScript(**replies)
        self.server = TlsServer(reactor, self.script, identity, at_once, clients_of)
        self.listen(self.server)
        return self.script

    def listen(self, factory: Any) -> None:
        """Have a server listen until the test is over."""
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port
        self.remote = self.client()

    def client(self) -> Remote:
        """Make a client."""
        remote = Remote(reactor, TableResolver(), self.config)
        self.addCleanup(lambda: remote.all_closed())
        return remote

    def config(self) -> RemoteConfig:
        """Give the settings of this moment."""
        route = b"[127.0.0.1]:%d" % self.port + (b":" + self.kind if self.kind else b"")
        return RemoteConfig(b"h", {b"": route}, 5, 1200, security=self.security)

    def demand(self, policy: Policy) -> None:
        """Demand something of every server."""
        self.security = self.security._replace(policies={b"": policy})

    async def told(self, message: bytes = MESSAGE, host: bytes = b"dest.example") -> bytes:
        """Send a message; give what qmail-send is told."""
        report = await self.remote.deliver(host, b"s@x", [b"r@d"], io.BytesIO(message))
        await self.remote.all_closed()
        return combine(report.wire())

    def check_inside(self) -> None:
        """The message and its envelope went under TLS."""
        self.assertFalse(any(line.startswith((b"MAIL", b"RCPT", b"AUTH")) for line in self.script.outside))
        self.assertTrue(any(line.startswith(b"MAIL") for line in self.script.inside))

    def check_clear(self) -> None:
        """The message went in clear."""
        self.assertTrue(any(line.startswith(b"MAIL") for line in self.script.outside))

    def check_nothing_said(self) -> None:
        """Nobody heard who writes to whom."""
        heard = self.script.outside + self.script.inside
        self.assertFalse(any(line.startswith((b"MAIL", b"RCPT")) for line in heard))


class OfferedTests(TlsCase):
    """STARTTLS is offered and works."""

    async def test_any_certificate(self) -> None:
        """Without a demand any certificate will do; protocol and cipher are in the report, after 1.02's lines."""
        for identity in (self.good, self_signed("x"), self.authority.identity("y", expired=True)):
            self.serve(identity)
            lines = (await self.told()).split(b"\n")
            self.assertEqual(lines[:2], [b"K127.0.0.1 accepted message.", b"Remote host said: 250 done"])
            self.assertTrue(lines[2].startswith(b"Sent over TLSv1.3 TLS_"), lines)
            self.assertTrue(lines[2].endswith(b", certificate not checked."), lines)
            self.check_inside()
            self.assertEqual(self.script.body, b"Subject: x\r\n\r\nhi\r\n..dot\r\ncaf\xe9\r\n")

    async def test_told_in_advance(self) -> None:
        """Size and 8-bit bytes are declared as offered under TLS."""
        self.serve(self.good)
        await self.told()
        size = len(MESSAGE) + MESSAGE.count(b"\n")
        self.assertIn(b"MAIL FROM:<s@x> SIZE=%d BODY=8BITMIME" % size, self.script.inside)

    async def test_large_message(self) -> None:
        """A large message goes through whole, and no faster than it is taken."""
        self.serve(self.good)
        message = b"".join(b".%d\n" % n for n in range(300000))
        self.assertEqual((await self.told(message))[:1], b"K")
        self.assertEqual(self.script.body.replace(b"\r\n.", b"\n").replace(b"\r\n", b"\n")[1:], message)

    async def test_verified(self) -> None:
        """A server that proves what is demanded gets the mail, and its name is in the report."""
        for policy in (Policy(b"verify"), Policy(b"verify", "mx.example.org"), Policy(b"encrypt")):
            self.serve(self.good)
            self.demand(policy)
            self.assertEqual((await self.told())[:1], b"K")
            self.check_inside()
        self.demand(Policy(b"verify", "mx.example.org"))
        self.assertIn(b", certificate of mx.example.org.\n", await self.told())

    async def test_not_verified(self) -> None:
        """A server that does not prove it gets nothing, and the mail waits with the reason."""
        for identity, why in (
            (self.authority.identity("other.example"), b"the certificate is not of mx.example.org"),
            (self.authority.identity("mx.example.org", expired=True), b"the certificate has expired"),
            (self_signed("mx.example.org"), b"the certificate is signed by itself"),
            (Authority("X").identity("mx.example.org"), b"the certificate is of an authority that is not known"),
        ):
            self.serve(identity)
            self.demand(Policy(b"verify", "mx.example.org"))
            self.assertEqual(
                await self.told(),
                b"ZConnected to 127.0.0.1 but it cannot be secured: " + why + b". (#4.7.5)\n")
            self.check_nothing_said()

    async def test_resumption(self) -> None:
        """The second connection resumes the session of the first."""
        self.serve(self.good)
        self.server.options.getContext().set_max_proto_version(ssl.TLSVersion.TLSv1_2)
        self.demand(Policy(b"verify"))
        for _ in range(2):
            self.assertEqual((await self.told())[:1], b"K")
        # with TLS 1.2 a session that is resumed has the secret of the one before
        self.assertEqual(len(self.script.secrets), 2)
        self.assertEqual(*self.script.secrets)

    async def test_client_certificate(self) -> None:
        """A server that asks for our certificate gets it; without one it may refuse us, and mail goes in clear."""
        self.serve(self.good, clients_of=self.authority.pem)
        self.security = self.security._replace(identity=self.authority.identity("client.example").pem)
        self.assertIn(b"Sent over TLS", await self.told())
        self.assertEqual(self.script.clients[0], "client.example")
        self.security = self.security._replace(identity=None)
        told = await self.told()
        self.assertTrue(told.startswith(b"K"), told)
        self.assertIn(b"Sent in clear, since TLS failed: ", told)

    async def test_not_wanted(self) -> None:
        """Where the policy is none, STARTTLS is not said."""
        self.serve(self.good)
        self.demand(Policy(b"none"))
        self.assertEqual(await self.told(), b"K127.0.0.1 accepted message.\nRemote host said: 250 done\n")
        self.assertNotIn(b"STARTTLS", self.script.outside)

    async def test_changed_policy(self) -> None:
        """A policy that is changed counts from the next message on."""
        self.serve(self_signed("x"))
        self.assertEqual((await self.told())[:1], b"K")
        self.demand(Policy(b"verify"))
        self.assertEqual((await self.told())[:1], b"Z")


class FailureTests(TlsCase):
    """STARTTLS is offered and does not work: mail goes in clear, once and with a word, or not at all."""

    REFUSALS = (b"454 not now\r\n", b"500 what\r\n", b"503 no\r\n", CLOSE, RESET)

    async def test_refused(self) -> None:
        """A server that refuses what it offers gets the mail in clear, over another connection."""
        for reply in self.REFUSALS:
            self.serve(starttls=reply)
            told = await self.told()
            self.assertTrue(told.startswith(b"K127.0.0.1 accepted message.\n"), (reply, told))
            self.assertIn(b"\nRemote host said: 250 done\nSent in clear, since TLS failed: ", told)
            self.check_clear()
            self.assertEqual(self.script.outside.count(b"EHLO h"), 2)

    async def test_refused_though_demanded(self) -> None:
        """Where TLS is demanded the mail waits, and nothing is said in clear."""
        for reply in self.REFUSALS:
            for policy in NEVER_CLEAR:
                self.serve(starttls=reply)
                self.demand(policy)
                told = await self.told()
                self.assertTrue(told.startswith(b"ZConnected to 127.0.0.1 but it cannot be secured: "), told)
                self.check_nothing_said()
                self.assertEqual(self.script.outside.count(b"EHLO h"), 1)

    async def test_garbage(self) -> None:
        """A server that answers the handshake with something else is tried in clear, or not, in the same way."""
        for garbage in (b"250 hello\r\n", b"\x15\x03\x03\x00\x02\x02\x28", b"\0" * 70000, CLOSE, RESET):
            for policy in (Policy(), *NEVER_CLEAR):
                self.listen(Garbage(garbage))
                self.demand(policy)
                self.assertEqual((await self.told())[:1], b"K" if policy == Policy() else b"Z", (garbage[:9], policy))

    async def test_not_offered(self) -> None:
        """Without the offer mail goes in clear, or waits with the reason; 1.02's report has no more lines then."""
        self.serve(ehlo=b"250 server\r\n")
        self.assertEqual(await self.told(), b"K127.0.0.1 accepted message.\nRemote host said: 250 done\n")
        for policy in NEVER_CLEAR:
            self.demand(policy)
            self.assertEqual(
                await self.told(),
                b"ZConnected to 127.0.0.1 but it cannot be secured: STARTTLS is not offered. (#4.7.5)\n")

    async def test_words_before_the_handshake(self) -> None:
        """What a server, or somebody between, adds to its 220 in clear is not heard under TLS; the mail waits."""
        for policy in (Policy(), *NEVER_CLEAR):
            self.serve(self.good, starttls=b"220 ok\r\n250-AUTH PLAIN\r\n")
            self.demand(policy)
            told = await self.told()
            self.assertTrue(told.startswith(b"ZConnected to 127.0.0.1 but it spoke out of turn."), told)
            self.check_nothing_said()
            self.assertEqual(self.script.inside, [])

    async def test_old_protocol(self) -> None:
        """A server with nothing newer than TLS 1.1 is none."""
        for policy in (Policy(), Policy(b"encrypt")):
            self.serve(self.good)
            self.server.options = old_server(self.good)
            self.demand(policy)
            told = await self.told()
            self.assertEqual(told[:1], b"K" if policy == Policy() else b"Z", told)


class Garbage(Factory):  # type: ignore[type-arg]
    """Serves SMTP until STARTTLS, and then something that is no handshake; the second time without STARTTLS."""

    noisy = False

    def __init__(self, garbage: bytes) -> None:
        """Take what to say instead of a handshake."""
        self.garbage = garbage

    def buildProtocol(self, addr: Any) -> Protocol:
        """Serve a connection."""
        return _GarbageServer(self.garbage)


class _GarbageServer(Protocol):
    """Answers each line with its first letter in mind."""

    transport: Any
    REPLIES = {b"E": OUTSIDE.replace(b"250-PIPELINING\r\n", b""), b"S": b"220 go\r\n", b"D": b"354 go\r\n",
               b"Q": b"221 bye\r\n"}

    def __init__(self, garbage: bytes) -> None:
        """Begin in clear."""
        self._garbage = garbage
        self._agreed = False

    def connectionMade(self) -> None:
        """Greet."""
        self.transport.write(b"220 server\r\n")

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        if not self._agreed:
            self._agreed = data.startswith(b"STARTTLS")
            if not data.endswith((b".\r\n", b"\r\n")):
                return
            self.transport.write(self.REPLIES.get(data[:1], b"250 ok\r\n"))
            return
        if self._garbage == CLOSE:
            self.transport.loseConnection()
        elif self._garbage == RESET:
            self.transport.abortConnection()
        else:
            self.transport.write(self._garbage)
            self.transport.loseConnection()


class AtOnceTests(TlsCase):
    """Relays with TLS from the first byte."""

    async def test_at_once(self) -> None:
        """The greeting comes under TLS."""
        self.kind = b"tls"
        for policy in (Policy(), Policy(b"none"), *NEVER_CLEAR):
            self.serve(self.good, at_once=True)
            self.demand(policy)
            self.assertIn(b"Sent over TLSv1.3", await self.told())
            self.assertEqual(self.script.outside, [])

    async def test_never_clear(self) -> None:
        """A server without TLS on such a port gets nothing, whatever the policy."""
        self.kind = b"tls"
        for policy in (Policy(), Policy(b"none"), *NEVER_CLEAR):
            self.serve(None)
            self.demand(policy)
            self.assertTrue((await self.told()).startswith(b"ZConnected to 127.0.0.1 but "))
            self.check_nothing_said()

    async def test_qmtp_cannot(self) -> None:
        """QMTP is not used where encryption is demanded."""
        self.kind = b"qmtp"
        self.serve(None)
        self.demand(Policy(b"encrypt"))
        self.assertTrue((await self.told()).startswith(b"ZSorry, mail for that host must be encrypted"))


class LoginTests(TlsCase):
    """Relays that want a login."""

    def log_in(self, password: bytes = PASSWORD) -> None:
        """Have a login for every relay."""
        self.security = self.security._replace(logins={b"": Login(USER, password)})

    async def test_mechanisms(self) -> None:
        """Each mechanism works, with a password that has blanks and colons."""
        for mechanism in (b"PLAIN", b"LOGIN", b"CRAM-MD5"):
            self.serve(self.good, **{"ehlo inside": b"250-s\r\n250 AUTH " + mechanism + b"\r\n"})
            self.log_in()
            self.assertEqual((await self.told())[:1], b"K", mechanism)
            self.check_inside()
            self.assertTrue(any(line.startswith(b"AUTH " + mechanism) for line in self.script.inside))

    async def test_at_once(self) -> None:
        """A login works with TLS from the first byte, too."""
        self.kind = b"tls"
        self.serve(self.good, at_once=True)
        self.log_in()
        self.demand(Policy(b"verify"))
        self.assertEqual((await self.told())[:1], b"K")
        self.assertIn(b"AUTH CRAM-MD5", self.script.inside)

    async def test_wrong_password(self) -> None:
        """A login that is refused lets the mail wait, whatever the code."""
        for mechanism in (b"PLAIN", b"LOGIN", b"CRAM-MD5"):
            self.serve(self.good, **{"ehlo inside": b"250-s\r\n250 AUTH " + mechanism + b"\r\n"})
            self.log_in(b"wrong")
            self.assertEqual(
                await self.told(),
                b"ZConnected to 127.0.0.1 but my login was rejected.\nRemote host said: 535 no\n")

    async def test_never_in_clear(self) -> None:
        """Where there is no TLS, or it fails, the login is not said, and the mail waits."""
        clear = b"250-s\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
        for replies in ({"ehlo": clear}, {"starttls": b"454 no\r\n"}, {"starttls": CLOSE}):
            for policy in (Policy(), *NEVER_CLEAR):
                self.serve(self.good, **replies)
                self.log_in()
                self.demand(policy)
                self.assertEqual((await self.told())[:1], b"Z")
                self.assertNotIn(b"AUTH", b"".join(self.script.outside))
                self.check_nothing_said()

    async def test_in_clear_on_demand(self) -> None:
        """Only a policy that says none lets a login go in clear."""
        self.serve(None, ehlo=b"250-s\r\n250 AUTH PLAIN\r\n")
        self.log_in()
        self.demand(Policy(b"none"))
        self.assertEqual((await self.told())[:1], b"K")
        self.assertTrue(any(line.startswith(b"AUTH PLAIN") for line in self.script.outside))

    async def test_no_way_to_log_in(self) -> None:
        """A relay that offers no login gets no mail, which waits."""
        self.serve(self.good, **{"ehlo inside": b"250 server\r\n"})
        self.log_in()
        self.assertEqual(await self.told(), b"ZConnected to 127.0.0.1 but it offers no way to log in. (#4.7.0)\n")

    async def test_not_for_exchangers(self) -> None:
        """Who was found in the DNS is not told the password."""
        self.serve(self.good)
        self.log_in()
        self.assertIsNone(self.security.login(b"dest.example", None))
        self.assertIn(b"AUTH", INSIDE)
