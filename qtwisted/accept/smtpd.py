"""Takes mail by SMTP and hands it to the queue: what qmail-smtpd decides, apart from the protocol itself.

One receiver serves one session. It asks the gate about each recipient, writes the Received field and then the
message into a draft as it comes, and commits the draft with the envelope. It says ``250 ok T qp P`` only
when the queue has answered that the message is safe.

The queue's answer may come at once, or later.
"""

from __future__ import annotations

from qtwisted.accept import gate
from qtwisted.config.control import ControlError
from qtwisted.model import received
from qtwisted.model.envelope import Envelope
from qtwisted.model.reply import Reply
from qtwisted.wire import smtp_replies
from qtwisted.wire.dialogue import LATER
from qtwisted.wire.smtp_events import Receiver
from qtwisted.wire.smtp_verbs import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.config.fields import SmtpdConfig
    from qtwisted.model.submission import Result
    from qtwisted.store.interface import Draft, Intake
    from qtwisted.wire.dialogue import Later

#: what cannot stand in one line of a reply
_TO_BLANK = bytes.maketrans(b"\r\n\0", b"   ")


def settings(
    config: SmtpdConfig, localise: Callable[[bytes], bytes] | None, databytes: int | None = None
) -> Settings:
    """Tell the core what it has to know; ``databytes`` replaces the number of the control file."""
    return Settings(
        greeting=config.greeting,
        databytes=config.databytes if databytes is None else databytes,
        maxrcpt=config.maxrcpt,
        helolines=bool(config.helolines),
        errors=config.maxerrors,
        idle_commands=config.maxjunk,
        localise=localise,
    )


def final_reply(result: Result, at: int) -> Reply:
    """Tell the client how handing over its message ended (qmail-smtpd.c acceptmessage)."""
    if result.ok:
        return Reply(250, b"ok %d qp %d" % (at, result.qp))
    return Reply(554 if result.is_permanent else 451, result.problem[1:].translate(_TO_BLANK))


class QueueReceiver(Receiver):
    """Decides about one client's mail and puts it into the queue."""

    def __init__(
        self,
        config: SmtpdConfig,
        client: gate.Client,
        intake: Intake,
        now: Callable[[], float],
        refusal: Reply | None = None,
        alert: Callable[[str], None] | None = None,
    ) -> None:
        """Take what the session needs; ``refusal`` sends the client away, ``alert`` tells the operator."""
        self._config = config
        self._client = client
        self._intake = intake
        self._now = now
        self._refusal = refusal
        self._alert = alert
        self._helo: bytes | None = None
        self._sender = b""
        self._recipients: list[bytes] = []
        self._draft: Draft | None = None
        self._reply: Reply | None = None
        self._waits = False
        self._holds = False

    # What the session asks (wire.smtp_events.Receiver).

    def connected(self) -> Reply | Later | None:
        """Send the client away if it must not come in."""
        return self._refusal

    def hello(self, name: bytes, extended: bool) -> Reply | Later | None:
        """Keep the name for the Received field."""
        self._helo = name
        return None

    def sender(self, address: bytes, size: int) -> Reply | Later | None:
        """Keep the sender; a bad one is refused at RCPT."""
        self._sender = address
        self._recipients = []
        return None

    def recipient(self, address: bytes) -> Reply | Later | None:
        """Ask the gate."""
        try:
            refusal = gate.may_send(self._config, self._client, self._sender, address)
        except ControlError as error:
            if self._alert is not None:
                self._alert(str(error))
            return smtp_replies.NO_CONTROLS
        if refusal is None:
            self._recipients.append(address + (self._client.relay or b""))
        return refusal

    def body_begin(self) -> Reply | Later | None:
        """Begin a draft with our Received field."""
        client = self._client
        field = received.from_network(
            b"SMTP", client.ip, client.host, client.info, self._helo, client.local, int(self._now())
        )
        try:
            self._draft = self._intake.begin(self)
        except OSError:
            return smtp_replies.NO_QUEUE
        self._draft.write(field)
        return None

    def body_piece(self, data: bytes) -> None:
        """Pass the bytes on."""
        if self._draft is not None:
            self._draft.write(data)

    def body_end(self) -> Reply | Later | None:
        """Commit; the answer is here already, or it is awaited."""
        if self._draft is None:
            return smtp_replies.NO_QUEUE
        draft, self._draft = self._draft, None
        self._reply = None
        draft.commit(Envelope(self._sender, tuple(self._recipients)))
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
