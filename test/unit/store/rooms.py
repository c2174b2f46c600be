"""Makes doors on queues in memory, and callers on transports in memory, for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.testing import StringTransport

from qtwisted.config.conf import Ids
from qtwisted.store.caller import Caller
from qtwisted.store.door import Door
from qtwisted.wire import door as wire

if TYPE_CHECKING:
    from typing import Any

    from qtwisted.store.quota import Account
    from test.unit.store.queues import MemoryQueue

SEPARATE = Ids(1, 2, 3, 4, 5, 6, 7, 8, 9, True)
TOGETHER = Ids(1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, False)


def make_door(queue: MemoryQueue, ids: Ids = SEPARATE, uid: int = 5, descriptors: int = 100) -> Door:
    """Make a door on a queue."""
    noted = queue.intake.groups.announce
    door = Door(queue.clock, queue.intake, ids, uid, queue.warnings.append, descriptors, queue.clock.seconds)
    told = queue.intake.groups.announce

    def announce(number: int, size: int, record: bytes | None) -> None:
        """Let the queue's notes and the door both hear."""
        noted(number, size, record)
        told(number, size, record)

    queue.intake.groups.announce = announce
    return door


class Transport(StringTransport):
    """A transport that notes how it was ended."""

    def abortConnection(self) -> None:
        """Note it."""
        super().abortConnection()
        self.disconnecting = True


class Room:
    """A caller of a door, and what it was told."""

    def __init__(
        self, door: Door, uid: int = 7, account: Account | None = None, may_watch: bool = False
    ) -> None:
        """Let the caller in."""
        self.caller: Any = Caller(door, uid, account, may_watch)
        self.transport = Transport()
        self.caller.makeConnection(self.transport)
        self._reader = wire.FrameReader(wire.FROM_DOOR)

    def send(self, *frames: bytes) -> None:
        """Say something to the door."""
        self.caller.dataReceived(b"".join(frames))

    def heard(self) -> list[tuple[bytes, int, bytes]]:
        """What the door said since the last time."""
        data = self.transport.value()
        self.transport.clear()
        return self._reader.received(data)
