"""SMTP outcome: what a client is asked to send, and what it says became of that."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from qtwisted.wire.peer_reply import PeerReply


class Step(enum.Enum):
    """The steps of the dialogue at which a message can come to rest."""

    GREETING = "greeting"
    HELLO = "hello"
    LOGIN = "login"
    MAIL = "mail"
    RECIPIENTS = "recipients"
    DATA = "data"
    MESSAGE = "message"


class Trouble(enum.Enum):
    """Why a dialogue ended without a reply to its last step."""

    DIED = "the connection was lost"
    DIED_UNANSWERED = "the connection was lost after the message was sent, before the reply"
    SPOKE_EARLY = "the server spoke when nothing was asked"
    UNREADABLE = "we could not read the message"
    NOT_OFFERED = "the sender needs SMTPUTF8, which the server does not offer"
    NOT_SECURED = "there was to be TLS, and there is none"
    NO_LOGIN = "we have a login, and the server offers no way to use it"


#: Stands for the reply to a recipient that was not named to the server, because it does not offer SMTPUTF8.
NOT_OFFERED = PeerReply(0, b"")


class Transaction(NamedTuple):
    """One sender and the recipients of one message, as raw envelope addresses; and what the server is told of
    the message in advance: its size, if that is known, and whether it may have bytes beyond ASCII.
    """

    sender: bytes
    recipients: tuple[bytes, ...]
    size: int | None = None
    is_eight_bit: bool = False


class Outcome(NamedTuple):
    """What became of a transaction: the step it reached, the reply there or the trouble, and the replies to
    its recipients as far as they were named.

    ``security`` says how the connection was protected, or why it could not be; ``in_clear`` says why there is
    no TLS where it was tried before.
    """

    step: Step
    reply: PeerReply | None
    trouble: Trouble | None
    recipients: tuple[PeerReply, ...]
    security: bytes = b""
    in_clear: bytes = b""

    @property
    def accepted(self) -> bool:
        """Tell whether the server took the message for the recipients it accepted."""
        if self.step is not Step.MESSAGE or self.trouble is not None or self.reply is None:
            return False
        return self.reply.accepts


class HandshakeWanted(NamedTuple):
    """Nothing more goes over the connection before TLS."""


class Ready(NamedTuple):
    """The server waits for a transaction; ``extensions`` says what it offers, keyword to parameters."""

    extensions: Mapping[bytes, bytes]


class BodyWanted(NamedTuple):
    """The server waits for the message."""


class Finished(NamedTuple):
    """A transaction is over."""

    outcome: Outcome


Question = HandshakeWanted | Ready | BodyWanted
Event = Question | Finished
