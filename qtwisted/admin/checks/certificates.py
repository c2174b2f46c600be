"""Certificates and keys in control/: can they be read, do they belong together, and are they valid now?"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from qtwisted.admin.checks import CERTIFICATE, Finding
from qtwisted.admin.checks.control import is_open
from qtwisted.config.control import Control
from qtwisted.config.declared import ALL, PEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

_OURS = "cert.pem"
"""How the names of files end that hold a certificate of ours with its key; others hold only certificates."""
_KEY = b"PRIVATE KEY-----"
_BEGIN = b"-----BEGIN "


def check(home: str) -> Iterator[Finding]:
    """Look at every file of certificates."""
    control = Control(home)
    for field in ALL:
        path = control.path(field.name)
        if field.kind == PEM and os.path.isfile(path):
            yield from look(home, path, field.name.endswith(_OURS))


def look(home: str, path: str, is_identity: bool) -> Iterator[Finding]:
    """Look at one file; where it is not of ours it may hold the name of another file instead."""
    try:
        content = _read(path)
        if not is_identity and _BEGIN not in content:
            path = os.path.join(home, os.fsdecode(content.partition(b"\n")[0].rstrip()))
            content = _read(path)
    except PermissionError:
        return
    except OSError as trouble:
        yield Finding(CERTIFICATE, path, None, f"cannot be read: {trouble.strerror}")
        return
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError:
        yield Finding(CERTIFICATE, path, None, "does not hold a certificate")
        return
    if is_identity:
        yield from valid(path, certificates[:1])
        yield from key(path, content, certificates[0])
    elif not any(_is_valid(found) for found in certificates):
        yield from valid(path, certificates)
    if _KEY in content and is_open(path):
        yield Finding(CERTIFICATE, path, None, "holds a private key that everybody can read")


def _read(path: str) -> bytes:
    """Read a file."""
    with open(path, "rb") as file:
        return file.read()


def _is_valid(certificate: x509.Certificate) -> bool:
    """Is it valid now?"""
    return certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc


def valid(path: str, certificates: list[x509.Certificate]) -> Iterator[Finding]:
    """Certificates whose time has not come, or is over."""
    now = datetime.now(UTC)
    for certificate in certificates:
        if certificate.not_valid_after_utc < now:
            yield Finding(CERTIFICATE, path, None, f"has expired on {certificate.not_valid_after_utc:%d %b %Y}")
        elif certificate.not_valid_before_utc > now:
            begins = certificate.not_valid_before_utc
            yield Finding(CERTIFICATE, path, None, f"is valid only from {begins:%d %b %Y} on")


def key(path: str, content: bytes, certificate: x509.Certificate) -> Iterator[Finding]:
    """The key of a certificate of ours."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    try:
        found = load_pem_private_key(_key_in(content), None)
    except (ValueError, TypeError):
        yield Finding(CERTIFICATE, path, None, "does not hold the key of its certificate")
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if found.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        yield Finding(CERTIFICATE, path, None, "holds a key that is not that of its first certificate")


def _key_in(content: bytes) -> bytes:
    """The block of a PEM file that is a key."""
    for block in content.split(_BEGIN):
        if block.partition(b"-----")[0].endswith(b"PRIVATE KEY"):
            return _BEGIN + block
    raise ValueError("no key")
