"""An application takes mail by SMTP without the queue: the example of the manual, run."""

from __future__ import annotations

from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

# The example begins here.
from qtwisted.accept.session import Session
from qtwisted.model.reply import Reply
from qtwisted.wire.smtp_events import Receiver
from qtwisted.wire.smtp_server import SmtpServer
from qtwisted.wire.smtp_verbs import Settings


class Inbox(Receiver):
    """Takes mail for one domain and keeps it in a list."""

    messages: list[bytes] = []

    def recipient(self, address: bytes) -> Reply | None:
        """Take recipients of our domain only."""
        return None if address.endswith(b"@example.org") else Reply(550, b"5.1.1 not here")

    def body_begin(self) -> None:
        """Begin to collect."""
        self.pieces: list[bytes] = []

    def body_piece(self, data: bytes) -> None:
        """Collect."""
        self.pieces.append(data)

    def body_end(self) -> Reply:
        """Keep the message, and say so."""
        self.messages.append(b"".join(self.pieces))
        return Reply(250, b"2.0.0 got it")


def session() -> Session:
    """Make one session; ``endpoint.listen(Factory.forProtocol(session))`` serves a port."""
    return Session(SmtpServer(Settings(b"mail.example.org", databytes=1000000)), Inbox())


# The example ends here.


class EmbeddingTests(SynchronousTestCase):
    """The example works."""

    def test_example(self) -> None:
        """A message for us is kept, one for others is refused."""
        clock = Clock()
        self.patch(Inbox, "messages", [])
        protocol = Factory.forProtocol(session).buildProtocol(None)
        assert isinstance(protocol, Session)
        protocol._clock = clock
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(
            b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n"
            b"Subject: hello\r\n\r\n..\r\n.\r\nQUIT\r\n"
        )
        self.assertEqual(
            transport.value(),
            b"220 mail.example.org ESMTP\r\n"
            b"250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
            b"250 ok\r\n550 5.1.1 not here\r\n250 ok\r\n354 go ahead\r\n250 2.0.0 got it\r\n221 mail.example.org\r\n",
        )
        self.assertEqual(Inbox.messages, [b"Subject: hello\n\n.\n"])
        self.assertTrue(transport.disconnecting)
        protocol.connectionLost()
