"""Lets callers in on HOME/run/send.sock: root, the user of qmail-send, and the owner of the home; nobody else.

The socket is closed to others already; who calls is asked of the kernel all the same.
"""

from __future__ import annotations

import os

from qtwisted.schedule.requests.connection import Connection
from qtwisted.store.acceptor import Acceptor, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from qtwisted.schedule.requests.acts import Acts

#: callers served at the same time
CALLERS_MAX = 64

ONLY = "only root and the owner of the home may ask"
TOO_MANY = "too many callers"


class Reception:
    """The callers that are here."""

    def __init__(self, reactor: Any, acts: Acts, home: str, uid: int) -> None:
        """Serve the scheduler of *home*, which runs as user *uid*."""
        self._reactor = reactor
        self._acts = acts
        self._allowed = {0, uid, os.stat(home).st_uid}
        self._callers: set[Connection] = set()

    def listen(self, fd: int) -> None:
        """Take callers from a listening socket."""
        Acceptor(self._reactor, fd, "control", self.came)

    def came(self, connection: socket.socket, uid: int) -> None:
        """Greet a caller, or tell him why he is not served."""
        refused = ONLY if uid not in self._allowed else TOO_MANY if len(self._callers) >= CALLERS_MAX else ""
        greeting = {"refused": refused} if refused else self._acts.greeting()
        caller = Connection(self._reactor, self, uid, greeting, is_allowed=not refused)
        self._callers.add(caller)
        serve(self._reactor, connection, caller)

    def ask(self, words: list[bytes], answer: Connection) -> None:
        """Pass on a request."""
        self._acts.ask(words, answer)

    def left(self, connection: Connection) -> None:
        """Hear that a caller has gone."""
        self._callers.discard(connection)
