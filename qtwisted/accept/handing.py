"""Hands the messages of one client to the queue: what the receivers of all protocols share.

The Received field and then the message go into a draft as they come. The client is told of success only when the
queue has answered that the message is safe; the answer may come at once, or later.
"""

from __future__ import annotations

from qtwisted.model import received
from qtwisted.model.reply import Reply
from qtwisted.wire.dialogue import LATER
from qtwisted.wire.smtp_events import Receiver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.accept.gate import Client
    from qtwisted.model.envelope import Envelope
    from qtwisted.model.submission import Result
    from qtwisted.store.interface import Draft, Intake
    from qtwisted.wire.dialogue import Later

#: what cannot stand in one line of a reply
_TO_BLANK = bytes.maketrans(b"\r\n\0", b"   ")


def final_reply(result: Result, at: int) -> Reply:
    """Tell the client how handing over its message ended (qmail-smtpd.c acceptmessage)."""
    if result.ok:
        return Reply(250, b"ok %d qp %d" % (at, result.qp))
    return Reply(554 if result.is_permanent else 451, result.problem[1:].translate(_TO_BLANK))


class HandingReceiver(Receiver):
    """Puts the messages of one client into the queue; a protocol says when, and for whom."""

    #: the protocol, for the Received field
    word = b""
    #: what is answered where the queue cannot be reached at all
    no_queue: Reply

    def __init__(self, client: Client, intake: Intake, now: Callable[[], float]) -> None:
        """Take what the connection needs."""
        self._client = client
        self._intake = intake
        self._now = now
        self._helo: bytes | None = None
        self._draft: Draft | None = None
        self._reply: Reply | None = None
        self._waits = False
        self._holds = False

    # What the session asks (wire.smtp_events.Receiver).

    def body_begin(self) -> Reply | Later | None:
        """Begin a draft with our Received field."""
        client = self._client
        field = received.from_network(
            self.word, client.ip, client.host, client.info, self._helo, client.local, int(self._now())
        )
        try:
            self._draft = self._intake.begin(self)
        except OSError:
            return self.no_queue
        self._draft.write(field)
        return None

    def body_piece(self, data: bytes) -> None:
        """Pass the bytes on."""
        if self._draft is not None:
            self._draft.write(data)

    def body_void(self) -> None:
        """Abandon the draft."""
        if self._draft is not None:
            self._draft.abandon()
            self._draft = None
        self.go_on()

    def commit(self, envelope: Envelope | None = None) -> Reply | Later:
        """Commit the draft; the answer is here already, or it is awaited."""
        if self._draft is None:
            return self.no_queue
        draft, self._draft = self._draft, None
        self._reply = None
        draft.commit(envelope)
        self._waits = self._reply is None
        return self._reply or LATER

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
