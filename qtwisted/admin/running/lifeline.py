"""A pipe that tells when the last process of a unit has ended, whoever its children are.

Every role holds the writing end and so does whatever it forks, except programs of users. Nothing is ever
written. The reading end is with the master: it sees the end of the pipe when nobody is left who could still
be at work on the queue.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


@implementer(IReadDescriptor)
class Lifeline:
    """The master's end of one such pipe."""

    def __init__(self, reactor: Any, ended: Callable[[], None]) -> None:
        """Make the pipe; *ended* is called once, when nobody holds the other end any more."""
        self._reactor = reactor
        self._ended = ended
        self._read, self.write_end = os.pipe()
        self._inode = os.fstat(self._read).st_ino

    def handed_over(self) -> None:
        """All roles of the unit have been started: close our copy of the writing end and listen."""
        os.close(self.write_end)
        self._reactor.addReader(self)

    def fileno(self) -> int:
        """The reading end."""
        return self._read

    def logPrefix(self) -> str:
        """How the reactor calls this descriptor in its own log."""
        return "lifeline"

    def doRead(self) -> None:
        """Nobody writes here, so what can be read is the end."""
        if not os.read(self._read, 512):
            self.connectionLost(None)

    def connectionLost(self, reason: object) -> None:
        """The last one has gone."""
        if self._read >= 0:
            self._reactor.removeReader(self)
            os.close(self._read)
            self._read = -1
            self._ended()

    def holders(self) -> list[int]:
        """The process numbers of those who still hold the other end, as far as we may know."""
        found = []
        mine = os.getpid()
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != mine and self._holds(name):
                found.append(int(name))
        return found

    def forks(self, commands: Sequence[Sequence[str]]) -> list[int]:
        """The process numbers of those whose command line is one of *commands*: forks of what was started so.

        A fork that has become somebody else is closed to us in every other way, even if it is our own user.
        """
        wanted = {"\0".join(words) + "\0" for words in commands}
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _command(name) in wanted]

    def _holds(self, pid: str) -> bool:
        """Whether process *pid* has the pipe open."""
        wanted = f"pipe:[{self._inode}]"
        directory = f"/proc/{pid}/fd"
        try:
            return any(_target(f"{directory}/{fd}") == wanted for fd in os.listdir(directory))
        except OSError:
            return False  # it has just ended, or is not ours to look into


def _target(link: str) -> str:
    """What a link in /proc leads to; empty if it has just been closed, which says nothing about the others."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _command(pid: str) -> str:
    """The command line of process *pid*; empty if it has just ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""
