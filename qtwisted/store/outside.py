"""A message handed to the program that QMAILQUEUE names, from a process that runs on the reactor.

The rules are those of ``external``; here nothing ever waits.
"""

from __future__ import annotations

import os

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import ProcessProtocol
from zope.interface import implementer

from qtwisted.model.envelope import Envelope, submission
from qtwisted.model.submission import result_of
from qtwisted.store.client import fault
from qtwisted.store.external import (
    HOME_TROUBLE,
    NO_EXEC,
    READ_ERROR,
    TEXT_FD,
    TEXT_MAX,
    outcome,
    program_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from twisted.python.failure import Failure

    from qtwisted.store.interface import DraftOwner


@implementer(IPushProducer)
class ProgramDraft(ProcessProtocol):
    """A message and the process that takes it."""

    transport: Any

    def __init__(
        self, reactor: Any, home: str, program: str, environ: Mapping[str, str], owner: DraftOwner
    ) -> None:
        """Start the program; if that is not possible the answer to ``commit`` says so."""
        self._reactor = reactor
        self._owner = owner
        self._problem = 0
        self._is_committed = False
        self._is_abandoned = False
        self._has_records = False
        self._code: int | None = 0
        self._has_ended = False
        self._is_broken = False
        self._number = 0
        self._text = -1
        path = program_path(home, program)
        if not os.path.isdir(home):
            self._problem = HOME_TROUBLE
        elif not program or not os.access(path, os.X_OK) or os.path.isdir(path):
            self._problem = NO_EXEC
        else:
            self._start(path, program, environ, home)

    def _start(self, path: str, program: str, environ: Mapping[str, str], home: str) -> None:
        """Start the process with descriptors 0, 1, 2 and 6 and no other."""
        self._text, text_end = os.pipe()
        os.set_blocking(self._text, False)
        try:
            fds = {0: "w", 1: "w", 2: 2, TEXT_FD: text_end}
            process = self._reactor.spawnProcess(self, path, [program], dict(environ), home, childFDs=fds)
            self._number = process.pid
        except OSError:
            self._problem = NO_EXEC
        finally:
            os.close(text_end)
        if self._problem:
            self._take_text()

    # What the giver of the message says

    def write(self, piece: bytes) -> None:
        """Add to the text."""
        if not self._problem and not self._has_ended and not self._is_broken:
            self.transport.writeToChild(0, piece)

    def envelope(self, records: bytes) -> None:
        """Give records of the envelope; the text is complete."""
        if not self._problem and not self._has_ended and not self._is_broken:
            if not self._has_records:
                self._has_records = True
                self._close(0)
                self.transport.pipes[1].registerProducer(self, True)
            self.transport.writeToChild(1, records)

    def commit(self, envelope: Envelope | None = None) -> None:
        """Give the envelope, or its end; the answer follows the end of the program."""
        self._is_committed = True
        fault_code = 0 if envelope is None else fault(envelope)
        if self._problem or self._has_ended:
            self._problem = self._problem or fault_code
            self._reactor.callLater(0, self._answer)
            return
        self._problem = fault_code
        self._close(0)
        if not fault_code and not self._is_broken:
            self.transport.writeToChild(1, b"\0" if envelope is None else submission(envelope))
        self._close(1)

    def abandon(self) -> None:
        """End the envelope before it begins."""
        if not self._is_committed:
            self._is_abandoned = True
            self._close(0)
            self._close(1)
            self._take_text()

    def _close(self, fd: int) -> None:
        """Close one of the program's inputs when all is written to it."""
        if self._number and not self._has_ended:
            self.transport.closeChildFD(fd)

    # What Twisted calls

    def connectionMade(self) -> None:
        """The process runs; let it slow down whoever writes."""
        self.transport.pipes[0].registerProducer(self, True)

    def childConnectionLost(self, childFD: int) -> None:
        """The program has closed an input; if that was early, it did not read everything."""
        is_our_doing = self._has_records and childFD == 0
        if not self._is_committed and not self._is_abandoned and not is_our_doing:
            self._is_broken = True
            self._owner.go_on()

    def processExited(self, reason: Failure) -> None:
        """Answer; processes that the program left behind are not waited for."""
        self._has_ended = True
        self._code = getattr(reason.value, "exitCode", None)
        if self._is_committed:
            self._answer()

    def pauseProducing(self) -> None:
        """The program is behind."""
        self._owner.hold()

    def resumeProducing(self) -> None:
        """The program has caught up."""
        self._owner.go_on()

    def stopProducing(self) -> None:
        """The program has closed its input."""

    def _take_text(self) -> bytes:
        """Read what came on descriptor 6 and close our end of it."""
        if self._text < 0:
            return b""
        try:
            return os.read(self._text, TEXT_MAX)
        except BlockingIOError:
            return b""
        finally:
            os.close(self._text)
            self._text = -1

    def _answer(self) -> None:
        """Say how it ended."""
        text = self._take_text()
        if self._problem:
            self._owner.stored(result_of(self._problem, 0))
            return
        result = outcome(self._code, text, self._number)
        self._owner.stored(result_of(READ_ERROR, 0) if self._is_broken and result.ok else result)
