"""Tests: qtwisted.trust.tls, handshakes in memory."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import ControlError
from qtwisted.trust.tls import Handshake, Handshakes, NotTrusted
from test.kit.certificates import Authority, Identity, self_signed

NAME = "mx.example.org"


def server_context(identity: Identity, versions: tuple[int, int] | None = None) -> SSL.Context:
    """Make a server's side."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(crypto.load_certificate(crypto.FILETYPE_PEM, identity.certificate))
    context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, identity.key))
    context.set_session_id(b"test")
    if versions is not None:
        context.set_min_proto_version(versions[0])
        context.set_max_proto_version(versions[1])
    return context


def shake(handshake: Handshake, context: SSL.Context) -> SSL.Connection:
    """Shake hands in memory; gives the server's side, or raises what the client's raises."""
    client = handshake.clientConnectionForTLS(None)
    server = SSL.Connection(context, None)
    client.set_connect_state()
    server.set_accept_state()
    size = 0
    for _ in range(6):
        for side in (client, server):
            try:
                side.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error:
                if side is client:
                    raise
        for one, other in ((client, server), (server, client)):
            try:
                said = one.bio_read(65536)
                other.bio_write(said)
                size += len(said) if one is server else 0
            except SSL.WantReadError:
                pass
    try:
        # tickets come with what is read after the handshake
        client.recv(1)
    except SSL.WantReadError:
        pass
    server.set_app_data(size)
    return server


class TlsCase(SynchronousTestCase):
    """Has an authority and a client that trusts it."""

    authority = Authority()
    good = authority.identity(NAME)

    def setUp(self) -> None:
        """Trust the authority of the tests and nobody else."""
        self.handshakes = Handshakes()
        self.handshakes.use(self.authority.pem, None)

    def refused(self, identity: Identity, *names: str) -> bytes:
        """Say why the client does not trust a server."""
        handshake = self.handshakes.to(names or (NAME,), verify=True)
        try:
            shake(handshake, server_context(identity))
            handshake.completed()
        except NotTrusted as refusal:
            return refusal.why
        except SSL.Error as trouble:
            return handshake.why(trouble)
        return b""


class VerifyTests(TlsCase):
    """What a server has to prove."""

    def test_good(self) -> None:
        """A certificate of the right name, of a trusted authority, is enough; its name is told."""
        handshake = self.handshakes.to((NAME,), verify=True)
        server = shake(handshake, server_context(self.good))
        words = handshake.completed()
        self.assertEqual(words, f"TLSv1.3 {server.get_cipher_name()}, certificate of {NAME}".encode())
        self.assertEqual(server.get_servername(), NAME.encode())

    def test_bad(self) -> None:
        """What is wrong with a certificate is said in words."""
        for identity, why in (
            (self.authority.identity("other.example"), b"the certificate is not of mx.example.org"),
            (self.authority.identity(NAME, expired=True), b"the certificate has expired"),
            (self_signed(NAME), b"the certificate is signed by itself"),
            (Authority("Another").identity(NAME), b"the certificate is of an authority that is not known"),
        ):
            self.assertEqual(self.refused(identity), why)

    def test_names(self) -> None:
        """Any of several names is enough, wildcards stand for one label, addresses are compared as such."""
        wild = self.authority.identity("*.example.org")
        self.assertEqual(self.refused(wild, "no.example", NAME), b"")
        self.assertIn(b"not of a.b.example.org or", self.refused(wild, "a.b.example.org", "example.org"))
        self.assertEqual(self.refused(self.authority.identity("127.0.0.1"), "127.0.0.1"), b"")
        self.assertEqual(self.refused(self.authority.identity("2001:db8::1"), "2001:db8::1"), b"")
        self.assertNotEqual(self.refused(self.authority.identity("127.0.0.2"), "127.0.0.1"), b"")
        self.assertNotEqual(self.refused(self.good, "127.0.0.1"), b"")
        self.assertNotEqual(self.refused(self.good, "m\xfcx.example.org", ""), b"")

    def test_system_roots(self) -> None:
        """Without roots of one's own the system's count, which do not know the authority of the tests."""
        self.handshakes.use(None, None)
        self.assertIn(b"authority", self.refused(self.good))

    def test_unverified(self) -> None:
        """Where nothing is demanded any certificate will do, and the report says that it was not checked."""
        for identity in (self_signed("x"), self.authority.identity("other.example", expired=True)):
            handshake = self.handshakes.to((), verify=False)
            server = shake(handshake, server_context(identity))
            self.assertTrue(handshake.completed().endswith(b", certificate not checked"))
            self.assertIsNone(server.get_servername())

    def test_names_that_are_not_said(self) -> None:
        """Addresses and odd names are not said in the handshake."""
        for name in ("127.0.0.1", "::1", "a b", "x" * 300, "\xe9", ""):
            server = shake(self.handshakes.to((name,), verify=False), server_context(self.good))
            self.assertIsNone(server.get_servername(), name)


class VersionTests(TlsCase):
    """Which protocols are spoken."""

    def test_versions(self) -> None:
        """TLS 1.2 and 1.3 are; older ones are not."""
        for version, name in ((SSL.TLS1_2_VERSION, b"TLSv1.2 "), (SSL.TLS1_3_VERSION, b"TLSv1.3 ")):
            handshake = self.handshakes.to((NAME,), verify=True)
            shake(handshake, server_context(self.good, (version, version)))
            self.assertTrue(handshake.completed().startswith(name))
        old = server_context(self.good, (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION))
        old.set_cipher_list(b"ALL:@SECLEVEL=0")
        handshake = self.handshakes.to((NAME,), verify=False)
        trouble = self.assertRaises(SSL.Error, shake, handshake, old)
        self.assertNotEqual(handshake.why(trouble), b"")

    def test_why(self) -> None:
        """A handshake that ends without words was lost."""
        for trouble in (ConnectionLost(), None, SSL.Error(), SSL.Error([]), SSL.SysCallError(-1, "x")):
            self.assertEqual(self.handshakes.to((), verify=False).why(trouble), b"the connection was lost")
        self.assertEqual(self.handshakes.to((), verify=False).why(SSL.Error([("a", "b", "bad thing")])), b"bad thing")


class ResumptionTests(TlsCase):
    """Short handshakes with a server we know."""

    def meet(self, context: Any, place: object = "a") -> int:
        """Shake hands, and remember; tell how much the server had to say, which is less without certificates."""
        handshake = self.handshakes.to((NAME,), True, place)
        server = shake(handshake, context)
        handshake.completed()
        handshake.remember()
        return server.get_app_data()  # type: ignore[no-any-return]

    def known(self, place: object = "a", verify: bool = True, names: tuple[str, ...] = (NAME,)) -> bool:
        """Tell whether a session would be resumed there."""
        return self.handshakes.to(names, verify, place).clientConnectionForTLS(None).get_session() is not None

    def test_resumed(self) -> None:
        """The second handshake with a server resumes the first, with both protocols, and proves as much."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            context = server_context(self.good, (version, version))
            whole = self.meet(context, version)
            self.assertTrue(self.known(version))
            for _ in range(3):
                self.assertLess(self.meet(context, version), whole - len(self.good.certificate) // 2)

    def test_same_demands_only(self) -> None:
        """A session that proved less, or another name, is not resumed where more is demanded."""
        self.meet(server_context(self.good))
        self.assertTrue(self.known())
        self.assertFalse(self.known(verify=False))
        self.assertFalse(self.known(names=("other.example",)))
        self.assertFalse(self.known("b"))
        self.handshakes.use(Authority().pem, None)
        self.assertFalse(self.known())

    def test_failed(self) -> None:
        """A handshake that failed, or proved too little, is not remembered, and an old session is forgotten."""
        handshake = self.handshakes.to(("no.example",), True, "a")
        shake(handshake, server_context(self.good))
        self.assertRaises(NotTrusted, handshake.completed)
        handshake.remember()
        self.assertFalse(self.known(names=("no.example",)))
        self.meet(server_context(self.good))
        self.handshakes.to((NAME,), True, "a").why(ConnectionLost())
        self.assertFalse(self.known())

    def test_bounded(self) -> None:
        """Only so many sessions are remembered, the latest."""
        self.patch(__import__("qtwisted.trust.tls", fromlist=["tls"]), "SESSIONS_MAX", 3)
        context = server_context(self.good)
        for place in range(5):
            self.meet(context, place)
        self.assertEqual([self.known(place) for place in range(5)], [False, False, True, True, True])


class IdentityTests(TlsCase):
    """Our own certificate."""

    def test_shown(self) -> None:
        """A server that asks is shown it."""
        self.handshakes.use(self.authority.pem, self.authority.identity("client.example").pem)
        context = server_context(self.good)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        server = shake(self.handshakes.to((NAME,), verify=True), context)
        certificate = server.get_peer_certificate()
        assert certificate is not None
        self.assertEqual(certificate.get_subject().CN, "client.example")

    def test_unusable(self) -> None:
        """Files that hold something else are the operator's to mend, and do not replace what was used before."""
        one, other = self.authority.identity("a"), self.authority.identity("b")
        for identity in (b"", b"x", one.certificate, one.key, one.certificate + other.key):
            error = self.assertRaises(ControlError, self.handshakes.use, None, identity)
            self.assertEqual(error.file, "control/clientcert.pem")
        error = self.assertRaises(ControlError, self.handshakes.use, b"nothing", None)
        self.assertEqual(str(error), "control/tlscafile: does not hold certificates")
