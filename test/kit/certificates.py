"""Certificates for tests: an authority of our own, and what it signs."""

from __future__ import annotations

import datetime
import ipaddress
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


class Identity(NamedTuple):
    """A certificate and its key, both in PEM."""

    certificate: bytes
    key: bytes

    @property
    def pem(self) -> bytes:
        """Both in one."""
        return self.certificate + self.key


def _general(name: str) -> x509.GeneralName:
    """A name as it stands in a certificate."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _called(name: str) -> x509.Name:
    """A subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Signs certificates."""

    def __init__(self, name: str = "Authority of the tests") -> None:
        """Make a key, and sign a certificate for ourselves."""
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self._sign(name, (), self._key, expired=False, is_authority=True)

    def identity(self, *names: str, expired: bool = False) -> Identity:
        """A certificate for these names, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Identity(self._sign(names[0], names, key, expired, is_authority=False), _written(key))

    def _sign(
        self, subject: str, names: tuple[str, ...], key: ec.EllipticCurvePrivateKey, expired: bool, is_authority: bool
    ) -> bytes:
        """Sign a certificate."""
        now = datetime.datetime.now(datetime.UTC)
        begins, ends = (now - 9 * _DAY, now - 2 * _DAY) if expired else (now - _DAY, now + 9 * _DAY)
        builder = (
            x509.CertificateBuilder().subject_name(_called(subject)).issuer_name(_called(self._name))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(begins).not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _written(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def self_signed(name: str) -> Identity:
    """A certificate that nobody else signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder().subject_name(_called(name)).issuer_name(_called(name))
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY).not_valid_after(now + _DAY)
        .add_extension(x509.SubjectAlternativeName([_general(name)]), False)
        .sign(key, hashes.SHA256())
    )
    return Identity(signed.public_bytes(serialization.Encoding.PEM), _written(key))
