"""A scripted SMTP server that speaks TLS over loopback, and knows one user."""

from __future__ import annotations

import base64
import hmac
from typing import Any

from twisted.internet.ssl import Certificate as TwistedCertificate
from twisted.internet.ssl import CertificateOptions, PrivateCertificate, TLSVersion, trustRootFromCertificates

from test.kit.certificates import Identity
from test.kit.smtp_peer import Ear, Script, ScriptedProtocol, ScriptedServer

#: what a server offers before and after TLS
OUTSIDE = b"250-server\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
INSIDE = b"250-server\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
CHALLENGE = b"<1896.697170952@server.example>"
USER, PASSWORD = b"tim", b"tans:taaf tanstaaf"


class TlsScript(Script):
    """What the server says and what it heard, each line with whether it came under TLS."""

    def __init__(self, **replies: Any) -> None:
        """Offer STARTTLS in clear, and logins under TLS, unless told otherwise."""
        super().__init__(**{"starttls": b"220 go ahead\r\n", "ehlo": OUTSIDE, "ehlo inside": INSIDE, **replies})
        self.inside: list[bytes] = []
        self.outside: list[bytes] = []
        self.secrets: list[bytes] = []
        self.clients: list[str | None] = []


class TlsEar(Ear):
    """Hears with and without TLS, and checks logins."""

    def __init__(self, script: TlsScript) -> None:
        """Begin in clear."""
        super().__init__(script)
        self._tls_script = script
        self.is_inside = False
        self._login: list[bytes] | None = None

    def _hear(self, line: bytes) -> bytes | None:
        """Hear a command."""
        script = self._tls_script
        (script.inside if self.is_inside else script.outside).append(line)
        if self._login is not None:
            return self._go_on(base64.b64decode(line))
        if line.startswith(b"AUTH ") and "auth" not in script.replies:
            return self._begin(line.split(b" ")[1:])
        if line.startswith(b"EHLO ") and self.is_inside:
            script.heard.append(line)
            return script.reply("ehlo inside")
        return super()._hear(line)

    def _begin(self, words: list[bytes]) -> bytes:
        """Begin a login."""
        if words[0] == b"PLAIN":
            return self._judge(base64.b64decode(words[1]) == b"\0" + USER + b"\0" + PASSWORD)
        self._login = [words[0]]
        return b"334 " + base64.b64encode(CHALLENGE if words[0] == b"CRAM-MD5" else b"User:") + b"\r\n"

    def _go_on(self, answer: bytes) -> bytes:
        """Hear what follows in a login."""
        assert self._login is not None
        self._login.append(answer)
        if self._login[0] == b"CRAM-MD5":
            digest = hmac.new(PASSWORD, CHALLENGE, "md5").hexdigest().encode()
            return self._judge(answer == USER + b" " + digest)
        if len(self._login) == 2:
            return b"334 " + base64.b64encode(b"Password:") + b"\r\n"
        return self._judge(self._login[1:] == [USER, PASSWORD])

    def _judge(self, is_right: bool) -> bytes:
        """End a login."""
        self._login = None
        return b"235 in\r\n" if is_right else b"535 no\r\n"


class TlsProtocol(ScriptedProtocol):
    """One connection."""

    _looked = False

    def connectionMade(self) -> None:
        """Greet, under TLS if that is the way of this server."""
        self._heard = TlsEar(self.factory.script)
        if self.factory.at_once:
            self._secure()
        super().connectionMade()
        self._ear = self._heard

    def dataReceived(self, data: bytes) -> None:
        """Hear and answer; after the reply to STARTTLS speak TLS, or whatever the script has instead."""
        script = self.factory.script
        if self._heard.is_inside and self.factory.options is not None:
            self._look()
        for reply in self._ear.received(data):
            self._say(reply)
            if script.outside[-1:] == [b"STARTTLS"] and not self._heard.is_inside and reply.startswith(b"220"):
                self._secure()

    def _secure(self) -> None:
        """Begin TLS."""
        self._heard.is_inside = True
        if self.factory.options is not None:
            self.transport.startTLS(self.factory.options)

    def _look(self) -> None:
        """Look at the client, once, when it has said something under TLS."""
        if self._looked:
            return
        self._looked = True
        script, handle = self.factory.script, self.transport.getHandle()
        certificate = handle.get_peer_certificate()
        script.clients.append(None if certificate is None else certificate.get_subject().CN)
        script.secrets.append(handle.master_key())


class TlsServer(ScriptedServer):
    """Serves one script on a real port, with TLS; without an identity it only says that it would."""

    protocol = TlsProtocol

    def __init__(
        self, reactor: Any, script: TlsScript, identity: Identity | None, at_once: bool = False,
        clients_of: bytes | None = None,
    ) -> None:
        """Use TLS from the first byte if ``at_once``; ask for certificates of an authority if it is given."""
        super().__init__(reactor, script)
        self.at_once = at_once
        self.options = None if identity is None else _options(identity, clients_of)


def old_server(identity: Identity) -> Any:
    """Make the side of a server that knows nothing newer than TLS 1.1."""
    ours: Any = PrivateCertificate.loadPEM(identity.pem)  # type: ignore[no-untyped-call]
    options = CertificateOptions(
        privateKey=ours.privateKey.original, certificate=ours.original,
        insecurelyLowerMinimumTo=TLSVersion.TLSv1_0, lowerMaximumSecurityTo=TLSVersion.TLSv1_1)
    options.getContext().set_cipher_list(b"DEFAULT:@SECLEVEL=0")
    return options


def _options(identity: Identity, clients_of: bytes | None) -> Any:
    """Make the server's side of TLS."""
    ours: Any = PrivateCertificate.loadPEM(identity.pem)  # type: ignore[no-untyped-call]
    more: dict[str, Any] = {}
    if clients_of is not None:
        root: Any = TwistedCertificate.loadPEM(clients_of)  # type: ignore[no-untyped-call]
        more["trustRoot"] = trustRootFromCertificates([root])
    return CertificateOptions(
        privateKey=ours.privateKey.original, certificate=ours.original, enableSessionTickets=True,
        enableSessions=True, **more)
