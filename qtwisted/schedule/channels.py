"""The lines to the two spawners: orders out, reports in."""

from __future__ import annotations

from twisted.internet.protocol import Protocol

from qtwisted.wire.spawn import ReportReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from typing import Protocol as Interface

    from twisted.python.failure import Failure

    class Reported(Interface):
        """Whoever hears from the spawners."""

        def reported(self, channel: int, slot: int, report: bytes) -> None:
            """Hear how a delivery ended."""

        def spawner_lost(self, channel: int) -> None:
            """Hear that a spawner is gone."""


class Spawner(Protocol):
    """Our end of the socket to one spawner, after its greeting."""

    transport: Any

    def __init__(self, channel: int, owner: Reported, width: int = 1) -> None:
        """Tell *owner* what the spawner of *channel* says; delivery numbers take *width* bytes."""
        self._channel = channel
        self._owner = owner
        self._reports = ReportReader(width)

    def order(self, order: bytes) -> None:
        """Send an order; it is buffered while the spawner is slow."""
        if self.transport is not None:
            self.transport.write(order)

    def dataReceived(self, data: bytes) -> None:
        """Pass on each complete report."""
        for report in self._reports.received(data):
            self._owner.reported(self._channel, report.delnum, report.text)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Tell that the spawner is gone."""
        self._owner.spawner_lost(self._channel)
