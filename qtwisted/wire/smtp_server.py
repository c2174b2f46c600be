"""The server's side of SMTP: bytes in, events out, replies in the words of qmail-smtpd.

Rules this file keeps:

* One question at a time: while an event is unanswered nothing more is read, so that pipelined commands cannot
  overtake.
* Replies come in the order of the commands, and every reply is ready when ``next()`` says DATA.
* The state of the dialogue is one State and one Transaction, which is replaced as a whole.
* A message that was allowed to come ends with exactly one BodyEnd or BodyVoid.
* Memory is bounded whatever the client sends: a command line, 16 KB of replies, and what the driver gave
  at once.
* What can be said in one command, and what it needs, is in the table of smtp_verbs; what becomes of it, in
  the table of answers below.

RFC 5321 (SMTP), RFC 1870 (SIZE), RFC 2920 (PIPELINING), RFC 6152 (8BITMIME).
"""

from __future__ import annotations

from qtwisted.model.reply import Reply
from qtwisted.wire import smtp_replies
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, SEND, Wait
from qtwisted.wire.lines import Endless, Lines, TooLong
from qtwisted.wire.smtp_body import HOPS_MAX, Body
from qtwisted.wire.smtp_events import (
    BodyBegin,
    BodyEnd,
    BodyPiece,
    BodyVoid,
    Connected,
    Event,
    Hello,
    Recipient,
    Sender,
)
from qtwisted.wire.smtp_verbs import NO_RECIPIENT, VERBS, Settings, Transaction, offers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: RFC 5321 4.5.3.1.4 wants 512 at least
LINE_MAX = 2048
#: a longer line is answered with 500 when its end comes, unless it does not come within this
LINE_PATIENCE = 2 * 1024 * 1024

#: output beyond this waits for the driver to send it
OUTPUT_MAX = 16 * 1024


class State:
    """Where the dialogue stands, which says how the next bytes are read. They are listed below the class."""

    __slots__ = ("name", "read")

    def __init__(self, name: str, read: Callable[[SmtpServer], Event | Wait]) -> None:
        """Take a name for people and the method that reads."""
        self.name = name
        self.read = read


class SmtpServer:
    """One SMTP session as the server sees it."""

    def __init__(self, settings: Settings) -> None:
        """Begin before the greeting: the first event is Connected."""
        self._settings = settings
        self._state = _GREETING
        self._transaction: Transaction | None = None
        self._asked: Event | None = None
        self._lines = Lines(LINE_MAX, LINE_PATIENCE)
        self._body = Body()
        self._is_void = False
        self._output = b""
        self._errors = 0
        self._idled = 0
        #: did the client end the session itself, with QUIT?
        self.said_goodbye = False

    # The five methods of a core.

    def received(self, data: bytes) -> None:
        """Take bytes from the client; they are looked at when ``next()`` is called."""
        self._lines.add(data)

    def next(self) -> Event | Wait:
        """Give the next thing the client did, or say what is needed first."""
        if self._asked is not None:
            return ANSWER
        if len(self._output) > OUTPUT_MAX:
            return SEND
        event = self._state.read(self)
        if not isinstance(event, Wait) and event.asks:
            self._asked = event
        return event

    def answer(self, reply: Reply | None = None) -> None:
        """Say what was decided about the last event: None is yes in our own words."""
        event, self._asked = self._asked, None
        if event is None:
            # the client went away while we thought
            return
        granted = reply is None or 200 <= reply.code <= 399
        _ANSWERED[event.__class__](self, event, reply, granted)
        if reply is not None and reply.code == 421:
            self._state = _CLOSED

    def take(self) -> bytes:
        """Give the replies that have not been sent yet."""
        output, self._output = self._output, b""
        return output

    def lost(self) -> None:
        """The client is gone: a message under way is void, an unanswered question is forgotten."""
        self._asked = None
        self._state = _CUT if self._state in (_BODY, _END) and not self._is_void else _CLOSED

    # What a driver may want to know or to end.

    def time_is_up(self) -> None:
        """End the session because the client was too slow."""
        self.lost()
        self._say(smtp_replies.TIMED_OUT)

    def shut_down(self) -> None:
        """End the session because we have to go."""
        self.lost()
        self._say(smtp_replies.SHUTTING_DOWN)

    @property
    def is_idle(self) -> bool:
        """Is nothing half received?"""
        return not self._lines and not self.in_body

    @property
    def in_body(self) -> bool:
        """Is a message coming in?"""
        return self._state is _BODY or self._state is _END

    @property
    def in_transaction(self) -> bool:
        """Has MAIL been accepted, and the message not yet been answered?"""
        if self._transaction is not None or isinstance(self._asked, BodyEnd):
            return True
        return self.in_body

    # Readers, one per state.

    def _read_greeting(self) -> Event | Wait:
        """Ask about the client, once."""
        return Connected()

    def _read_closed(self) -> Event | Wait:
        """Read nothing more."""
        return CLOSE

    def _read_cut(self) -> Event | Wait:
        """Say that the message under way will not be completed."""
        self._state = _CLOSED
        return BodyVoid()

    def _read_command(self) -> Event | Wait:
        """Read commands up to one that asks something."""
        while self._state is _COMMAND:
            if len(self._output) > OUTPUT_MAX:
                return SEND
            try:
                line = self._lines.line()
            except TooLong:
                self._refuse(smtp_replies.LINE_TOO_LONG)
                continue
            except Endless:
                self._hang_up(smtp_replies.NO_LINE_END)
                break
            if line is None:
                return DATA
            event = self._obey(line)
            if not isinstance(event, Reply):
                return event
            if event.code >= 500:
                self._refuse(event)
            else:
                self._say(event)
        return CLOSE

    def _obey(self, line: bytes) -> Event | Reply:
        """Look one command up and read it."""
        name, _, argument = line.partition(b" ")
        verb = VERBS.get(name.upper())
        if verb is None:
            # a NUL ends the line (commands.c); it is left in the argument for those who mind it
            name, argument, _ = name.partition(b"\0")
            verb = VERBS.get(name.upper()) if argument else None
            if verb is None:
                return smtp_replies.UNIMPLEMENTED
        if verb.idles:
            self._idled += 1
            if self._idled > self._settings.idle_commands > 0:
                self._state = _CLOSED
                return smtp_replies.TOO_MANY_COMMANDS
        if verb.needs_sender and self._transaction is None:
            return smtp_replies.MAIL_FIRST
        if verb.needs_recipient and self._transaction == NO_RECIPIENT:
            return smtp_replies.RCPT_FIRST
        if verb.resets:
            self._transaction = None
        if verb.ends:
            self.said_goodbye = True
            self._state = _CLOSED
        return verb.read(self._settings, self._transaction, argument.lstrip(b" "))

    def _read_body(self) -> Event | Wait:
        """Read the message up to its end."""
        data = self._lines.clear()
        if not data:
            return DATA
        body = self._body
        piece = body.feed(data)
        if body.has_bare_lf:
            return self._break_off()
        if body.ended:
            self._lines.add(body.rest)
            self._state = _END
        if self._is_void:
            return self._state.read(self)
        if body.hops >= HOPS_MAX or 0 < self._settings.databytes < body.size:
            self._is_void = True
            return BodyVoid()
        return BodyPiece(piece) if piece else self._state.read(self)

    def _break_off(self) -> Event | Wait:
        """End the session at a bare LF: who does not know line ends cannot say where a message ends."""
        self._say(smtp_replies.BARE_LF)
        self._state = _CLOSED
        return CLOSE if self._is_void else BodyVoid()

    def _read_end(self) -> Event | Wait:
        """Ask about the complete message, or refuse it."""
        self._state = _COMMAND
        if not self._is_void:
            return BodyEnd()
        self._say(smtp_replies.LOOPING if self._body.hops >= HOPS_MAX else smtp_replies.TOO_BIG)
        return self._read_command()

    # Answers: what becomes of an event once it is decided.

    def _greet(self, event: Event, reply: Reply | None, granted: bool) -> None:
        """Greet the client, or send it away."""
        self._say(reply or Reply(220, self._settings.greeting + b" ESMTP"))
        self._state = _COMMAND if granted else _CLOSED

    def _answer_hello(self, event: Event, reply: Reply | None, granted: bool) -> None:
        """Say who we are and what we can."""
        extended = isinstance(event, Hello) and event.extended
        self._say_or_refuse(reply or offers(self._settings, extended), granted)

    def _answer_sender(self, event: Event, reply: Reply | None, granted: bool) -> None:
        """Begin a transaction, or leave what there was."""
        if granted:
            self._transaction = NO_RECIPIENT
        self._say_or_refuse(reply or smtp_replies.OK, granted)

    def _answer_recipient(self, event: Event, reply: Reply | None, granted: bool) -> None:
        """Count the recipient."""
        if granted and self._transaction is not None:
            self._transaction = Transaction(self._transaction.recipients + 1)
        self._say_or_refuse(reply or smtp_replies.OK, granted)

    def _answer_begin(self, event: Event, reply: Reply | None, granted: bool) -> None:
        """Let the message come; the transaction is over in any case, as in 1.02."""
        self._transaction = None
        if granted:
            self._body = Body()
            self._is_void = False
            self._state = _BODY
        self._say_or_refuse(reply or smtp_replies.GO_AHEAD, granted)

    def _answer_end(self, event: Event, reply: Reply | None, granted: bool) -> None:
        """Tell whether the message is ours; a client whose mail we take may begin to count anew."""
        if granted:
            self._errors = self._idled = 0
        self._say(reply or smtp_replies.OK)

    # Replies.

    def _say(self, reply: Reply) -> None:
        """Put a reply into the output."""
        self._output += reply.wire()

    def _say_or_refuse(self, reply: Reply, granted: bool) -> None:
        """Put a reply into the output; count it if it says no for good."""
        if granted or reply.code < 500:
            self._say(reply)
        else:
            self._refuse(reply)

    def _refuse(self, reply: Reply) -> None:
        """Put a reply into the output that says no; after too many of them end the session instead."""
        self._errors += 1
        if self._errors < self._settings.errors or self._settings.errors == 0:
            self._say(reply)
        else:
            self._hang_up(smtp_replies.TOO_MANY_ERRORS)

    def _hang_up(self, reply: Reply) -> None:
        """Say why, and read no more."""
        self._say(reply)
        self._state = _CLOSED


_GREETING = State("greeting", SmtpServer._read_greeting)
_COMMAND = State("command", SmtpServer._read_command)
_BODY = State("body", SmtpServer._read_body)
_END = State("end of body", SmtpServer._read_end)
_CUT = State("cut off", SmtpServer._read_cut)
_CLOSED = State("closed", SmtpServer._read_closed)

_ANSWERED = {
    Connected: SmtpServer._greet,
    Hello: SmtpServer._answer_hello,
    Sender: SmtpServer._answer_sender,
    Recipient: SmtpServer._answer_recipient,
    BodyBegin: SmtpServer._answer_begin,
    BodyEnd: SmtpServer._answer_end,
}
