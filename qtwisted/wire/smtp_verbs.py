"""The commands of SMTP, one row each: what a command needs, and how its argument becomes an event or a reply.

A further command or extension is a row here, and for a new event an answer in smtp_server. STARTTLS and
AUTH have no row yet, so they get the same 502 as in 1.02.

RFC 5321 4.1.1.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple
from qtwisted.model.reply import Reply
from qtwisted.wire import smtp_path, smtp_replies
from qtwisted.wire.smtp_events import BodyBegin, Event, Hello, Recipient, Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Outcome = Event | Reply


class Settings(NamedTuple):
    """What the core has to know of the configuration; a limit of 0 is none."""

    #: name of this server, and what else its greeting says
    greeting: bytes
    #: bytes of a message
    databytes: int = 0
    #: recipients of a message
    maxrcpt: int = 1000
    #: does HELO answer with the lines of 1.02, or with one line?
    helolines: bool = True
    #: refused commands, and commands that do no work, until a message is taken
    errors: int = 20
    idle_commands: int = 100
    #: replaces a domain that is one of our addresses in brackets
    localise: Callable[[bytes], bytes] | None = None


class Transaction(NamedTuple):
    """What MAIL began: the number of recipients accepted so far."""

    recipients: int


NO_RECIPIENT = Transaction(0)


class Verb(NamedTuple):
    """One row of the table of commands."""

    #: what the client writes, in capitals
    name: bytes
    #: makes an event to ask about, or the reply
    read: Callable[[Settings, Transaction | None, bytes], Outcome]
    #: must a sender, or a sender and a recipient, have been accepted?
    needs_sender: bool = False
    needs_recipient: bool = False
    #: does it end the transaction, or the session?
    resets: bool = False
    ends: bool = False
    #: is it a command that moves no mail?
    idles: bool = False


class Extension(NamedTuple):
    """One row of the table of what EHLO offers."""

    #: writes the line
    line: Callable[[Settings], bytes]
    #: did 1.02 have it, so that HELO shows it too?
    in_helo: bool = False


def _helo(settings: Settings, transaction: Transaction | None, argument: bytes) -> Outcome:
    """HELO: an old client's name."""
    return Hello(argument.partition(b"\0")[0], False)


def _ehlo(settings: Settings, transaction: Transaction | None, argument: bytes) -> Outcome:
    """EHLO: a client's name."""
    return Hello(argument.partition(b"\0")[0], True)


def _mail(settings: Settings, transaction: Transaction | None, argument: bytes) -> Outcome:
    """MAIL: a sender and perhaps parameters."""
    path = smtp_path.parse(argument, settings.localise)
    if path is None:
        return smtp_replies.SYNTAX_ERROR
    address, rest = path
    if not rest:
        return Sender(address, 0)
    parameters = smtp_path.parse_parameters(rest, settings.databytes)
    return parameters if isinstance(parameters, Reply) else Sender(address, parameters.size)


def _rcpt(settings: Settings, transaction: Transaction | None, argument: bytes) -> Outcome:
    """RCPT: a recipient; what follows the address is ignored."""
    path = smtp_path.parse(argument, settings.localise)
    if path is None:
        return smtp_replies.SYNTAX_ERROR
    if transaction is not None and 0 < settings.maxrcpt <= transaction.recipients:
        return smtp_replies.TOO_MANY_RECIPIENTS
    return Recipient(path[0])


def _data(settings: Settings, transaction: Transaction | None, argument: bytes) -> Outcome:
    """DATA: the message comes next."""
    return BodyBegin()


def _quit(settings: Settings, transaction: Transaction | None, argument: bytes) -> Outcome:
    """QUIT: the end."""
    return Reply(221, settings.greeting)


def _always(reply: Reply) -> Callable[[Settings, Transaction | None, bytes], Outcome]:
    """Make the reader of a command that is always answered the same."""
    return lambda settings, transaction, argument: reply


VERBS = {
    verb.name: verb
    for verb in (
        Verb(b"HELO", _helo, resets=True, idles=True),
        Verb(b"EHLO", _ehlo, resets=True, idles=True),
        Verb(b"MAIL", _mail),
        Verb(b"RCPT", _rcpt, needs_sender=True),
        Verb(b"DATA", _data, needs_sender=True, needs_recipient=True),
        Verb(b"RSET", _always(smtp_replies.FLUSHED), resets=True, idles=True),
        Verb(b"NOOP", _always(smtp_replies.OK), idles=True),
        Verb(b"VRFY", _always(smtp_replies.CANNOT_VERIFY), idles=True),
        Verb(b"HELP", _always(smtp_replies.HELP), idles=True),
        Verb(b"QUIT", _quit, ends=True),
    )
}

# Unlike 1.02: EHLO also offers SIZE (RFC 1870), between the lines 1.02 has; SIZE 0 says that there is no
# limit.
_EXTENSIONS = (
    Extension(lambda settings: b"PIPELINING", in_helo=True),
    Extension(lambda settings: b"SIZE %d" % settings.databytes),
    Extension(lambda settings: b"8BITMIME", in_helo=True),
)


def offers(settings: Settings, extended: bool) -> Reply:
    """Answer HELO, or EHLO if ``extended``, with our name and what we can.

    HELO gets the two extension lines of 1.02 and never a newer one, or none at all where helolines is 0.
    """
    rows = [row for row in _EXTENSIONS if extended or (row.in_helo and settings.helolines)]
    return Reply(250, settings.greeting, tuple([row.line(settings) for row in rows]))
