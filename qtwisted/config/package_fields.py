"""What the servers of QMTP and QMQP need of the control files: a slice for each, as in ``fields``."""

from __future__ import annotations

from qtwisted.config.control import Control
from qtwisted.config.fields import Values, clients
from qtwisted.config.hosts import RcptHosts, rcpthosts
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.config.relay import RelayClients


class QmtpdConfig(NamedTuple):
    """What the QMTP server needs."""

    me: bytes | None
    rcpthosts: RcptHosts
    databytes: int
    relayclients: RelayClients | None
    concurrencyincoming: int
    maxconnip: int

    def may_relay(self, client: bytes) -> bool:
        """May the client with this address send to any domain?"""
        return self.relayclients is not None and self.relayclients.allow(client)


def qmtpd(control: Control) -> QmtpdConfig:
    """Load the slice of the QMTP server; it needs no file at all."""
    values = Values(control)
    return QmtpdConfig(
        me=values.me,
        rcpthosts=rcpthosts(control),
        databytes=values.integer("databytes"),
        relayclients=clients(control, "relayclients"),
        concurrencyincoming=values.integer("concurrencyincoming"),
        maxconnip=values.integer("maxconnip"),
    )


class QmqpdConfig(NamedTuple):
    """What the QMQP server needs."""

    me: bytes | None
    qmqpclients: RelayClients | None
    concurrencyincoming: int
    maxconnip: int

    def may_submit(self, client: bytes) -> bool:
        """May the client with this address hand in mail?"""
        return self.qmqpclients is not None and self.qmqpclients.allow(client)


def qmqpd(control: Control) -> QmqpdConfig:
    """Load the slice of the QMQP server; without qmqpclients it serves nobody."""
    values = Values(control)
    return QmqpdConfig(
        me=values.me,
        qmqpclients=clients(control, "qmqpclients"),
        concurrencyincoming=values.integer("concurrencyincoming"),
        maxconnip=values.integer("maxconnip"),
    )
