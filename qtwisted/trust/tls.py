"""TLS outward: the client's side of a handshake, and what it has to prove.

A :class:`Handshakes` belongs to a process. For each connection it gives a :class:`Handshake`, which the session hands
to ``transport.startTLS`` and asks afterwards what was achieved::

    handshakes = Handshakes()
    handshake = handshakes.to(("mx.example.org",), verify=True)

Rules the file keeps:

* TLS 1.2 and newer only, with the ciphers that Twisted trusts.
* Where a server is verified, both its chain (against the given roots or the system's) and its name count; where it
  is not, any certificate will do, as it is better than none against those who only listen.
* A session that is resumed was made with the same names, the same roots and the same demands.

Unlike 1.02: mail can be encrypted on its way to the next host, and that host asked to prove its name.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from zope.interface import implementer

from qtwisted.config.control import ControlError

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSIONS_MAX = 1000

# X509_verify_cert(3): what goes wrong most often, in words; the rest has a number.
_CHAIN_TROUBLES = {
    9: b"the certificate is not valid yet",
    10: b"the certificate has expired",
    18: b"the certificate is signed by itself",
    19: b"the certificate leads to an authority that is not trusted",
    20: b"the certificate is of an authority that is not known",
    21: b"the certificate is of an authority that is not known",
    23: b"the certificate was revoked",
    26: b"the certificate is not meant for servers",
}
_NAME_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-._")


class NotTrusted(Exception):
    """A handshake that succeeded did not prove enough; ``why`` says it in a few words."""

    def __init__(self, why: bytes) -> None:
        """Take the words."""
        super().__init__(why)
        self.why = why


def is_address(name: str) -> bool:
    """Tell whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Handshakes:
    """Makes handshakes, and remembers how the last one with each server went, so that the next is short."""

    def __init__(self) -> None:
        """Begin without memories, trusting the system's roots."""
        self._made_of: object = None
        self._roots: list[crypto.X509] | None = None
        self._identity: dict[str, Any] = {}
        self._contexts: dict[bool, SSL.Context] = {}
        self._sessions: OrderedDict[object, SSL.Session] = OrderedDict()

    def use(self, roots: bytes | None, identity: bytes | None) -> None:
        """Trust these roots instead of the system's, and show this certificate of our own; both in PEM.

        Raises ControlError if they are not.
        """
        if self._made_of == (roots, identity):
            return
        trusted = None if roots is None else _certificates("control/tlscafile", roots)
        self._roots, self._identity = trusted, _identity(identity)
        self._contexts.clear()
        self._sessions.clear()
        self._made_of = (roots, identity)

    def to(self, names: Sequence[str], verify: bool, place: object = None) -> Handshake:
        """Give a handshake with the server at a place, which is any value, under one of these names."""
        if verify not in self._contexts:
            self._contexts[verify] = self._context(verify)
        return Handshake(self, self._contexts[verify], tuple(names), verify, place)

    def _context(self, verify: bool) -> SSL.Context:
        """Make what all handshakes of one kind share."""
        context: SSL.Context = CertificateOptions(enableSessionTickets=True, **self._identity).getContext()
        if verify and self._roots is None:
            context.set_default_verify_paths()
        store = context.get_cert_store() if verify else None
        for certificate in self._roots or ():
            if store is not None:
                store.add_cert(certificate)
        return context

    def last_with(self, key: object) -> SSL.Session | None:
        """Recall the session with a server."""
        return self._sessions.get(key)

    def remember(self, key: object, session: SSL.Session) -> None:
        """Remember the session with a server; that which was not used for longest is forgotten for it."""
        self._sessions[key] = session
        self._sessions.move_to_end(key)
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)

    def forget(self, key: object) -> None:
        """Forget the session with a server."""
        self._sessions.pop(key, None)


@implementer(IOpenSSLClientConnectionCreator)
class Handshake:
    """One handshake with one server."""

    def __init__(
        self, handshakes: Handshakes, context: SSL.Context, names: tuple[str, ...], verify: bool, place: object
    ) -> None:
        """Demand a trusted certificate for one of the names, if ``verify``; else the first name is only said."""
        self._handshakes = handshakes
        self._context = context
        self._names = names
        self._verify = verify
        self._key = (place, names, verify)
        self._connection: SSL.Connection | None = None
        self._is_done = False
        self._chain_trouble = b""

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        """Make the connection; Twisted calls this."""
        self._connection = connection = SSL.Connection(self._context, None)
        if self._names and _is_sayable(self._names[0]):
            connection.set_tlsext_host_name(self._names[0].encode())
        connection.set_verify(SSL.VERIFY_PEER if self._verify else SSL.VERIFY_NONE, self._look_at)
        session = self._handshakes.last_with(self._key)
        if session is not None:
            connection.set_session(session)
        return connection

    def _look_at(self, connection: SSL.Connection, certificate: Any, error: int, depth: int, ok: int) -> bool:
        """Note what is wrong with a chain; OpenSSL calls this."""
        if not ok and not self._chain_trouble:
            self._chain_trouble = _CHAIN_TROUBLES.get(error, b"the certificate is not good (%d)" % error)
        return bool(ok) or not self._verify

    def completed(self) -> bytes:
        """Say how the connection is protected; raises NotTrusted if the server did not prove its name."""
        assert self._connection is not None
        words = f"{self._connection.get_protocol_version_name()} {self._connection.get_cipher_name()}".encode()
        if not self._verify:
            self._is_done = True
            return words + b", certificate not checked"
        name = self._proven_name(self._connection)
        self._is_done = True
        return words + b", certificate of " + name.encode()

    def _proven_name(self, connection: SSL.Connection) -> str:
        """Give the name that the server has proven to be its own."""
        for name in self._names:
            try:
                (verify_ip_address if is_address(name) else verify_hostname)(connection, name)
            except (VerificationError, CertificateError, ValueError):
                continue
            return name
        raise NotTrusted(b"the certificate is not of " + " or ".join(self._names).encode("ascii", "replace"))

    def why(self, trouble: object) -> bytes:
        """Say why a handshake ended with this exception."""
        self._handshakes.forget(self._key)
        if self._chain_trouble:
            return self._chain_trouble
        if isinstance(trouble, SSL.Error) and trouble.args and isinstance(trouble.args[0], list) and trouble.args[0]:
            return str(trouble.args[0][-1][-1]).encode("ascii", "replace") or b"the handshake failed"
        return b"the connection was lost"

    def remember(self) -> None:
        """Remember the session before the connection is closed; its tickets have come by now."""
        session = self._connection.get_session() if self._connection is not None and self._is_done else None
        if session is not None:
            self._handshakes.remember(self._key, session)


def _is_sayable(name: str) -> bool:
    """Tell whether a name may be said in the handshake (RFC 6066 3): a host name, not an address."""
    return len(name) < 256 and _NAME_CHARACTERS.issuperset(name.lower().encode()) and not is_address(name)


def _identity(pem: bytes | None) -> dict[str, Any]:
    """Read our own certificate, the key that belongs to it, and the chain that follows."""
    if pem is None:
        return {}
    file = "control/clientcert.pem"
    certificates = _certificates(file, pem)
    try:
        ours: Any = PrivateCertificate.loadPEM(pem)  # type: ignore[no-untyped-call]
    except (VerifyError, SSL.Error, crypto.Error, ValueError, TypeError):
        raise ControlError(file, None, "does not hold a certificate and its key") from None
    return {
        "privateKey": ours.privateKey.original,
        "certificate": ours.original,
        "extraCertChain": certificates[1:],
    }


def _certificates(file: str, pem: bytes) -> list[crypto.X509]:
    """Read certificates."""
    try:
        return [crypto.X509.from_cryptography(found) for found in x509.load_pem_x509_certificates(pem)]
    except ValueError:
        raise ControlError(file, None, "does not hold certificates") from None
