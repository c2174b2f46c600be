"""Terms: what we demand of a server before it gets mail, and what we prove to it.

They are part of what makes a server, so that no two destinations share a connection that is good enough for one only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtwisted.config.security import ENCRYPT, MAY, NONE, VERIFY
from qtwisted.deliver.host.routes import TLS, literal
from qtwisted.wire.smtp_client import Tls

if TYPE_CHECKING:
    from qtwisted.config.security import Security
    from qtwisted.deliver.host.routes import Route
    from qtwisted.model.login import Login


class Terms(NamedTuple):
    """The level of protection, the names of which the server must prove one, and our login.

    ``in_clear`` says why there is no TLS where it was tried before.
    """

    level: bytes = MAY
    names: tuple[str, ...] = ()
    login: Login | None = None
    in_clear: bytes = b""

    @property
    def verify(self) -> bool:
        """Must the server prove its name?"""
        return self.level == VERIFY

    @property
    def demand_tls(self) -> bool:
        """May mail never go in clear?"""
        return self.level in (ENCRYPT, VERIFY)

    @property
    def may_fall_back(self) -> bool:
        """May mail go in clear after TLS has failed? A login may not."""
        return self.level == MAY and self.login is None

    def after(self, failure: bytes) -> Terms:
        """Give the terms for another attempt in clear."""
        return self._replace(level=NONE, in_clear=failure)

    def tls(self, kind: bytes) -> Tls:
        """Say when the connection is to be protected."""
        if kind == TLS:
            return Tls.AT_ONCE
        if self.demand_tls:
            return Tls.REQUIRED
        return Tls.NEVER if self.level == NONE else Tls.IF_OFFERED


def terms(security: Security, host: bytes, exchanger: bytes, route: Route | None = None) -> Terms:
    """Give the terms for a server of a host: an exchanger, or the relay of a route.

    ``verify`` demands the name under which the server was found, or that of the host; what the DNS says about the
    names of exchangers is believed. ``verify:name`` demands that name alone.

    A route that says ``tls`` never leads in clear.
    """
    relay = None if route is None else route.relay
    policy = security.policy(host, relay)
    login = security.login(host, relay)
    level = policy.level
    if route is not None and route.kind == TLS and level != VERIFY:
        level = ENCRYPT
    if policy.name is not None:
        return Terms(level, (policy.name,), login)
    if level == VERIFY:
        return Terms(level, tuple(dict.fromkeys(_readable(exchanger) + _readable(host))), login)
    # without a demand the name is only said, and only to relays, so that connections to exchangers can be shared
    return Terms(level, _readable(exchanger) if relay is not None else (), login)


def _readable(host: bytes) -> tuple[str, ...]:
    """Write a host as it stands in certificates; not at all if it cannot stand there."""
    address = literal(host)
    if address is not None:
        return (address,)
    name = host.removesuffix(b".").lower()
    return (name.decode(),) if name and name.isascii() else ()
