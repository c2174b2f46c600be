"""QMTP client: the dialogue that hands packages to a server, as a core without socket or clock.

Events:

``Ready``       nothing is under way: answer with a Package, or with None to end
``BodyWanted``  answer with a piece of the message, until all its bytes are given, or with None if it cannot be read
``Finished``    what became of a package; no answer is wanted

After the last event ``next()`` says CLOSE. Rules the file keeps:

* The message goes out as it is stored, with LF at the ends of its lines, as the server is told.
* A recipient has the message only if the server's answer for it begins with K. A server that says anything else
  than one answer beginning with K, Z or D for each recipient is believed in nothing it said about the package.
* Answers count only when the package has been sent; a server that speaks before is not listened to.
* If the connection is lost, what was said until then holds.

The protocol: https://cr.yp.to/proto/qmtp.txt.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from qtwisted.model.verdict import Verdict, parse
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, Wait
from qtwisted.wire.netstring import NetstringError, Netstrings, netstring

#: the longest answer we listen to
ANSWER_MAX = 5000


class Trouble(enum.Enum):
    """Why a package did not get all its answers."""

    DIED = "the connection was lost"
    DIED_UNANSWERED = "the connection was lost after the package was sent, before the last answer"
    SPOKE_EARLY = "the server spoke when nothing was asked"
    NOT_PROPER = "the server did not talk proper QMTP"
    UNREADABLE = "we could not read the message"


class Package(NamedTuple):
    """One message: its sender, its recipients and how many bytes it has."""

    sender: bytes
    recipients: tuple[bytes, ...]
    size: int


class Outcome(NamedTuple):
    """What became of a package: a verdict for each recipient, None where there is none, and the trouble if any."""

    verdicts: tuple[Verdict | None, ...]
    trouble: Trouble | None


class Ready(NamedTuple):
    """The server waits for a package."""


class BodyWanted(NamedTuple):
    """The next bytes of the message are wanted."""


class Finished(NamedTuple):
    """A package is over."""

    outcome: Outcome


class State(enum.Enum):
    """Where the dialogue stands."""

    READY = "ready"
    BODY = "body"
    ANSWERS = "answers"
    ENDED = "ended"


class QmtpClient:
    """The client's side of QMTP: see the module for its events and rules."""

    def __init__(self) -> None:
        """Be ready at once: a QMTP server says nothing first."""
        self.state = State.READY
        self._asked = False
        self._finished: Finished | None = None
        self._output: list[bytes] = []
        self._strings = Netstrings()
        self._package = Package(b"", (), 0)
        self._left = 0
        self._verdicts: list[Verdict] = []

    def received(self, data: bytes) -> None:
        """Give the core bytes from the server."""
        if self.state is State.ANSWERS and not self._output:
            self._strings.add(data)
            self._read_answers()
        elif self.state is not State.ENDED:
            self._break(Trouble.SPOKE_EARLY)

    def next(self) -> Ready | BodyWanted | Finished | Wait:
        """Return the next event, or what the core waits for."""
        if self._finished is not None:
            finished, self._finished = self._finished, None
            return finished
        if self.state is State.ENDED:
            return CLOSE
        if self.state is State.ANSWERS:
            return DATA
        if self._asked:
            return ANSWER
        self._asked = True
        return Ready() if self.state is State.READY else BodyWanted()

    def answer(self, given: Package | bytes | None) -> None:
        """Answer the last question: a Package or None to ``Ready``, bytes or None to ``BodyWanted``."""
        self._asked = False
        if self.state is State.READY and isinstance(given, Package):
            self._begin(given)
        elif self.state is State.BODY and isinstance(given, bytes):
            self._body(given)
        elif given is None and self.state is State.BODY:
            self._break(Trouble.UNREADABLE)
        elif given is None and self.state is State.READY:
            self.state = State.ENDED
        elif self.state is not State.ENDED:
            raise ValueError("that is no answer to the last question")

    def take(self) -> bytes:
        """Return the bytes to send now; the answers to a whole package are due from here on."""
        taken = b"".join(self._output)
        self._output.clear()
        return taken

    def lost(self) -> None:
        """Say that the connection is gone, or that the server took too long."""
        if self.state is not State.ENDED:
            unanswered = self.state is State.ANSWERS and not self._output
            self._break(Trouble.DIED_UNANSWERED if unanswered else Trouble.DIED)

    def _begin(self, package: Package) -> None:
        """Say how long the message is and how its lines end."""
        if not package.recipients or package.size < 0:
            raise ValueError("a package without recipients")
        self._package, self._left, self._verdicts = package, package.size, []
        self._output.append(b"%d:\n" % (package.size + 1))
        self.state = State.BODY
        if not package.size:
            self._end()

    def _body(self, piece: bytes) -> None:
        """Say a piece of the message; a message that is not as long as we said cannot be sent."""
        self._left -= len(piece)
        if self._left < 0 or not piece:
            self._break(Trouble.UNREADABLE)
            return
        self._output.append(piece)
        if not self._left:
            self._end()

    def _end(self) -> None:
        """Say who sent the message and who gets it."""
        recipients = b"".join([netstring(recipient) for recipient in self._package.recipients])
        self._output.append(b"," + netstring(self._package.sender) + netstring(recipients))
        self.state = State.ANSWERS

    def _read_answers(self) -> None:
        """Read answers; after the last one there must be nothing."""
        wanted = len(self._package.recipients)
        try:
            while len(self._verdicts) < wanted:
                answer = self._strings.string(ANSWER_MAX)
                if answer is None:
                    return
                verdict = parse(answer)
                if verdict is None or len(answer) > ANSWER_MAX:
                    self._disbelieve()
                    return
                self._verdicts.append(verdict)
        except NetstringError:
            self._disbelieve()
            return
        if self._strings.is_empty:
            self._finish(None)
            self.state = State.READY
        else:
            self._disbelieve()

    def _disbelieve(self) -> None:
        """The server talks nonsense: nothing it said counts."""
        self._verdicts.clear()
        self._break(Trouble.NOT_PROPER)

    def _finish(self, trouble: Trouble | None) -> None:
        """Tell what became of the package."""
        missing = len(self._package.recipients) - len(self._verdicts)
        self._finished = Finished(Outcome((*self._verdicts, *[None] * missing), trouble))

    def _break(self, trouble: Trouble) -> None:
        """End the session without another word, with the package if one is under way."""
        if self.state is not State.READY:
            self._finish(trouble)
        self.state = State.ENDED
        self._asked = False
        self._output.clear()
        self._strings.clear()
