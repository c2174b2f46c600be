"""Takes packages by QMTP or QMQP and hands their messages to the queue: what both servers share.

One receiver serves one connection. It writes the Received field and then the message into a draft as it comes, and
the envelope after it, as that comes; so a list of a million recipients is never in memory. The draft is committed
when the package is complete, and only what the queue answers is told the client as success.
"""

from __future__ import annotations

import os
import signal
import time

from qtwisted.accept import stdio
from qtwisted.accept.deadlines import Deadlines, Patience
from qtwisted.accept.smtpd import final_reply
from qtwisted.model import received
from qtwisted.model.reply import Reply
from qtwisted.wire.dialogue import LATER
from qtwisted.wire.package import TROUBLE
from qtwisted.wire.smtp_events import Receiver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from qtwisted.accept.gate import Client
    from qtwisted.model.submission import Result
    from qtwisted.store.interface import Draft, Intake
    from qtwisted.wire.dialogue import Later
    from qtwisted.wire.package import PackageServer

#: how long a connection may last, in seconds, whatever it does (qmail-qmtpd.c)
LASTS_FOR = 3600
#: records of the envelope are collected up to so many bytes
RECORDS_MAX = 16 * 1024
#: ends the dialogue without a word
HANG_UP = Reply(421, b"trouble (#4.3.0)")


class PackageReceiver(Receiver):
    """Puts the messages of one client into the queue. As it is, it takes every recipient."""

    #: the protocol, for the Received field
    word = b""

    def __init__(self, client: Client, intake: Intake, now: Callable[[], float]) -> None:
        """Take what the connection needs."""
        self._client = client
        self._intake = intake
        self._now = now
        self._draft: Draft | None = None
        self._records = bytearray()
        self._reply: Reply | None = None
        self._waits = False
        self._holds = False

    # What the driver asks (wire.smtp_events.Receiver).

    def body_begin(self) -> Reply | Later | None:
        """Begin a draft with our Received field."""
        client = self._client
        field = received.from_network(
            self.word, client.ip, client.host, client.info, None, client.local, int(self._now())
        )
        try:
            self._draft = self._intake.begin(self)
        except OSError:
            return HANG_UP
        self._draft.write(field)
        return None

    def body_piece(self, data: bytes) -> None:
        """Pass the bytes on."""
        if self._draft is not None:
            self._draft.write(data)

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
        """Commit; the answer is here already, or it is awaited."""
        if self._draft is None:
            return HANG_UP
        draft, self._draft = self._draft, None
        self._reply = None
        draft.envelope(bytes(self._records))
        draft.commit()
        self._waits = self._reply is None
        return self._reply or LATER

    def body_void(self) -> None:
        """Abandon the draft."""
        if self._draft is not None:
            self._draft.abandon()
            self._draft = None
        self.go_on()

    # What the draft tells.

    def stored(self, result: Result) -> None:
        """Answer the client: the message is in the queue, or why not."""
        self._reply = final_reply(result, int(self._now()))
        self.go_on()
        if self._waits:
            self._waits = False
            self.line.answer(self._reply)

    def hold(self) -> None:
        """Let no more input come; the queue cannot keep up."""
        self._holds = True
        self.line.hold()

    def go_on(self) -> None:
        """Let input come again. A draft that is settled holds nobody up, whether it says so or not."""
        if self._holds:
            self._holds = False
            self.line.go_on()

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
