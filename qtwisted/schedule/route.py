"""Where a recipient goes: rewriting of addresses and the choice between local and remote delivery.

The rules are those of qmail-send.c rewrite(): envnoathost, percenthack, locals, virtualdomains, in this
order. The case of an address is kept; only lookups fold it. Everything here is a pure function of the control
files.
"""

from __future__ import annotations

from itertools import chain

from qtwisted.model.address import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LOCAL = 0
REMOTE = 1

#: the directory of each channel's recipient files, which is also its name in the log
CHANNELS = ("local", "remote")


class Router:
    """The rewriting tables as the control files give them; replaced whole when locals or virtualdomains change."""

    __slots__ = ("envnoathost", "locals", "percenthack", "virtualdomains")

    def __init__(
        self,
        envnoathost: bytes,
        local_hosts: Iterable[bytes],
        percenthack: Iterable[bytes] = (),
        virtualdomains: Mapping[bytes, bytes] | None = None,
    ) -> None:
        """Take the four tables; of a key that differs in case only, the last one counts."""
        self.envnoathost = envnoathost
        self.locals = frozenset(host.lower() for host in local_hosts)
        self.percenthack = frozenset(host.lower() for host in percenthack)
        self.virtualdomains = {key.lower(): value for key, value in (virtualdomains or {}).items()}

    def with_domains(self, local_hosts: Iterable[bytes], virtualdomains: Mapping[bytes, bytes]) -> Router:
        """Make the tables anew after HUP, which changes these two only."""
        return Router(self.envnoathost, local_hosts, self.percenthack, virtualdomains)

    def route(self, address: bytes) -> tuple[int, bytes]:
        """Say which channel delivers an address of the envelope, and under which name."""
        address = self.unhacked(self.with_host(address))
        if self.is_local(address):
            return LOCAL, address
        key = self.virtual_key(address)
        prefix = self.virtualdomains[key] if key is not None else b""
        return (LOCAL, prefix + b"-" + address) if prefix else (REMOTE, address)

    def with_host(self, address: bytes) -> bytes:
        """Complete an address that has no host."""
        return address if b"@" in address else address + b"@" + self.envnoathost

    def unhacked(self, address: bytes) -> bytes:
        """Turn ``user%host@hack`` into ``user@host`` as often as the domain is in percenthack."""
        local, _, domain = address.rpartition(b"@")
        while domain.lower() in self.percenthack:
            before, percent, after = local.rpartition(b"%")
            if not percent:
                break
            # the new domain is what follows the last @, and the former percent sign may not be that
            local, _, domain = (before + b"@" + after).rpartition(b"@")
        return local + b"@" + domain

    def is_local(self, address: bytes) -> bool:
        """Is the domain of an address in locals?"""
        return address.rpartition(b"@")[2].lower() in self.locals

    def virtual_key(self, address: bytes) -> bytes | None:
        """Find the virtualdomains entry that decides about an address that is not local; None if there is none.

        One without a prefix is an exception: such mail is remote.
        """
        if not self.virtualdomains:
            return None
        folded = address.lower()
        keys = chain((folded,), _keys(folded.rpartition(b"@")[2]))
        return next((key for key in keys if key in self.virtualdomains), None)

    def without_prefix(self, recipient: bytes) -> bytes:
        """Give a rewritten recipient as the sender knows it: without the prefix of its virtual domain.

        Unlike 1.02: the prefix of a virtual user (``user@domain:prefix``) is removed too, so that a bounce
        never shows an address that nobody wrote to.
        """
        domain = split(recipient)[1]
        if domain is None or not self.virtualdomains:
            return recipient
        dash = recipient.find(b"-")
        while dash >= 0:
            if dash and self.virtualdomains.get(recipient[dash + 1 :].lower()) == recipient[:dash]:
                return recipient[dash + 1 :]
            dash = recipient.find(b"-", dash + 1)
        key = next((key for key in _keys(domain.lower()) if key in self.virtualdomains), None)
        prefix = self.virtualdomains[key] if key is not None else b""
        if prefix and recipient.startswith(prefix + b"-"):
            return recipient[len(prefix) + 1 :]
        return recipient


def _keys(domain: bytes) -> Iterator[bytes]:
    """List what a domain is looked up as: itself, its suffixes that begin with a dot, the empty key."""
    yield domain
    dot = domain.find(b".")
    while dot >= 0:
        if dot:
            yield domain[dot:]
        dot = domain.find(b".", dot + 1)
    if domain:
        yield b""
