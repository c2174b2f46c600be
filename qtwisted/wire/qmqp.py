"""QMQP, the Quick Mail Queueing Protocol: one message to a host that queues it, one answer, and that is all.

What the client sends is one netstring. In it are, as netstrings, the message, the sender and each recipient; the
message is sent as it is stored, lines ending with LF. The answer is a netstring that begins with K, Z or D, for the
message and all its recipients. Rules this file keeps:

* The server asks about each address, but a single one that cannot be used makes it refuse the whole message, when
  it has read all of it.
* A message may have no recipients, and no text.
* The server reads nothing behind the outer netstring, and answers only after its comma.
* The client takes the first K, Z or D for the answer, wherever it stands (qmail-qmqpc.c doit).

The protocol: https://cr.yp.to/proto/qmqp.html.
"""

from __future__ import annotations

from qtwisted.model.reply import Reply
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, SEND, Wait
from qtwisted.wire.package import ADDRESS_MAX, ANSWERS, BODY, CLOSED, OUTPUT_MAX, PackageServer, answer_string
from qtwisted.wire.smtp_events import BodyBegin, BodyEnd, Event, Recipient

BAD_ADDRESS = Reply(553, b"sorry, I can't accept addresses like that (#5.1.3)")

_LETTERS = b"KZD"


class QmqpServer(PackageServer):
    """One QMQP connection as the server sees it."""

    _bad_sender = BAD_ADDRESS

    def _read_start(self) -> Event | Wait:
        """Read the length of all and that of the message."""
        strings = self._strings
        if not strings.is_inside:
            if strings.begin() is None:
                return DATA
            strings.enter()
        if strings.begin() is None:
            return DATA
        self._state = BODY
        return BodyBegin()

    def _read_recipients(self) -> Event | Wait:
        """Read recipients to the end of all."""
        strings = self._strings
        while strings.has_more:
            address = strings.string(ADDRESS_MAX)
            if address is None:
                return DATA
            if len(address) <= ADDRESS_MAX and b"\0" not in address:
                return Recipient(address)
            self._refuse(BAD_ADDRESS)
            if self._is_open:
                return self.next()
        if not strings.leave():
            return DATA
        self._state = ANSWERS
        if self._refusal is None:
            return BodyEnd()
        self._answer_end(self._refusal)
        return self.next()

    def _read_answers(self) -> Event | Wait:
        """End the dialogue after the answer."""
        self.said_goodbye = True
        self._state = CLOSED
        return CLOSE

    def _answer_recipient(self, refusal: Reply | None) -> None:
        """Refuse the message if a recipient is refused."""
        if refusal is not None:
            self._refuse(refusal)

    def _answer_end(self, reply: Reply) -> None:
        """Give the answer."""
        self._output += answer_string(reply)


class ContentWanted:
    """The client's event: the next piece of what is in the outer netstring must be given; b"" if there is none."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show the name."""
        return "ContentWanted()"


class Answered:
    """The client's event: the server answered with this letter."""

    __slots__ = ("letter",)

    def __init__(self, letter: bytes) -> None:
        """Take K, Z or D."""
        self.letter = letter

    def __repr__(self) -> str:
        """Show the letter."""
        return f"Answered({self.letter!r})"


class QmqpClient:
    """One QMQP connection as the client sees it. If it ends without Answered nobody knows what became of the mail."""

    def __init__(self, size: int) -> None:
        """Send a package whose netstrings take ``size`` bytes."""
        self._left = size
        self._output = b"%d:" % size
        self._asked = False
        self._is_sent = False
        self._answer = b""
        self._is_over = False

    def received(self, data: bytes) -> None:
        """Take bytes from the server: only a letter counts."""
        if not self._answer:
            rest = data.lstrip(bytes(byte for byte in range(256) if byte not in _LETTERS))
            self._answer = rest[:1]

    def next(self) -> ContentWanted | Answered | Wait:
        """Ask for content, tell the answer, or say what is needed first."""
        if self._asked:
            return ANSWER
        if self._is_over:
            return CLOSE
        if self._answer:
            self._is_over = True
            return Answered(self._answer)
        if self._is_sent:
            return DATA
        if len(self._output) > OUTPUT_MAX:
            return SEND
        self._asked = True
        return ContentWanted()

    def answer(self, piece: bytes) -> None:
        """Give content: never more than was announced; if less, the dialogue ends and the server queues nothing."""
        self._asked = False
        self._left -= len(piece)
        if self._left < 0 or not piece:
            self.lost()
            return
        self._output += piece
        if not self._left:
            self._output += b","
            self._is_sent = True

    def take(self) -> bytes:
        """Give the bytes to send now."""
        output, self._output = self._output, b""
        return output

    def lost(self) -> None:
        """The server is gone."""
        self._asked = False
        self._is_over = True
        self._output = b""
