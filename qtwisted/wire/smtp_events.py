"""What happens in an SMTP session, one class each, and the Receiver: the object that decides about it.

A core makes the events and waits for the answer to those that ask; a driver puts each to a receiver with
``event.put_to``. An application that wants to receive mail writes a Receiver and gives it to a driver.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.model.reply import Reply
    from qtwisted.wire.dialogue import Later, Line


class Receiver:
    """Decides about the mail of one SMTP session; as it is, it takes everything and keeps nothing.

    Every method may be overridden. Where one gives an answer, None is yes in the core's own words, a Reply
    with a 2yz code is yes in these words, any other Reply is no, and LATER puts the answer off: it is
    given later by ``self.line.answer(reply)``. A Reply 421 ends the session.
    """

    #: the driver of this session; set before ``connected`` where there is one that can wait
    line: Line

    def connected(self) -> Reply | Later | None:
        """Decide about the client, which has not been greeted yet."""
        return None

    def hello(self, name: bytes, extended: bool) -> Reply | Later | None:
        """Decide about HELO, or EHLO (``extended``); the transaction before it, if any, is over."""
        return None

    def sender(self, address: bytes, size: int) -> Reply | Later | None:
        """Decide about MAIL, which begins a transaction; ``size`` is what the client announced, or 0."""
        return None

    def recipient(self, address: bytes) -> Reply | Later | None:
        """Decide about one recipient."""
        return None

    def body_begin(self) -> Reply | Later | None:
        """Decide about DATA, given at least one accepted recipient."""
        return None

    def body_piece(self, data: bytes) -> None:
        """Take the next bytes of the message; lines end with LF."""

    def body_end(self) -> Reply | Later | None:
        """Decide about the message, which is complete. To say yes is to be responsible for it."""
        return None

    def body_void(self) -> None:
        """Forget the message under way, which is too long, looping, malformed or cut off."""

    def closed(self) -> None:
        """Learn that the session is over; always the last call."""


class Event:
    """Something a client did."""

    __slots__ = ()

    #: does it need an answer?
    asks = True

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Call the method of the receiver that is meant for it."""
        return None


class Connected(Event):
    """A client is there and waits for the greeting."""

    __slots__ = ()

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Ask about the client."""
        return receiver.connected()


class Hello(Event):
    """The client said HELO, or EHLO if ``extended``."""

    __slots__ = ("extended", "name")

    def __init__(self, name: bytes, extended: bool) -> None:
        """Take the whole argument as name."""
        self.name = name
        self.extended = extended

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Ask about the name."""
        return receiver.hello(self.name, self.extended)


class Sender(Event):
    """The client said MAIL."""

    __slots__ = ("address", "size")

    def __init__(self, address: bytes, size: int) -> None:
        """Take the unquoted address and the announced size, 0 if there is none."""
        self.address = address
        self.size = size

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Ask about the sender."""
        return receiver.sender(self.address, self.size)


class Recipient(Event):
    """The client said RCPT."""

    __slots__ = ("address",)

    def __init__(self, address: bytes) -> None:
        """Take the unquoted address."""
        self.address = address

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Ask about the recipient."""
        return receiver.recipient(self.address)


class BodyBegin(Event):
    """The client said DATA."""

    __slots__ = ()

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Ask whether the message may come."""
        return receiver.body_begin()


class BodyPiece(Event):
    """Some bytes of the message."""

    __slots__ = ("data",)

    asks = False

    def __init__(self, data: bytes) -> None:
        """Take the bytes as they are to be stored."""
        self.data = data

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Hand over the bytes."""
        receiver.body_piece(self.data)
        return None


class BodyEnd(Event):
    """The final dot came and nothing is wrong with the message."""

    __slots__ = ()

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Ask whether the message is taken."""
        return receiver.body_end()


class BodyVoid(Event):
    """The message under way will not be completed. A BodyBegin that was allowed ends so or with BodyEnd."""

    __slots__ = ()

    asks = False

    def put_to(self, receiver: Receiver) -> Reply | Later | None:
        """Say so."""
        receiver.body_void()
        return None
