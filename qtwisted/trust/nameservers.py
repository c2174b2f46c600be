"""Name servers: whom to ask, as told by control/resolvers or, without that file, by /etc/resolv.conf.

The mail system itself looks names up exactly as given. Only the programs that help with setting it up complete short
names, with the domains to search that /etc/resolv.conf tells.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.config.control import Control, ControlError, leading_number
from qtwisted.config.fresh import fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

RESOLV_CONF = "/etc/resolv.conf"
RESOLVERS = "resolvers"
DNS_PORT = 53
MOST = 3
"""How many servers of /etc/resolv.conf are asked, as in the C library."""


class Nameserver(NamedTuple):
    """One name server."""

    address: str
    port: int = DNS_PORT


class Search(NamedTuple):
    """The domains that may complete a name, and how many dots it must have to be tried alone first."""

    domains: tuple[bytes, ...] = ()
    dots: int = 1

    def candidates(self, name: bytes) -> list[bytes]:
        """Give what a name may be short for, likely ones first; a name that ends with a dot is complete."""
        if name.endswith(b"."):
            return [name]
        completed = [name + b"." + domain for domain in self.domains]
        return [name, *completed] if name.count(b".") >= self.dots else [*completed, name]


def search(environ: Mapping[str, str], resolv_conf: str = RESOLV_CONF, host: str | None = None) -> Search:
    """Read which domains complete short names: those of $LOCALDOMAIN, else of the file, else that of this host."""
    domains, dots = _host_domain(os.uname().nodename if host is None else host), 1
    try:
        with open(resolv_conf, encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError:
        lines = []
    for words in lines:
        if words[:1] == ["search"] or words[:1] == ["domain"]:
            domains = words[1:] if words[0] == "search" else words[1:2]
        elif words[:1] == ["options"]:
            numbers = [leading_number(word[6:].encode()) for word in words if word.startswith("ndots:")]
            dots = next((number for number in reversed(numbers) if number is not None), dots)
    domains = environ["LOCALDOMAIN"].split() if "LOCALDOMAIN" in environ else domains
    return Search(tuple(os.fsencode(domain).strip(b".") for domain in domains if domain.strip(".")), dots)


def _host_domain(host: str) -> list[str]:
    """Give what follows the first dot of a host's name, if there is one."""
    return [host.partition(".")[2]]


def nameservers(control: Control, resolv_conf: str = RESOLV_CONF) -> Callable[[], Sequence[Nameserver]]:
    """Return a function that gives the name servers as the files say at the moment of the call.

    The function raises ControlError for a line in control/resolvers that makes no sense.
    """

    def load() -> Sequence[Nameserver]:
        """Read whichever file counts."""
        entries = control.numbered(RESOLVERS)
        if entries is not None:
            return [_parse_resolver(number, entry) for number, entry in entries]
        try:
            with open(resolv_conf, encoding="utf-8", errors="replace") as file:
                return from_resolv_conf(file)
        except OSError:
            return from_resolv_conf(())

    return fresh([control.path(RESOLVERS), resolv_conf], load)


def _parse_resolver(number: int, entry: bytes) -> Nameserver:
    """Read ADDRESS, ADDRESS:PORT, or [ADDRESS]:PORT for an IPv6 address."""
    text = entry.decode("ascii", "replace")
    host, colon, port = text, "", ""
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
    elif text.count(":") == 1:
        host, colon, port = text.partition(":")
    value = leading_number(port.encode()) if colon else DNS_PORT
    if not _is_address(host) or colon not in ("", ":") or value is None or not 0 < value < 65536:
        raise ControlError(f"control/{RESOLVERS}", number, "is not ADDRESS or ADDRESS:PORT")
    return Nameserver(host, value)


def from_resolv_conf(lines: Iterable[str]) -> Sequence[Nameserver]:
    """Read the ``nameserver`` lines of resolv.conf(5); without any, the server is on this host.

    Nothing else in the file counts: names are looked up exactly as given, and how long to wait is our affair.
    """
    words = (line.split() for line in lines)
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver" and _is_address(line[1])]
    return [Nameserver(address) for address in named[:MOST]] or [Nameserver("127.0.0.1")]


def _is_address(text: str) -> bool:
    """Tell whether a text is an IP address, with or without a scope."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
