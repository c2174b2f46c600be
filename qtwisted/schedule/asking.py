"""Asks a running qmail-send, over HOME/run/send.sock: for programs that never load Twisted.

::

    with Asking(home) as send:
        for value in send.ask(b"snapshot"):
            ...

What can be asked, and what comes back, is told in ``requests/acts``.
"""

from __future__ import annotations

import time

from qtwisted.system.sockets import connect_unix
from qtwisted.wire.request import Answers, RequestError, request_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

SOCKET = "send.sock"
#: how long a qmail-send that runs may take to greet
GREETING_WITHIN = 5.0
#: how long it may be silent in the middle of an answer, which may have to wait for the disk
ANSWER_WITHIN = 120.0


class NotRunning(Exception):
    """No qmail-send of this home answers; the text says what was found instead."""


class NotAllowed(Exception):
    """It is not for us to ask; the text says for whom it is."""


class Asking:
    """A conversation with the qmail-send of one home."""

    def __init__(self, home: str, greeting_within: float = GREETING_WITHIN) -> None:
        """Connect and wait for the greeting; raise NotRunning or NotAllowed."""
        self._home = home
        self._answers = Answers()
        self._values: Iterator[dict[str, Any] | None] = iter(())
        try:
            self._socket = connect_unix(f"{home}/run", SOCKET, greeting_within)
        except PermissionError:
            raise NotAllowed(f"only root and the owner of {home} may ask the mail system in it") from None
        except OSError:
            raise NotRunning(f"the mail system in {home} is not running") from None
        try:
            (self.greeting,) = self._answer(greeting_within)
        except BaseException:
            self.close()
            raise
        if "refused" in self.greeting:
            self.close()
            raise NotAllowed(str(self.greeting["refused"]))

    def __enter__(self) -> Asking:
        """Be closed at the end of a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the conversation."""
        self._socket.close()

    def ask(self, *words: bytes, within: float = ANSWER_WITHIN) -> Iterator[dict[str, Any]]:
        """Ask, and give the values of the answer as they come; it must be read to its end before the next question.

        Raises NotRunning when qmail-send goes away, or is silent for longer than *within*.
        """
        try:
            self._socket.settimeout(within)
            self._socket.sendall(request_bytes(words))
        except OSError:
            raise NotRunning(f"the mail system in {self._home} has gone away") from None
        yield from self._answer(within)

    def snapshot(self) -> dict[str, Any]:
        """Ask what qmail-send is doing: its own numbers, and under ``deliveries`` each delivery that runs."""
        first, *deliveries = self.ask(b"snapshot")
        return {**first, "deliveries": deliveries}

    def _answer(self, within: float) -> Iterator[dict[str, Any]]:
        """Give the values of one answer."""
        deadline = time.monotonic() + within
        while True:
            for value in self._values:
                if value is None:
                    return
                yield value
                deadline = time.monotonic() + within
            self._values = self._answers.received(self._read(deadline - time.monotonic()))

    def _read(self, within: float) -> bytes:
        """Read what comes within so many seconds."""
        self._socket.settimeout(max(within, 0.001))
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise NotRunning(f"qmail-send of {self._home} does not answer") from None
        except OSError:
            data = b""
        if not data:
            raise NotRunning(f"the mail system in {self._home} ended before it answered")
        return data


def is_answering(home: str, within: float = GREETING_WITHIN) -> bool:
    """Does a qmail-send of this home answer?"""
    try:
        Asking(home, within).close()
    except (NotRunning, RequestError):
        return False
    except NotAllowed:
        return True
    return True
