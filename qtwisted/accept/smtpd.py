"""Takes mail by SMTP and hands it to the queue: what qmail-smtpd decides, apart from the protocol itself.

One receiver serves one session. It asks the gate about each recipient, writes the Received field and then the
message into a draft as it comes, and commits the draft with the envelope. It says ``250 ok T qp P`` only
when the queue has answered that the message is safe.

The queue's answer may come at once, or later.
"""

from __future__ import annotations

from qtwisted.accept import gate
from qtwisted.accept.handing import HandingReceiver
from qtwisted.config.control import ControlError
from qtwisted.model.envelope import Envelope
from qtwisted.model.reply import Reply
from qtwisted.wire import smtp_replies
from qtwisted.wire.smtp_verbs import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.config.fields import SmtpdConfig
    from qtwisted.store.interface import Intake
    from qtwisted.wire.dialogue import Later


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


class QueueReceiver(HandingReceiver):
    """Decides about one client's mail and puts it into the queue."""

    word = b"SMTP"
    no_queue = smtp_replies.NO_QUEUE

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
        super().__init__(client, intake, now)
        self._config = config
        self._refusal = refusal
        self._alert = alert
        self._sender = b""
        self._recipients: list[bytes] = []

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

    def body_end(self) -> Reply | Later | None:
        """Commit with the envelope."""
        return self.commit(Envelope(self._sender, tuple(self._recipients)))
