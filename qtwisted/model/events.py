"""What happens in qmail-send, as its log tells it: one class for each line, without its LF.

Log analysers read these lines, so they are qmail's to the byte. Text of others is made ``logsafe`` first.
What goes wrong has its classes in ``alerts``.
"""

from __future__ import annotations

from qtwisted.model.logline import logsafe


class Event:
    """Something that happened; two events are equal if their lines are."""

    __slots__ = ()
    words = b""

    def line(self) -> bytes:
        """Write the event as qmail does; what has nothing to add is always told in the same words."""
        return self.words

    def __eq__(self, other: object) -> bool:
        """Compare what the log would show."""
        return isinstance(other, Event) and self.line() == other.line()

    def __hash__(self) -> int:
        """Hash what the log would show."""
        return hash(self.line())

    def __repr__(self) -> str:
        """Show the line to people."""
        return f"<{type(self).__name__} {self.line().decode('ascii', 'replace')}>"


class OfMessage(Event):
    """An event whose line ends with the number of a message."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        """Take the number of the message."""
        self.number = number

    def line(self) -> bytes:
        """Write the words and the number."""
        return b"%s%d" % (self.words, self.number)


class AboutFile(Event):
    """Trouble with one file of the queue, named as ``mess/14/2318345``."""

    __slots__ = ("file",)
    then = b""

    def __init__(self, file: bytes) -> None:
        """Take the name of the file."""
        self.file = file

    def line(self) -> bytes:
        """Write what was tried, the file, and what will be done about it."""
        return b"%s%s%s" % (self.words, self.file, self.then)


# The state of qmail-send


class Status(Event):
    """How many deliveries run and may run, told at start and after each start and end of a delivery."""

    __slots__ = ("local", "local_limit", "remote", "remote_limit", "is_exiting")

    def __init__(
        self, local: int, local_limit: int, remote: int, remote_limit: int, is_exiting: bool = False
    ) -> None:
        """Take both channels' deliveries in flight and limits, and whether no more will be started."""
        self.local = local
        self.local_limit = local_limit
        self.remote = remote
        self.remote_limit = remote_limit
        self.is_exiting = is_exiting

    def line(self) -> bytes:
        """Write both channels."""
        counts = (self.local, self.local_limit, self.remote, self.remote_limit)
        return b"status: local %d/%d remote %d/%d" % counts + (b" exitasap" if self.is_exiting else b"")


class Exiting(Event):
    """The last line."""

    __slots__ = ()
    words = b"status: exiting"


class Paused(Event):
    """An administrator has stopped the start of deliveries.

    Unlike 1.02: ``qmailctl pause`` does this, and qmail-send says so; a stopped process could not.
    """

    __slots__ = ()
    words = b"qmailctl: paused: no delivery starts until cont"


class WentOn(Event):
    """An administrator lets deliveries start again."""

    __slots__ = ()
    words = b"qmailctl: going on"


class Wished(Event):
    """An administrator has something done with a message.

    Unlike 1.02: lines that begin with ``qmailctl:`` tell what an administrator did with qmailctl; programs that read
    the log pass them over. A message that was returned or deleted ends with the usual line.
    """

    __slots__ = ("number", "uid", "verb")

    def __init__(self, verb: bytes, number: int, uid: int) -> None:
        """Take the command, the number of the message and the administrator's uid."""
        self.verb = verb
        self.number = number
        self.uid = uid

    def line(self) -> bytes:
        """Write it."""
        return b"qmailctl: %s msg %d by uid %d" % (self.verb, self.number, self.uid)


# The life of a message


class NewMessage(OfMessage):
    """A message was found in todo/."""

    __slots__ = ()
    words = b"new msg "


class MessageInfo(Event):
    """What is known of a new message."""

    __slots__ = ("number", "size", "sender", "qp", "uid")

    def __init__(self, number: int, size: int, sender: bytes, qp: int, uid: int) -> None:
        """Take the size of the mess file, the raw sender, and who handed the message in."""
        self.number = number
        self.size = size
        self.sender = sender
        self.qp = qp
        self.uid = uid

    def line(self) -> bytes:
        """Write it, the sender made safe."""
        told = (self.number, self.size, logsafe(self.sender), self.qp, self.uid)
        return b"info msg %d: bytes %d from <%s> qp %d uid %d" % told


class DeliveryStarted(Event):
    """A spawner was told to deliver to one recipient."""

    __slots__ = ("delivery", "number", "channel", "recipient")

    def __init__(self, delivery: int, number: int, channel: bytes, recipient: bytes) -> None:
        """Take the delivery's number, the message's, ``local`` or ``remote``, and the rewritten recipient."""
        self.delivery = delivery
        self.number = number
        self.channel = channel
        self.recipient = recipient

    def line(self) -> bytes:
        """Write it, the recipient made safe."""
        told = (self.delivery, self.number, self.channel, logsafe(self.recipient))
        return b"starting delivery %d: msg %d to %s %s" % told


class DeliveryEnded(Event):
    """A delivery ended with a verdict, whose text is shown."""

    __slots__ = ("delivery", "text")

    def __init__(self, delivery: int, text: bytes) -> None:
        """Take the delivery's number and the raw text of the report."""
        self.delivery = delivery
        self.text = text

    def line(self) -> bytes:
        """Write it; without text the line ends with a blank."""
        return b"delivery %d: %s: %s" % (self.delivery, self.words, logsafe(self.text))


class DeliverySucceeded(DeliveryEnded):
    """The recipient has the message."""

    __slots__ = ()
    words = b"success"


class DeliveryPutOff(DeliveryEnded):
    """The recipient will be tried again."""

    __slots__ = ()
    words = b"deferral"


class DeliveryFailed(DeliveryEnded):
    """The recipient will never get the message."""

    __slots__ = ()
    words = b"failure"


class ReportMangled(Event):
    """A spawner's report made no sense; the recipient will be tried again."""

    __slots__ = ("delivery",)

    def __init__(self, delivery: int) -> None:
        """Take the delivery's number."""
        self.delivery = delivery

    def line(self) -> bytes:
        """Write it."""
        return b"delivery %d: report mangled, will defer" % self.delivery


class BounceQueued(Event):
    """The bounce for a message was handed to the queue."""

    __slots__ = ("number", "qp")

    def __init__(self, number: int, qp: int) -> None:
        """Take the number of the message that bounced and the qp number of its bounce."""
        self.number = number
        self.qp = qp

    def line(self) -> bytes:
        """Write it."""
        return b"bounce msg %d qp %d" % (self.number, self.qp)


class TripleBounce(OfMessage):
    """A double bounce could not be delivered either; it is dropped."""

    __slots__ = ()
    words = b"triple bounce: discarding bounce/"


class MessageEnded(OfMessage):
    """A message leaves the queue."""

    __slots__ = ()
    words = b"end msg "
