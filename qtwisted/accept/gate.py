"""May this client send this, from whom, to whom: the checks on mail from the network, in their order.

A check is a function of the configuration, the client, the sender and the recipient; it gives the reply
that refuses the recipient, or None. A further check is a row in RECIPIENT_CHECKS. They decide at once, on
what is in memory.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple
from qtwisted.wire import smtp_replies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtwisted.config.fields import SmtpdConfig
    from qtwisted.model.reply import Reply
    from qtwisted.system.tally import Tally


class Client(NamedTuple):
    """Who is at the other end, as tcpserver would say it in its environment."""

    #: TCPREMOTEIP, TCPREMOTEHOST and TCPREMOTEINFO
    ip: bytes = b"unknown"
    host: bytes = b"unknown"
    info: bytes | None = None
    #: TCPLOCALHOST or TCPLOCALIP: the name of this end
    local: bytes = b"unknown"
    #: RELAYCLIENT: None, or what is appended to every recipient
    relay: bytes | None = None


def badmailfrom(config: SmtpdConfig, client: Client, sender: bytes, recipient: bytes) -> Reply | None:
    """Refuse senders listed in control/badmailfrom, even of clients that may relay."""
    return smtp_replies.BAD_SENDER if config.badmailfrom.names(sender) else None


def rcpthosts(config: SmtpdConfig, client: Client, sender: bytes, recipient: bytes) -> Reply | None:
    """Refuse recipients of other hosts, except from a client that may relay."""
    if client.relay is not None or config.rcpthosts.allows(recipient):
        return None
    return smtp_replies.NOT_OURS


RECIPIENT_CHECKS = (badmailfrom, rcpthosts)


def may_send(config: SmtpdConfig, client: Client, sender: bytes, recipient: bytes) -> Reply | None:
    """Run the checks in turn; give the first refusal. ControlError means that a table is damaged."""
    for check in RECIPIENT_CHECKS:
        refusal = check(config, client, sender, recipient)
        if refusal is not None:
            return refusal
    return None


def localiser(name: bytes | None, our_addresses: Callable[[], frozenset[bytes]]) -> Callable[[bytes], bytes] | None:
    """Make the function that puts ``name`` in place of a bracketed IP address of ours (qmail-smtpd.c addrparse)."""
    if name is None:
        return None

    def localise(address: bytes) -> bytes:
        """Replace the domain where it is one of our addresses; each number counts modulo 256 (ip.c)."""
        local, _, domain = address.rpartition(b"@")
        if not (domain.startswith(b"[") and domain.endswith(b"]")):
            return address
        numbers = domain[1:-1].split(b".")
        if len(numbers) != 4 or not all(number.isdigit() for number in numbers):
            return address
        ip = bytes([int(number) % 256 for number in numbers])
        return local + b"@" + name if ip in our_addresses() else address

    return localise


class Counts:
    """Counts things in this process alone; system.tally does it for several."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._of: dict[bytes, int] = {}

    def change(self, names: Sequence[bytes], by: int) -> list[int]:
        """Count each of these things up or down; give how many there are of each now."""
        for name in names:
            self._of[name] = self._of.get(name, 0) + by
        counts = [self._of[name] for name in names]
        for name in names:
            if not self._of[name]:
                del self._of[name]
        return counts

    def clear_dead(self) -> bool:
        """Say that no dead process has left counts behind."""
        return False


class Crowd:
    """Counts the connections to a service, in all and of each address."""

    def __init__(self, tally: Tally | Counts | None = None, service: str = "") -> None:
        """Begin with nobody; what counts may be shared by other processes, and by other services."""
        self._tally = tally or Counts()
        self._everybody = service.encode()
        self._here = 0

    # Unlike 1.02: connections are counted here, since there is no tcpserver in front; who comes when there
    # are concurrencyincoming of them, or maxconnip of his own address, is sent away with 421.
    def enter(self, ip: bytes, most: int, most_of_one: int) -> Reply | None:
        """Count a connection in; give the reply that sends it away where there are too many. A limit of 0 is none."""
        self._here += 1
        refusal = _too_many(self._change(ip, 1), most, most_of_one)
        if refusal is not None and self._tally.clear_dead():
            return _too_many(self._change(ip, 0), most, most_of_one)
        return refusal

    def leave(self, ip: bytes) -> None:
        """Count a connection out, whatever ``enter`` said."""
        self._here -= 1
        self._change(ip, -1)

    def _change(self, ip: bytes, by: int) -> list[int]:
        """Count; give how many there are of all and of this address."""
        return self._tally.change((self._everybody, self._everybody + b" " + ip), by)

    def __len__(self) -> int:
        """Say how many there are in this process."""
        return self._here


def _too_many(counts: list[int], most: int, most_of_one: int) -> Reply | None:
    """Give the reply to who comes when there are so many connections, in all and of his own."""
    if 0 < most < counts[0]:
        return smtp_replies.TOO_MANY_CONNECTIONS
    return smtp_replies.TOO_MANY_FROM_YOU if 0 < most_of_one < counts[1] else None
