"""Packages of QMTP and QMQP, and a client in memory that sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtwisted.accept.gate import Client
from qtwisted.accept.qmqpd import QmqpReceiver
from qtwisted.accept.qmtpd import QmtpReceiver
from qtwisted.config.hosts import RcptHosts
from qtwisted.config.package_fields import QmtpdConfig
from qtwisted.store.kinds.memory import MemoryIntake
from qtwisted.wire.dialogue import CLOSE, DATA, SEND, Wait
from qtwisted.wire.netstring import netstring
from qtwisted.wire.qmqp import QmqpServer
from qtwisted.wire.qmtp import QmtpServer
from qtwisted.wire.smtp_events import Event, Recipient, Sender

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtwisted.model.reply import Reply
    from qtwisted.wire.package import PackageServer
    from qtwisted.wire.smtp_events import Receiver

AT = 1000000000
#: what the first message in memory is answered with
OK = b"19:Kok 1000000000 qp 1,"
NOT_OURS = b"66:Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1),"
CANNOT_HANDLE = b"46:Dsorry, I can't handle that recipient (#5.1.3),"
BAD_SENDER = b"29:Dunacceptable sender (#5.1.7),"
TOO_BIG = b"61:Dsorry, that message size exceeds my databytes limit (#5.3.4),"
BAD_ADDRESS = b"51:Dsorry, I can't accept addresses like that (#5.1.3),"


def listed(recipients: Iterable[bytes]) -> bytes:
    """Put recipients one behind the other."""
    return b"".join([netstring(recipient) for recipient in recipients])


def qmtp_package(
    message: bytes = b"\nhi\n", sender: bytes = b"s@x", recipients: Iterable[bytes] = (b"a@b",)
) -> bytes:
    """Write a package of QMTP; the message has the byte in front that says how its lines end."""
    return netstring(message) + netstring(sender) + netstring(listed(recipients))


def qmqp_package(
    message: bytes = b"hi\n", sender: bytes = b"s@x", recipients: Iterable[bytes] = (b"a@b",)
) -> bytes:
    """Write a package of QMQP."""
    return netstring(netstring(message) + netstring(sender) + listed(recipients))


class PackageTalk:
    """A client that talks to a core and its receiver."""

    def __init__(self, core: PackageServer, receiver: Receiver | None = None,
                 answers: dict[type[Event], Reply] | None = None) -> None:
        """Begin. Without a receiver every event is granted but those for which there is another answer."""
        self.core = core
        self.receiver = receiver
        self.answers = answers or {}
        self.events: list[Event] = []
        self.output = b""
        self.wait = DATA

    def say(self, data: bytes) -> bytes:
        """Send bytes; give all that was ever answered."""
        self.core.received(data)
        self.run()
        return self.output

    def say_bytewise(self, data: bytes) -> bytes:
        """Send bytes one by one."""
        for at in range(len(data)):
            self.say(data[at : at + 1])
        return self.output

    def run(self) -> None:
        """Let the core do what it can."""
        while True:
            event = self.core.next()
            if isinstance(event, Wait):
                self.output += self.core.take()
                self.wait = event
                if event is not SEND:
                    return
            elif self.receiver is None:
                self.events.append(event)
                if event.asks:
                    self.core.answer(self.answers.get(type(event)))
            else:
                reply = event.put_to(self.receiver)
                if event.asks:
                    self.core.answer(reply)  # type: ignore[arg-type]

    def lose(self) -> None:
        """Go away."""
        self.core.lost()
        self.run()

    @property
    def is_over(self) -> bool:
        """Did the server end the dialogue?"""
        return self.wait is CLOSE

    def names(self) -> list[str]:
        """Give the names of the events, equal neighbours once."""
        names = [type(event).__name__ for event in self.events]
        return [name for at, name in enumerate(names) if names[at - 1 : at] != [name]]

    def addresses(self) -> list[bytes]:
        """Give the sender and the recipients that were asked about."""
        return [event.address for event in self.events if isinstance(event, Sender | Recipient)]


class QmtpDesk:
    """A QMTP server in memory, with a queue in memory."""

    def __init__(self, rcpthosts: Iterable[bytes] | None = None, databytes: int = 0,
                 relay: bytes | None = None) -> None:
        """Serve a client that may relay where ``relay`` is given."""
        self.intake = MemoryIntake()
        self.alerts: list[str] = []
        config = QmtpdConfig(None, RcptHosts(rcpthosts), databytes, None, 0, 0)
        client = Client(ip=b"192.0.2.7", local=b"mx", relay=relay)
        receiver = QmtpReceiver(config, client, self.intake, lambda: AT, self.alerts.append)
        self.talk = PackageTalk(QmtpServer(databytes), receiver)

    @property
    def envelopes(self) -> list[tuple[bytes, tuple[bytes, ...]]]:
        """Give the envelopes that were queued."""
        return [tuple(message.envelope) for message in self.intake.messages]

    @property
    def texts(self) -> list[bytes]:
        """Give the messages that were queued, without the two lines of the Received field."""
        return [message.text.split(b"\n", 2)[2] for message in self.intake.messages]


class QmqpDesk(QmtpDesk):
    """A QMQP server in memory, with a queue in memory."""

    def __init__(self) -> None:
        """Serve a client."""
        self.intake = MemoryIntake()
        self.talk = PackageTalk(QmqpServer(), QmqpReceiver(Client(b"192.0.2.7"), self.intake, lambda: AT))
