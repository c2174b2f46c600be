"""What this host is called and where it can be reached, as the kernel says."""

from __future__ import annotations

import os

from qtwisted.system.interfaces import ipv4_addresses, ipv6_addresses


def own_addresses() -> list[str]:
    """Give the addresses of the interfaces that are up, IPv4 first; raise OSError where nobody says."""
    import ipaddress

    found = [*sorted(ipv4_addresses()), *sorted(ipv6_addresses())]
    return [str(ipaddress.ip_address(address)) for address in found]


def host_name() -> bytes:
    """Give the name of this host; it need not be a full one, and may be empty."""
    return os.fsencode(os.uname().nodename)
