"""Which clients may relay (control/relayclients), or use QMQP (control/qmqpclients): one address or network a line.

``192.0.2.7`` and ``2001:db8::7`` are addresses; ``10.`` and ``192.168.7.`` stand for all addresses that begin
so, ``2001:db8:`` for all whose first groups these are; ``192.0.2.0/24`` and ``2001:db8::/32`` are networks.

Unlike 1.02: who may relay stands in this file, because no tcpserver in front can set RELAYCLIENT; nothing is
appended to the recipients of such a client.
"""

from __future__ import annotations

import ipaddress

from qtwisted.config.control import Control, ControlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

RELAYCLIENTS = "relayclients"
QMQPCLIENTS = "qmqpclients"


class RelayClients:
    """The clients that a file lists, who may send mail to any domain."""

    def __init__(self, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()) -> None:
        """Sort the networks by version and length; each length in use costs one look-up."""
        self._by_length: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            bits = int(network.network_address) >> shift
            self._by_length.setdefault((network.version, shift), set()).add(bits)

    def allow(self, client: bytes) -> bool:
        """May the client with this address relay? What is no address (``unknown``) may not."""
        if not self._by_length:
            return False
        try:
            address = ipaddress.ip_address(client.decode("ascii").partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        bits = int(address)
        return any(
            version == address.version and bits >> shift in listed
            for (version, shift), listed in self._by_length.items()
        )


def network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Read one entry; raise ValueError where it is none of the forms above."""
    if entry.endswith("."):
        groups = entry[:-1].split(".")
        return ipaddress.ip_network(f"{'.'.join(groups + ['0'] * (4 - len(groups)))}/{8 * len(groups)}")
    if entry.endswith(":") and not entry.endswith("::"):
        groups = entry[:-1].split(":")
        return ipaddress.ip_network(f"{':'.join(groups + ['0'] * (8 - len(groups)))}/{16 * len(groups)}")
    return ipaddress.ip_network(entry)


def relayclients(control: Control, file: str = RELAYCLIENTS) -> RelayClients:
    """Load a file of clients, without which nobody may relay; raise ControlError where a line makes no sense."""
    networks = []
    for at, entry in control.numbered(file) or ():
        try:
            networks.append(network(entry.decode("ascii")))
        except ValueError:
            raise ControlError(f"control/{file}", at, "is not an address, a prefix or a network") from None
    return RelayClients(networks)
