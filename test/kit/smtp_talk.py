"""A talk with the client's core of SMTP, for its tests."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.dialogue import DATA, Wait
from qtwisted.wire.smtp_client import BodyWanted, Finished, Outcome, Ready, SmtpClient, Step, Transaction, Trouble

EHLO_OK = b"250-server\r\n250 8BITMIME\r\n"
ONE = Transaction(b"s@x", (b"r@d",))
THREE = Transaction(b"s@x", (b"r1@d", b"r2@d", b"r3@d"))
REPLIES = (b"220 s\r\n", EHLO_OK, b"250 s\r\n", b"250 r\r\n", b"354 go\r\n", b"250 done\r\n")
MESSAGE = b"Subject: x\n\nhi\n.dot\n..\n"
LINES = b"Subject: x\r\n\r\nhi\r\n..dot\r\n...\r\n.\r\n"


class Talk:
    """Drives a core through a dialogue and writes down what it says."""

    def __init__(self, transaction: Transaction = ONE, message: bytes = MESSAGE, extended: bool = True) -> None:
        """Have one transaction to give."""
        self.core = SmtpClient(b"mx.example.org", extended)
        self.said: list[bytes] = []
        self.outcomes: list[Outcome] = []
        self.todo: list[Transaction | None] = [transaction, None]
        self.message = message
        self.wait: Wait = DATA

    def hear(self, *replies: bytes) -> Talk:
        """Hear replies of the server, each after everything was said."""
        for reply in replies:
            self.core.received(reply)
            self.go_on()
        return self

    def go_on(self) -> None:
        """Deal with all events."""
        body = [self.message, b""]
        while not isinstance(event := self.core.next(), Wait):
            if isinstance(event, Ready):
                self.core.answer(self.todo.pop(0))
            elif isinstance(event, BodyWanted):
                self.core.answer(body.pop(0))
            elif isinstance(event, Finished):
                self.outcomes.append(event.outcome)
        self.wait = event
        words = self.core.take()
        if words:
            self.said.append(words)

    def lose(self) -> Talk:
        """Lose the connection."""
        self.core.lost()
        self.go_on()
        return self


class ClientCase(SynchronousTestCase):
    """Checks outcomes."""

    def check(
        self, talk: Talk, step: Step, code: int | None, *recipients: int, trouble: Trouble | None = None
    ) -> None:
        """The only outcome is this one."""
        [outcome] = talk.outcomes
        found = None if outcome.reply is None else outcome.reply.code
        codes = tuple(reply.code for reply in outcome.recipients)
        self.assertEqual((outcome.step, found, codes, outcome.trouble), (step, code, recipients, trouble))
