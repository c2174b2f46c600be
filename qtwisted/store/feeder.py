"""Hands many messages at once to the queue from a process that runs on the reactor.

A Feeder keeps one connection to the door and lets any number of drafts share it. When the door cannot keep
up, the owners of open drafts are told to hold; when the connection is lost every draft gets a temporary
failure, and a new connection is made after a pause that grows. The answer to a commit comes in a later turn
of the reactor, never from within ``commit``.

If QMAILQUEUE was set in the environment each message goes to a process of that program instead (``outside``).
"""

from __future__ import annotations

import os

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from zope.interface import implementer

from qtwisted.model.envelope import Envelope, submission
from qtwisted.model.submission import Result, result_of
from qtwisted.store.client import PRIVATE, PUBLIC, fault, is_role
from qtwisted.store.outside import ProgramDraft
from qtwisted.wire import door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure

    from qtwisted.store.interface import Draft, DraftOwner

#: what a draft gets when the door is away or goes away
AWAY = Result(b"Zqq temporary problem (#4.3.0)", 0)

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
#: a door that answers none of our commits for so long is given up
PATIENCE = 600.0
LAST_ID = 0xFFFFFFFF
#: the exit code of qmail-queue for what cannot be
BUG = 81


class FeederDraft:
    """A message on its way to the door."""

    __slots__ = ("_feeder", "_refusal", "ident", "is_committed", "line", "owner")

    def __init__(self, feeder: Feeder, owner: DraftOwner, line: DoorLine | None, ident: int) -> None:
        """Belong to a connection; None says that there was none when the message began."""
        self._feeder = feeder
        self.owner = owner
        self.line = line
        self.ident = ident
        self.is_committed = False
        self._refusal = AWAY

    def write(self, piece: bytes) -> None:
        """Add to the text."""
        if self.line is not None:
            self.line.say(door.frames(door.PIECE, self.ident, piece))

    def envelope(self, records: bytes) -> None:
        """Give records of the envelope."""
        if self.line is not None:
            self.line.say(door.frames(door.ENVELOPE, self.ident, records))

    def commit(self, envelope: Envelope | None = None) -> None:
        """Give the envelope, or its end; the owner gets the answer."""
        problem = 0 if envelope is None else fault(envelope)
        if problem:
            self.abandon()
            self._feeder.later(self.owner, result_of(problem, 0))
        elif self.line is None:
            self._feeder.later(self.owner, self._refusal)
        else:
            self.is_committed = True
            data = b"\0" if envelope is None else submission(envelope)
            self.line.commit(self, door.frames(door.ENVELOPE, self.ident, data))

    def answered(self, result: Result) -> None:
        """Pass the door's answer on; one that comes before ``commit``, a refusal, is kept for it."""
        if self.is_committed:
            self.owner.stored(result)
        else:
            self._refusal = result
            self.line = None

    def abandon(self) -> None:
        """Drop the message."""
        if self.line is not None and not self.is_committed:
            self.line.forget(self.ident)
            self.line.say(door.frame(door.ABANDON, self.ident))
            self.line = None


@implementer(IPushProducer)
class DoorLine(Protocol):
    """Our connection to the door, with the drafts that are open on it."""

    transport: Any

    def __init__(self, feeder: Feeder) -> None:
        """Nothing is open yet."""
        self._feeder = feeder
        self._reader = door.FrameReader(door.FROM_DOOR)
        self._drafts: dict[int, FeederDraft] = {}
        self._ident = 0
        self._is_held = False
        self.waiting = 0  # drafts committed and not answered
        self.answers = 0

    # Drafts

    def begin(self, owner: DraftOwner) -> FeederDraft:
        """Open a draft under an id that no other has."""
        self._ident = self._ident % LAST_ID + 1
        while self._ident in self._drafts:
            self._ident = self._ident % LAST_ID + 1
        draft = self._drafts[self._ident] = FeederDraft(self._feeder, owner, self, self._ident)
        if self._is_held:
            owner.hold()
        return draft

    def say(self, data: bytes) -> None:
        """Send frames."""
        if data:
            self.transport.write(data)

    def commit(self, draft: FeederDraft, data: bytes) -> None:
        """Send the envelope; from now on the door owes an answer."""
        self.waiting += 1
        self.transport.write(data)

    def give_up(self) -> None:
        """Drop the connection."""
        self.transport.abortConnection()

    def forget(self, ident: int) -> None:
        """A draft is gone."""
        self._drafts.pop(ident, None)

    # What Twisted calls

    def connectionMade(self) -> None:
        """The door is there."""
        self.transport.registerProducer(self, True)
        self._feeder.came(self)

    def dataReceived(self, data: bytes) -> None:
        """Pass answers on."""
        try:
            for letter, ident, payload in self._reader.received(data):
                self._heard(letter, ident, payload)
        except (door.FrameError, ValueError):
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail what was committed; what is open fails when it is committed."""
        drafts, self._drafts = self._drafts, {}
        for draft in drafts.values():
            draft.line = None
            if draft.is_committed:
                draft.owner.stored(AWAY)
            elif self._is_held:
                draft.owner.go_on()
        self._feeder.went(self)

    def pauseProducing(self) -> None:
        """The door is behind: whoever writes to it should hold."""
        self._is_held = True
        for draft in list(self._drafts.values()):
            draft.owner.hold()

    def resumeProducing(self) -> None:
        """The door has caught up."""
        self._is_held = False
        for draft in list(self._drafts.values()):
            draft.owner.go_on()

    def stopProducing(self) -> None:
        """The connection ends."""

    def _heard(self, letter: bytes, ident: int, payload: bytes) -> None:
        """Deal with one frame."""
        draft = self._drafts.get(ident)
        if draft is None:
            return
        if letter == door.HOLD:
            draft.owner.hold()
        elif letter == door.GO_ON:
            draft.owner.go_on()
        elif letter in (door.STORED, door.REFUSED):
            number = int(payload)
            del self._drafts[ident]
            self.waiting -= draft.is_committed
            self.answers += 1
            if letter == door.REFUSED:
                self.say(door.frame(door.ABANDON, ident))
                draft.answered(result_of(number or BUG, 0))
            elif draft.is_committed:
                draft.answered(result_of(0, number))
            else:
                raise door.FrameError("stored before it was complete")


class Feeder(ClientFactory):
    """An intake that passes messages on to the door of a home."""

    noisy = False

    def __init__(self, reactor: Any, home: str, environ: Mapping[str, str]) -> None:
        """Connect at once; the master keeps the socket listening while the door is being started."""
        self._reactor = reactor
        self._home = home
        self._environ = dict(environ)
        self._program = environ.get("QMAILQUEUE")
        self._names = (PRIVATE, PUBLIC) if is_role(home, os.geteuid()) else (PUBLIC,)
        self._line: DoorLine | None = None
        self._connector: Any = None
        self._call: Any = None
        self._pause = FIRST_PAUSE
        self._failures = 0
        self._directory = -1
        self._is_closed = False
        if self._program is None:
            self._connect()

    def begin(self, owner: DraftOwner) -> Draft:
        """Start a message."""
        if self._program is not None:
            return ProgramDraft(self._reactor, self._home, self._program, self._environ, owner)
        if self._line is None:
            return FeederDraft(self, owner, None, 0)
        return self._line.begin(owner)

    @property
    def is_connected(self) -> bool:
        """Can messages be taken now?"""
        return self._line is not None or self._program is not None

    def close(self) -> None:
        """Give up the connection and make no other; open drafts fail."""
        self._is_closed = True
        if self._call is not None and self._call.active():
            self._call.cancel()
        if self._connector is not None:
            self._connector.disconnect()

    def later(self, owner: DraftOwner, result: Result) -> None:
        """Answer in a later turn."""
        self._reactor.callLater(0, owner.stored, result)

    # The connection

    def _connect(self) -> None:
        """Try the next of our sockets, through a descriptor of its directory, as the path may be long."""
        self._call = None
        try:
            self._directory = os.open(self._home + "/run", os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            self._retry()
            return
        name = self._names[self._failures % len(self._names)]
        path = f"/proc/self/fd/{self._directory}/{name}"
        self._connector = self._reactor.connectUNIX(path, self)

    def _retry(self) -> None:
        """Try again after a pause."""
        if not self._is_closed:
            self._call = self._reactor.callLater(self._pause, self._connect)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _release(self) -> None:
        """Close the directory once the socket in it was found or not."""
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def buildProtocol(self, address: IAddress | None) -> DoorLine:
        """Make the connection's protocol."""
        return DoorLine(self)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        """There is no door behind that socket."""
        self._release()
        self._failures += 1
        self._retry()

    def came(self, line: DoorLine) -> None:
        """A connection is made."""
        self._release()
        self._line = line
        self._failures = 0
        self._call = self._reactor.callLater(PATIENCE, self._look, line, line.answers)

    def went(self, line: DoorLine) -> None:
        """The connection is lost."""
        self._line = None
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._retry()

    def _look(self, line: DoorLine, answers: int) -> None:
        """Give up a connection on which nothing was answered for long although something should have been."""
        if line.waiting and line.answers == answers:
            line.give_up()
        else:
            self._pause = FIRST_PAUSE
            self._call = self._reactor.callLater(PATIENCE, self._look, line, line.answers)
