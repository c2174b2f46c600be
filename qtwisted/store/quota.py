"""What one user may ask of the door at a time, so that nobody can take it away from the others.

The figures hold for the socket that everybody may use; roles have one of their own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

#: connections of one user that are served, and more that may wait until one of those ends
CONNECTIONS = 10
WAITING = 20
#: messages that may be open on one connection
DRAFTS = 32
#: seconds a connection may say nothing, and may last
IDLE_FOR = 300.0
LASTS_FOR = 3600.0
#: messages that one user may have open on all his connections, each with two files at most
OPEN_MESSAGES = 64
#: connections of all users together, and their open messages, and descriptors that they leave to the roles
TOTAL = 1000
RESERVE = 64
#: a connection idle for so long may be ended to make room for another user's
SHED_AFTER = 5.0


class Account:
    """One user's share."""

    __slots__ = ("bytes_max", "connections", "in_flight", "messages", "uid", "waiting")

    def __init__(self, uid: int, bytes_max: int = 0) -> None:
        """Begin with nothing in use; *bytes_max* bounds his messages that are not complete yet, 0 is no bound."""
        self.uid = uid
        self.bytes_max = bytes_max
        self.connections = 0
        self.in_flight = 0
        self.messages = 0
        self.waiting: list[tuple[socket.socket, float]] = []

    def is_unused(self) -> bool:
        """Can it be forgotten?"""
        return not self.connections and not self.waiting

    def may_send(self, count: int) -> bool:
        """Count bytes of an open message, if the user may send so many more."""
        if self.in_flight + count > self.bytes_max > 0:
            return False
        self.in_flight += count
        return True

    def ended(self, count: int) -> None:
        """A message with so many bytes is open no longer."""
        self.in_flight -= count

    def drop_waiting(self, older_than: float) -> None:
        """Close what has waited too long."""
        while self.waiting and self.waiting[0][1] < older_than:
            self.waiting.pop(0)[0].close()


def total_for(descriptors: int) -> int:
    """How many connections all users together may have, and how many open messages.

    *descriptors* is how many the process may have; a connection takes one and a message two.
    """
    return max(8, min(TOTAL, (descriptors - RESERVE) // 4))
