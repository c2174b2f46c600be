"""Tests: qtwisted.deliver.host.terms."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.security import Policy, Security
from qtwisted.deliver.host.connect import Server, servers
from qtwisted.deliver.host.mx import Target
from qtwisted.deliver.host.routes import QMTP, SMTP, TLS, Route
from qtwisted.deliver.host.terms import Terms, terms
from qtwisted.model.login import Login
from qtwisted.wire.smtp_client import Tls

LOGIN = Login(b"u", b"p")


def demanding(level: bytes, name: str | None = None, login: Login | None = None) -> Security:
    """Demand the same of everybody."""
    return Security({b"": Policy(level, name)}, {} if login is None else {b"": login})


class TermsTests(SynchronousTestCase):
    """What is demanded of whom."""

    def test_names(self) -> None:
        """The name to prove is the one demanded; else that of the server, or of the host."""
        for level, name, host, exchanger, route, names in (
            (b"verify", "x.example", b"d", b"mx.d", None, ("x.example",)),
            (b"verify", None, b"D.example", b"MX.d.example.", None, ("mx.d.example", "d.example")),
            (b"verify", None, b"d", b"d", None, ("d",)),
            (b"verify", None, b"d", b"[127.0.0.1]", Route(b"[127.0.0.1]"), ("127.0.0.1", "d")),
            (b"verify", None, b"d", b"\xe9", None, ("d",)),
            (b"may", None, b"d", b"mx.d", None, ()),
            (b"encrypt", None, b"d", b"relay.net", Route(b"relay.net"), ("relay.net",)),
        ):
            found = terms(demanding(level, name), host, exchanger, route)
            self.assertEqual((found.level, found.names), (level, names))

    def test_when(self) -> None:
        """The level says when to use TLS, and whether mail may go in clear after it failed."""
        for level, kind, tls, clear in (
            (b"none", SMTP, Tls.NEVER, False), (b"may", SMTP, Tls.IF_OFFERED, True),
            (b"encrypt", SMTP, Tls.REQUIRED, False), (b"verify", SMTP, Tls.REQUIRED, False),
            (b"none", TLS, Tls.AT_ONCE, False), (b"may", TLS, Tls.AT_ONCE, False),
            (b"verify", TLS, Tls.AT_ONCE, False),
        ):
            found = terms(demanding(level), b"d", b"r", Route(b"r", 25, kind))
            self.assertEqual((found.tls(kind), found.may_fall_back), (tls, clear), (level, kind))

    def test_login(self) -> None:
        """Only a relay is told a login, and what has a login does not fall back."""
        self.assertEqual(terms(demanding(b"may", login=LOGIN), b"d", b"r", Route(b"r")).login, LOGIN)
        self.assertFalse(terms(demanding(b"may", login=LOGIN), b"d", b"r", Route(b"r")).may_fall_back)
        self.assertIsNone(terms(demanding(b"may", login=LOGIN), b"d", b"mx").login)

    def test_another_attempt(self) -> None:
        """After a failure TLS is not tried again, and the reason is kept."""
        again = Terms(b"may").after(b"why")
        self.assertEqual((again.tls(SMTP), again.in_clear, again.may_fall_back), (Tls.NEVER, b"why", False))

    def test_servers(self) -> None:
        """Servers with different terms are different; QMTP is left out where encryption is demanded."""
        targets = [Target("192.0.2.1", 12801, b"mx")]
        self.assertEqual([server.kind for server in servers(targets)], [QMTP, SMTP])
        strict = servers(targets, lambda target: Terms(b"encrypt", (target.host.decode(),)))
        self.assertEqual(strict, [Server("192.0.2.1", terms=Terms(b"encrypt", ("mx",)))])
        self.assertNotEqual(strict, servers(targets, lambda _: Terms(b"verify", ("mx",))))
