"""What the servers of QMTP and QMQP have in common: a message, a sender and recipients, in netstrings.

Both take a package: the text of a message comes first, then its sender, then its recipients. The events are those
of SMTP (``smtp_events``) in this order: BodyBegin, BodyPiece and so on, Sender, Recipient and so on, BodyEnd. An
answer is a Reply, of which class and text are told: K for 2yz, Z for 4yz, D for 5yz.

Rules this file keeps:

* One question at a time: while an event is unanswered nothing more is read.
* A message that was allowed to come ends with exactly one BodyEnd or BodyVoid. If the package is refused it is
  void at once; the rest of the package is still read, as its recipients have a right to answers.
* Nothing is said but answers. A peer that breaks the protocol is left without a word.
* Memory is bounded: one address, what the driver gave at once, and what the protocol in question adds.
* A Reply 421 ends the dialogue, without a word too: it stands for trouble of ours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from qtwisted.model.reply import Reply
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, SEND, Wait
from qtwisted.wire.netstring import NetstringError, Netstrings, netstring
from qtwisted.wire.smtp_events import BodyBegin, BodyEnd, BodyPiece, BodyVoid, Event, Recipient, Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: the longest address the servers take
ADDRESS_MAX = 999
#: output beyond this waits for the driver to send it
OUTPUT_MAX = 16 * 1024
#: exit code of a server that has trouble of its own
TROUBLE = 111

OK = Reply(250, b"ok")


def answer_string(reply: Reply) -> bytes:
    """Write an answer: a letter for its class, and its text."""
    if reply.is_ok:
        return netstring(b"K" + reply.text)
    return netstring((b"D" if reply.is_refusal else b"Z") + reply.text)


class State:
    """Where the dialogue stands, which says how the next bytes are read. They are listed below the class."""

    __slots__ = ("name", "read")

    def __init__(self, name: str, read: Callable[[PackageServer], Event | Wait]) -> None:
        """Take a name for people and the method that reads."""
        self.name = name
        self.read = read


class PackageServer(ABC):
    """The part of a server that both protocols share; it begins before a package."""

    def __init__(self) -> None:
        """Wait for a package."""
        self._state = START
        self._strings = Netstrings()
        self._asked: Event | None = None
        self._output = b""
        self._is_open = False
        #: why the package under way is refused as a whole
        self._refusal: Reply | None = None
        #: exit code of a program that has held this dialogue
        self.code = 0
        #: did the protocol bring the dialogue to its end?
        self.said_goodbye = False

    # The five methods of a core.

    def received(self, data: bytes) -> None:
        """Take bytes from the client; they are looked at when ``next()`` is called."""
        if self._state is not CLOSED:
            self._strings.add(data)

    def next(self) -> Event | Wait:
        """Give the next thing that came, or say what is needed first."""
        if self._asked is not None:
            return ANSWER
        if len(self._output) > OUTPUT_MAX:
            return SEND
        if self._is_open and self._refusal is not None:
            self._is_open = False
            return BodyVoid()
        try:
            event = self._state.read(self)
        except NetstringError as error:
            self._hang_up(error.code)
            event = self._state.read(self)
        if not isinstance(event, Wait) and event.asks:
            self._asked = event
            if isinstance(event, BodyEnd):
                self._is_open = False
        return event

    def answer(self, reply: Reply | None = None) -> None:
        """Say what was decided about the last event; None is yes."""
        event, self._asked = self._asked, None
        if event is None:
            return  # the client went away while we thought
        if reply is not None and reply.code == 421:
            self._hang_up(TROUBLE)
            return
        refusal = None if reply is None or reply.is_ok else reply
        if isinstance(event, BodyEnd):
            self._answer_end(OK if reply is None else reply)
        elif isinstance(event, Recipient):
            try:
                self._answer_recipient(refusal)
            except NetstringError as error:
                self._hang_up(error.code)
        elif refusal is None:
            self._is_open = self._is_open or isinstance(event, BodyBegin)
        else:
            self._refuse(refusal)

    def take(self) -> bytes:
        """Give the answers that have not been sent yet."""
        output, self._output = self._output, b""
        return output

    def lost(self) -> None:
        """The client is gone: a message under way is void, an unanswered question is forgotten."""
        self._asked = None
        self._state = CLOSED

    # What a driver may want to know or to end.

    def time_is_up(self) -> None:
        """End the dialogue because the client was too slow."""
        self._hang_up(TROUBLE)

    def shut_down(self) -> None:
        """End the dialogue because we have to go."""
        self._hang_up(TROUBLE)

    @property
    def is_idle(self) -> bool:
        """Is nothing half received?"""
        return self._state is START and self._strings.is_empty

    @property
    def in_body(self) -> bool:
        """Is a message coming in?"""
        return self._state is BODY

    @property
    def in_transaction(self) -> bool:
        """Has a package been begun and not been answered?"""
        return self._state is not START and self._state is not CLOSED

    # Readers, one per state.

    @abstractmethod
    def _read_start(self) -> Event | Wait:
        """Read what comes before the text."""

    def _read_body(self) -> Event | Wait:
        """Read the text of the message."""
        strings = self._strings
        while strings.left:
            piece = strings.piece()
            if not piece:
                return DATA
            text = self._text(piece, not strings.left)
            if self._is_open:
                if self._refusal is not None:
                    return self.next()
                if text:
                    return BodyPiece(text)
        if not strings.end():
            return DATA
        self._state = SENDER
        return self._read_sender()

    def _read_sender(self) -> Event | Wait:
        """Read the sender."""
        address = self._strings.string(ADDRESS_MAX)
        if address is None:
            return DATA
        self._state = RECIPIENTS
        if len(address) > ADDRESS_MAX or b"\0" in address:
            self._refuse(self._bad_sender)
            return self.next()
        return Sender(address, 0)

    @abstractmethod
    def _read_recipients(self) -> Event | Wait:
        """Read the recipients, then ask about the package or refuse it."""

    @abstractmethod
    def _read_answers(self) -> Event | Wait:
        """Say what was decided."""

    def _read_closed(self) -> Event | Wait:
        """Read nothing more; a message under way will not be completed."""
        if self._is_open:
            self._is_open = False
            return BodyVoid()
        return CLOSE

    # What the protocols do in their own way.

    #: what is said about a sender nobody can have
    _bad_sender: Reply

    def _text(self, piece: bytes, is_last: bool) -> bytes:
        """Give what is to be stored of a piece of the text; it may refuse the package."""
        return piece

    @abstractmethod
    def _answer_recipient(self, refusal: Reply | None) -> None:
        """Take the decision about a recipient; raise NetstringError if there are too many."""

    @abstractmethod
    def _answer_end(self, reply: Reply) -> None:
        """Take the decision about the package."""

    def _refuse(self, reply: Reply) -> None:
        """Refuse the package; what is said is the first reason."""
        if self._refusal is None:
            self._refusal = reply

    def _hang_up(self, code: int) -> None:
        """Read and say nothing more."""
        self.lost()
        self._strings.clear()
        self.code = code


START = State("start", lambda core: core._read_start())
BODY = State("body", lambda core: core._read_body())
SENDER = State("sender", lambda core: core._read_sender())
RECIPIENTS = State("recipients", lambda core: core._read_recipients())
ANSWERS = State("answers", lambda core: core._read_answers())
CLOSED = State("closed", lambda core: core._read_closed())
