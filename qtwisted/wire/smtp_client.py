"""SMTP client: the dialogue that hands messages to a server, as a core without socket or clock.

A driver gives it the bytes that arrive, asks for the next event, answers questions and writes what
:meth:`SmtpClient.take` returns::

    core = SmtpClient(b"client.example")
    core.received(b"220 server\\r\\n")
    core.next()          # DATA, wait for more bytes: EHLO is ready in core.take()

Events:

``HandshakeWanted``  answer with bytes that say how the connection is protected, once it is, or call ``unsecured``
``Ready``            greeted, nothing under way: answer with a Transaction, or with None to say QUIT
``BodyWanted``       the server said 354: answer with a piece of the message, with b"" at its end, or with None
                     when it cannot be read any more
``Finished``         what became of a transaction (or of the greeting); no answer is wanted

After the last event ``next()`` says CLOSE; ``take()`` then gives QUIT, or nothing if that would be of no use.

Rules the file keeps:

* Commands go out one at a time, each after the full reply to the one before (RFC 5321 4.1.1); where the server
  offers PIPELINING, those of a transaction up to DATA go out together (RFC 2920).
* A reply counts only if a command that was taken waits for it. Anything else the server says ends the
  session, so that no reply is ever taken for the answer to another question.
* What the server said before TLS is forgotten, and it may not say anything between its 220 and the handshake
  (RFC 3207 4.2).
* A login is not said in clear, except where TLS is not wanted at all.
* Only 2yz is success, only 354 is the go-ahead for the message (RFC 5321 4.2). What is neither 4yz nor 5yz
  nor expected is a temporary failure.
* CR and LF leave only as CRLF, and a dot at the start of a line is doubled (RFC 5321 2.3.8, 4.5.2).
* Of a reply at most 5000 bytes are kept, and after 64 KiB the server is not listened to any longer.

Unlike 1.02: the client says EHLO first and falls back to HELO when a server answers EHLO with 5xx.

Unlike 1.02: PIPELINING is used where it is offered, and several messages may go over one connection.

Unlike 1.02: STARTTLS is used where it is offered, or demanded.

Unlike 1.02: after MAIL, RCPT and the message only 2yz is success, and after DATA only 354; other codes below 400
and above 599 put the mail off.

Unlike 1.02: a reply that nobody asked for puts the mail off; it is not taken for the answer to the next command.

Unlike 1.02: an address in UTF-8 is sent to a server that offers SMTPUTF8, and refused if the server does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from qtwisted.model.login import Login
from qtwisted.wire.dots import DotStuffing
from qtwisted.wire.peer_reply import PeerReply
from qtwisted.wire.smtp_commands import can_say, mail_from, needs_utf8, rcpt_to, speakable
from qtwisted.wire.smtp_opening import Opening, State, Tls
from qtwisted.wire.smtp_outcome import (
    NOT_OFFERED,
    BodyWanted,
    Finished,
    HandshakeWanted,
    Outcome,
    Ready,
    Step,
    Transaction,
    Trouble,
)

__all__ = [
    "NOT_OFFERED", "BodyWanted", "Finished", "HandshakeWanted", "Login", "Outcome", "PeerReply", "Ready",
    "SmtpClient", "State", "Step", "Tls", "Transaction", "Trouble", "needs_utf8", "speakable",
]


class SmtpClient(Opening):
    """The client's side of SMTP: see the module for its events and rules."""

    def __init__(
        self,
        helo: bytes,
        extended: bool = True,
        tls: Tls = Tls.NEVER,
        login: Login | None = None,
        in_clear: bytes = b"",
    ) -> None:
        """Name ourselves ``helo``; where not ``extended``, say HELO at once.

        ``in_clear`` goes into every outcome: why TLS is not wanted, where it was tried before.
        """
        super().__init__(helo, extended, tls, login, in_clear)
        self._script: deque[tuple[State, bytes]] = deque()
        self._transaction = Transaction(b"", ())
        self._is_clean = True
        self._decided: tuple[Step, PeerReply | None] | None = None
        self._stuffing = DotStuffing()

    def answer(self, given: Transaction | bytes | None) -> None:
        """Answer the last question: a Transaction or None to ``Ready``, bytes or None to ``BodyWanted``, bytes to
        ``HandshakeWanted``.
        """
        question = self._question
        if isinstance(question, HandshakeWanted) and isinstance(given, bytes):
            self._secured(given)
        elif isinstance(question, Ready) and isinstance(given, Transaction):
            self._begin(given)
        elif isinstance(question, Ready) and given is None:
            self._quit()
        elif isinstance(question, BodyWanted) and isinstance(given, bytes):
            self._body(given)
        elif isinstance(question, BodyWanted) and given is None:
            self._break(Trouble.UNREADABLE)
        else:
            raise ValueError("that is no answer to the last question")

    def _heard(self, state: State, reply: PeerReply) -> None:
        """Deal with the reply that was awaited in this state."""
        answered = _ON_REPLY.get(state)
        if answered is None:
            super()._heard(state, reply)
        else:
            answered(self, reply)

    def _break(self, trouble: Trouble, reply: PeerReply | None = None) -> None:
        """End the session; what became of the transaction may be known before all its replies have come."""
        if self._decided is not None and trouble is Trouble.DIED:
            self._outcome(*self._decided)
            self._state = State.READY
        super()._break(trouble, reply)

    def _begin(self, transaction: Transaction) -> None:
        """Open a transaction, if its addresses can be said to this server."""
        addresses = (transaction.sender, *transaction.recipients)
        if len(addresses) < 2 or not all(map(speakable, addresses)):
            raise ValueError("an address that cannot be sent by SMTP")
        self._question = None
        self._transaction, self._answers, self._decided = transaction, (), None
        self._stuffing = DotStuffing()
        if can_say(transaction.sender, self._extensions):
            self._script.extend(self._commands())
            self._go_on()
        else:
            self._outcome(Step.MAIL, None, Trouble.NOT_OFFERED)
            self._ask(State.READY, Ready(self._extensions))

    def _commands(self) -> Iterator[tuple[State, bytes]]:
        """Give the commands of the transaction. RSET ends what is left of the one before (RFC 5321 4.1.1.5)."""
        if not self._is_clean:
            yield State.RSET, b"RSET"
        yield State.MAIL, mail_from(self._transaction, self._extensions)
        named = [name for name in self._transaction.recipients if can_say(name, self._extensions)]
        for recipient in named:
            yield State.RCPT, rcpt_to(recipient)
        if named:
            yield State.DATA, b"DATA"

    def _go_on(self) -> None:
        """Wait for the next reply, or end the transaction, or say what comes next."""
        if self._awaited:
            self._state = self._awaited[0]
        elif self._decided is not None:
            self._outcome(*self._decided)
            self._decided = None
            self._ask(State.READY, Ready(self._extensions))
        else:
            self._is_clean = False
            self._say(*self._script.popleft())
            while self._script and b"PIPELINING" in self._extensions:
                self._say(*self._script.popleft())

    def _decide(self, step: Step, reply: PeerReply | None) -> None:
        """Know what becomes of the transaction; what was said in advance still has its replies to come."""
        self._decided = (step, reply)
        self._script.clear()

    def _reset_answered(self, reply: PeerReply) -> None:
        """Go on; a server that does not even forget is not talked to."""
        if reply.accepts:
            self._go_on()
        else:
            self._break(Trouble.DIED, reply)

    def _sender_answered(self, reply: PeerReply) -> None:
        """Go on to the recipients, if the sender was accepted."""
        if reply.accepts:
            self._pass_over()
        else:
            self._decide(Step.MAIL, reply)
        self._go_on()

    def _recipient_answered(self, reply: PeerReply) -> None:
        """Remember what the server said to this recipient; it means nothing if the sender was refused."""
        if self._decided is None:
            self._answers += (reply,)
            self._pass_over()
        self._go_on()

    def _pass_over(self) -> None:
        """Answer for recipients that were not named; after the last see whether any was accepted."""
        recipients = self._transaction.recipients
        while len(self._answers) < len(recipients):
            if can_say(recipients[len(self._answers)], self._extensions):
                return
            self._answers += (NOT_OFFERED,)
        if not any(reply.accepts for reply in self._answers):
            self._decide(Step.RECIPIENTS, None)

    def _data_answered(self, reply: PeerReply) -> None:
        """Ask the driver for the message, if the server wants it; one that wants it for nobody gets none."""
        if reply.code != 354:
            if self._decided is None:
                self._decide(Step.DATA, reply)
            self._go_on()
        elif self._decided is None:
            self._ask(State.BODY, BodyWanted())
        else:
            self._say(State.NO_BODY, b".")

    def _body(self, piece: bytes) -> None:
        """Say a piece of the message, or end it."""
        if piece:
            self._output.append(self._stuffing.convert(piece))
            self._ask(State.BODY, BodyWanted())
        else:
            self._state, self._question = State.DOT, None
            self._output.append(self._stuffing.finish())
            self._said.append(State.DOT)

    def _message_answered(self, reply: PeerReply) -> None:
        """The server has decided."""
        self._is_clean = reply.accepts
        self._decide(Step.MESSAGE, reply)
        self._go_on()

    def _nothing_answered(self, reply: PeerReply) -> None:
        """Whatever the server says to no message is no success."""
        self._go_on()


_ON_REPLY: dict[State, Callable[[SmtpClient, PeerReply], None]] = {
    State.RSET: SmtpClient._reset_answered,
    State.MAIL: SmtpClient._sender_answered,
    State.RCPT: SmtpClient._recipient_answered,
    State.DATA: SmtpClient._data_answered,
    State.DOT: SmtpClient._message_answered,
    State.NO_BODY: SmtpClient._nothing_answered,
}
