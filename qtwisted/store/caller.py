"""One connection to the door: a program with a message, a front with many, or qmail-send.

Whoever breaks the protocol is cut off, and what he had not completed is gone. Answers are collected while a
group of messages is carried out and sent together at its end.
"""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from zope.interface import implementer

from qtwisted.store.quota import DRAFTS
from qtwisted.wire.door import (
    ABANDON,
    COMMAND,
    DONE,
    ENVELOPE,
    FROM_CLIENT,
    PIECE,
    REFUSED,
    STORED,
    FrameError,
    FrameReader,
    frame,
    read_command,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twisted.python.failure import Failure

    from qtwisted.model.submission import Result
    from qtwisted.store.door import Door
    from qtwisted.store.kinds.draft import FileDraft
    from qtwisted.store.quota import Account

VERBS = (b"todo", b"foop", b"done")
REJECTED = b"x"
#: exit code of qmail-queue for a user whose share is used up: as if the disk were full for him
WRITE_ERROR = 53
#: notices that a watcher has not read, in bytes, before he is cut off; he will look into todo/ when he comes
#: back
BACKLOG = 16 * 1024 * 1024


class Answer:
    """Carries the outcome of one draft back to where it came from."""

    __slots__ = ("caller", "count", "draft", "ident", "is_counted")

    draft: FileDraft

    def __init__(self, caller: Caller, ident: int) -> None:
        """Remember the connection and the id.

        A user's share is charged ``count`` bytes for the draft, and one message if it ``is_counted``.
        """
        self.caller = caller
        self.ident = ident
        self.count = 0
        self.is_counted = False

    def stored(self, result: Result) -> None:
        """Send the answer."""
        self.caller.answered(self, result)

    def hold(self) -> None:
        """Files are written at once, so this is never asked for."""

    def go_on(self) -> None:
        """See ``hold``."""


@implementer(IPushProducer)
class Caller(Protocol):
    """Somebody at the door. ``account`` is None for a role; ``may_watch`` for qmail-send."""

    transport: Any

    def __init__(self, door: Door, uid: int, account: Account | None, may_watch: bool) -> None:
        """Serve the user ``uid``, of whom the kernel told."""
        self.uid = uid
        self.account = account
        self._door = door
        self._may_watch = may_watch
        self._reader = FrameReader(FROM_CLIENT)
        self._answers: dict[int, Answer] = {}
        self._out: list[bytes] = []
        self._is_held = False
        self._backlog = 0
        self.is_watching = False
        self.came_at = self.heard_at = door.seconds()

    # What Twisted calls

    def connectionMade(self) -> None:
        """Let the transport slow us down."""
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Take frames and act on each."""
        self.heard_at = self._door.seconds()
        try:
            for letter, ident, payload in self._reader.received(data):
                self._heard(letter, ident, payload)
        except FrameError as error:
            self._door.complain(self.uid, f"breaks the protocol: {error}")
            self.transport.abortConnection()
            return
        self.flush()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Drop what is not complete; what is complete is queued though nobody hears of it."""
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            answer.draft.abandon()
            self._settle(answer)
        self._out.clear()
        self._door.left(self)

    def pauseProducing(self) -> None:
        """The peer does not read its answers: listen no more until it does."""
        self._is_held = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The peer reads again."""
        self._is_held = False
        self._backlog = 0
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The connection ends."""

    # What comes in

    def _heard(self, letter: bytes, ident: int, payload: bytes) -> None:
        """Act on one frame."""
        if letter in (PIECE, ENVELOPE):
            answer = self._answers.get(ident) or self._begin(ident)
            if answer.draft.is_complete:
                raise FrameError("more of a message that is complete")
            self._charge(answer, len(payload))
            if letter == PIECE:
                answer.draft.write(payload)
            else:
                answer.draft.envelope(payload)
                self._door.make_room()
        elif letter == ABANDON:
            known = self._answers.pop(ident, None)
            if known is not None:
                known.draft.abandon()
                self._settle(known)
        elif not self._may_watch:
            raise FrameError(f"letter {letter!r} is for qmail-send")
        elif letter == COMMAND:
            self._command(ident, payload)
        else:
            self.is_watching = True
            self._door.watch(self)

    def _begin(self, ident: int) -> Answer:
        """Open a draft."""
        if self.account is not None and len(self._answers) >= DRAFTS:
            raise FrameError("too many messages at a time")
        answer = self._answers[ident] = Answer(self, ident)
        answer.draft = self._door.intake.begin(answer, self.uid)
        if self.account is not None:
            answer.is_counted = self._door.may_open(self.account)
            if not answer.is_counted:
                answer.draft.give_up(WRITE_ERROR)
        return answer

    def _charge(self, answer: Answer, count: int) -> None:
        """Count bytes of a user's draft; if his share is used up the message is refused."""
        if self.account is None or answer.draft.code is not None:
            return
        if self.account.may_send(count):
            answer.count += count
        else:
            self._door.complain(self.uid, "hands in more at a time than control/userbytes allows")
            answer.draft.give_up(WRITE_ERROR)
            self._settle(answer)

    def _settle(self, answer: Answer) -> None:
        """A draft costs its user nothing any more."""
        if self.account is not None:
            self.account.ended(answer.count)
            answer.count = 0
            if answer.is_counted:
                answer.is_counted = False
                self._door.closed(self.account)

    def _command(self, ident: int, payload: bytes) -> None:
        """Have files removed."""
        command = read_command(payload, VERBS)
        if command is None:
            self.say(frame(DONE, ident, REJECTED))
        else:
            self._door.intake.groups.remove(*command, lambda outcome: self.say(frame(DONE, ident, outcome)))

    # What goes out

    def answered(self, answer: Answer, result: Result) -> None:
        """Tell the outcome of a draft. A refused one that is not complete keeps its id until it is abandoned."""
        if answer.draft.is_complete:
            self._answers.pop(answer.ident, None)
        self._settle(answer)
        if result.ok:
            self.say(frame(STORED, answer.ident, b"%d" % result.qp))
        else:
            self.say(frame(REFUSED, answer.ident, b"%d" % (answer.draft.code or WRITE_ERROR)))

    def say(self, data: bytes) -> None:
        """Send something, at the latest at the end of the group."""
        if not self._out:
            self._door.has_words(self)
        self._out.append(data)

    def notice(self, data: bytes) -> None:
        """Tell a watcher of a message; one that does not read is cut off."""
        if self._is_held:
            self._backlog += len(data)
            if self._backlog > BACKLOG:
                self.transport.abortConnection()
                return
        self.say(data)

    def flush(self) -> None:
        """Send what is collected."""
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self.transport.write(data)
