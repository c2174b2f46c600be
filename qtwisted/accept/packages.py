"""Takes packages by QMTP or QMQP and hands their messages to the queue: what both servers share.

One receiver serves one connection. It writes the Received field and then the message into a draft as it comes, and
the envelope after it, as that comes; so a list of a million recipients is never in memory. The draft is committed
when the package is complete, and only what the queue answers is told the client as success.
"""

from __future__ import annotations

import os
import time

from qtwisted.accept import stdio
from qtwisted.accept.deadlines import Deadlines, Patience
from qtwisted.accept.handing import HandingReceiver
from qtwisted.model.reply import Reply
from qtwisted.system.signals import signal
from qtwisted.wire.package import TROUBLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from qtwisted.accept.gate import Client
    from qtwisted.store.interface import Intake
    from qtwisted.wire.dialogue import Later
    from qtwisted.wire.package import PackageServer

#: how long a connection may last, in seconds, whatever it does (qmail-qmtpd.c)
LASTS_FOR = 3600
#: records of the envelope are collected up to so many bytes
RECORDS_MAX = 16 * 1024
#: ends the dialogue without a word
HANG_UP = Reply(421, b"trouble (#4.3.0)")


class PackageReceiver(HandingReceiver):
    """Puts the messages of one client into the queue. As it is, it takes every recipient."""

    no_queue = HANG_UP

    def __init__(self, client: Client, intake: Intake, now: Callable[[], float]) -> None:
        """Take what the connection needs."""
        super().__init__(client, intake, now)
        self._records = bytearray()

    # What the driver asks (wire.smtp_events.Receiver).

    def sender(self, address: bytes, size: int) -> Reply | Later | None:
        """Begin the envelope."""
        self._records.clear()
        self._record(b"F" + address)
        return None

    def recipient(self, address: bytes) -> Reply | Later | None:
        """Go on with the envelope."""
        self._record(b"T" + address)
        return None

    def body_end(self) -> Reply | Later | None:
        """Send the rest of the envelope and commit."""
        if self._draft is not None:
            self._draft.envelope(bytes(self._records))
        return self.commit()

    def _record(self, record: bytes) -> None:
        """Add to the envelope of the draft, if there is one still."""
        if self._draft is None:
            return
        self._records += record + b"\0"
        if len(self._records) > RECORDS_MAX:
            self._draft.envelope(bytes(self._records))
            self._records.clear()


def serve(core: PackageServer, receiver: PackageReceiver) -> int:
    """Serve the client on descriptors 0 and 1; give the exit code."""

    def time_is_up(number: int, frame: FrameType | None) -> None:
        """End at once; the queue drops what is not complete."""
        os._exit(TROUBLE)

    signal.signal(signal.SIGALRM, time_is_up)
    signal.alarm(LASTS_FOR)
    patience = Patience(Deadlines(LASTS_FOR, 0, 0), time.monotonic())
    stdio.converse(core, receiver, stdio.Wire(0, 1, LASTS_FOR), patience)
    return core.code
