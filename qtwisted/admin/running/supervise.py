"""Units: roles that live and die together, kept alive by the master.

A unit is one process, or several that make no sense without each other (send, lspawn and rspawn, as in
qmail-start). When one process of a unit dies, the others are ended: they see the end of the sockets they
shared with it, and are told more firmly if they do not heed that. Only when every process is gone, and with
them every delivery they began (see lifeline), is the unit started again, after a pause.

TERM to qmail-send alone is an administrator's wish that deliveries end, and no death: the unit rests then, until
it is resumed.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol

from qtwisted.admin.running.lifeline import Lifeline
from qtwisted.system import roles, start
from qtwisted.system.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from twisted.internet.base import DelayedCall
    from twisted.python.failure import Failure

    from qtwisted.system.roles import Role

HINT_FOR = 5.0
"""How long the rest of a unit may take to end by itself after one of it has died."""
FIRMLY_FOR = 3.0
"""How long a process may take after TERM before it is killed."""
PARTING_FOR = 10.0
"""How long those may take after TERM that are to end in order: to put off deliveries and say good-bye."""
FIRST_FD = 3
OBEDIENT = ("send",)
"""Roles that stay down when somebody has told them to end."""


class Surroundings:
    """What all processes of one mail system have in common."""

    def __init__(self, reactor: Any, home: str, who: Mapping[str, tuple[int, int]] | None,
                 environment: Mapping[str, str], path: Sequence[str], say: Callable[[str], None]) -> None:
        """*who* gives uid and gid by role, None when no process changes its user; *say* writes a log line."""
        self.reactor = reactor
        self.home = home
        self.who = who
        self.environment = dict(environment)
        self.path = path
        self.say = say
        self.null = -1
        self.log = -1


class Child(ProcessProtocol):
    """One process of a unit."""

    def __init__(self, unit: Unit, role: Role) -> None:
        """It belongs to *unit* and runs as *role*."""
        self.unit = unit
        self.role = role

    def processExited(self, reason: Failure) -> None:
        """It has ended; *reason* says how."""
        number = getattr(reason.value, "signal", None)
        self.unit.child_ended(self, number, getattr(reason.value, "exitCode", None))

    def send(self, number: int) -> None:
        """Send it a signal; one that ends at this very moment needs none."""
        try:
            process: Any = self.transport
            process.signalProcess(number)
        except error.ProcessExitedAlready:
            pass


class Unit:
    """Processes that live and die together."""

    def __init__(self, name: str, around: Surroundings, members: Sequence[Role],
                 fds: Mapping[str, int], options: Mapping[str, str]) -> None:
        """*fds* and *options* are what its processes get besides what they share with each other."""
        self.name = name
        self._around = around
        self._members = members
        self._fds = fds
        self._options = options
        self._children: list[Child] = []
        self._commands: list[list[str]] = []
        self._lifeline: Lifeline | None = None
        self._backoff = Backoff()
        self._started_at = 0.0
        self._innocent = False
        self._only_followed = False
        self._later: DelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self.is_resting = False
        self.on_rest: Callable[[bool], None] = lambda is_resting: None
        """Told when the unit has come to rest, and when it is resumed."""

    def start(self) -> None:
        """Start every process of the unit."""
        self._later = None
        self._innocent = self._only_followed = False
        self._started_at = self._around.reactor.seconds()
        self._lifeline = Lifeline(self._around.reactor, self._all_ended)
        self._commands = []
        pairs = self._pairs()
        ends = [end for ours in pairs.values() for end in ours.values()]
        try:
            for role in self._members:
                self._spawn(role, {name: end.fileno() for name, end in pairs[role.name].items()})
        except OSError as trouble:
            # Those that did start see the end of their sockets, and the unit is tried again when they are
            # gone.
            self._around.say(f"alert: {self.name}: cannot start: {trouble.strerror}")
            self._hurry(HINT_FOR, signal.SIGTERM)
        for end in ends:
            end.close()
        self._lifeline.handed_over()

    def _pairs(self) -> dict[str, dict[str, socket.socket]]:
        """A connected socket for every two members that may talk, by role and by what the role calls it."""
        ends: dict[str, dict[str, socket.socket]] = {role.name: {} for role in self._members}
        for one, other in roles.PAIRS:
            if one[0] in ends and other[0] in ends:
                ends[one[0]][one[1]], ends[other[0]][other[1]] = socket.socketpair()
        return ends

    def _spawn(self, role: Role, shared: dict[str, int]) -> None:
        """Start one process with the descriptors it may have, and no others."""
        around = self._around
        assert self._lifeline is not None
        own = self._fds if role.name == role.unit else {}  # what comes from outside is for one role of the unit
        given = {**shared, **own, "lifeline": self._lifeline.write_end}
        if role.name != "log":
            given["log"] = around.log
        numbers = {name: FIRST_FD + index for index, name in enumerate(given)}
        # Whatever a role prints by accident goes to the log; the log itself writes to our own output.
        out, err = (1, 2) if role.name == "log" else (around.log, around.log)
        child_fds = {0: around.null, 1: out, 2: err}
        child_fds.update({numbers[name]: fd for name, fd in given.items()})
        who = None if around.who is None else around.who[role.name]
        words = start.command(role.name, around.home, os.getpid(), who, numbers, self._options, around.path)
        self._commands.append(words)
        child = Child(self, role)
        self._children.append(child)  # before it is started, since it may have ended when spawnProcess returns
        try:
            # With a path Twisted forks and moves the descriptors itself.
            around.reactor.spawnProcess(child, words[0], words, around.environment, "/", childFDs=child_fds)
        except OSError:
            self._children.remove(child)
            raise

    def child_ended(self, child: Child, number: int | None, code: int | None) -> None:
        """One process has ended, by signal *number* or with exit *code*: have the rest of the unit end,
        too.
        """
        self._children.remove(child)
        self._innocent = self._innocent or number == signal.SIGKILL
        if self._stopped is None and not self.is_resting:
            self._judge(child, number, code)
        self._look()

    def _judge(self, child: Child, number: int | None, code: int | None) -> None:
        """Tell a wish from a death, by the first process that has not just followed another one.

        The spawners end with 0 when qmail-send has gone, and may be seen to do so before it is.
        """
        is_first = self._later is None
        is_open = is_first or self._only_followed
        if is_open and child.role.name in OBEDIENT and (code == 0 or number == signal.SIGTERM):
            self.is_resting = True
        elif is_open and code == 0 and any(other.role.name in OBEDIENT for other in self._children):
            self._only_followed = True
        elif is_open:
            how = f"exited {code}" if number is None else f"was ended by signal {number}"
            self._around.say(f"alert: {self.name}: {child.role.name} {how}")
            # it has followed somebody else, as send does the door
            self._innocent = self._innocent or code in (0, roles.LOST_PARTNER)
            self._only_followed = False
        if is_first:
            self._hurry(HINT_FOR, signal.SIGTERM)

    def resume(self) -> None:
        """Start again after a rest, at once or as soon as the last process has ended."""
        if not self.is_resting or self._stopped is not None:
            return
        self.is_resting = False
        self._innocent = True
        self.on_rest(False)
        if not self._children and self._lifeline is None:
            self.start()

    def _hurry(self, after: float, number: int) -> None:
        """Some time from now, send signal *number* to what is still there, and then go on to kill it."""
        if self._later is not None:
            self._later.cancel()
        self._later = self._around.reactor.callLater(after, self._insist, number)

    def _insist(self, number: int) -> None:
        """Send signal *number* to every process that is left, or kill whatever holds the lifeline."""
        self._later = None
        self._only_followed = False
        for child in self._children:
            child.send(number)
        if number == signal.SIGKILL and not self._children and self._lifeline is not None:
            for pid in {*self._lifeline.holders(), *self._lifeline.forks(self._commands)}:
                self._around.say(f"warning: {self.name}: ending process {pid}, left over from a delivery")
                _kill(pid)
        in_order = number == signal.SIGTERM and self._stopped is not None
        self._hurry(PARTING_FOR if in_order else FIRMLY_FOR, signal.SIGKILL)

    def _all_ended(self) -> None:
        """Nobody holds the lifeline any more."""
        self._lifeline = None
        self._look()

    def _look(self) -> None:
        """Go on when all is over: start again, or tell who asked for the end."""
        if self._children or self._lifeline is not None:
            return
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._stopped is not None:
            self._stopped.callback(None)
            return
        if self.is_resting:
            self.on_rest(True)
            return
        reactor = self._around.reactor
        pause = self._backoff.after(reactor.seconds() - self._started_at, self._innocent)
        self._later = reactor.callLater(pause, self.start)

    def signal(self, name: str) -> None:
        """Forward signal *name* to those who understand it."""
        for child in self._children:
            if name in child.role.signals:
                child.send(getattr(signal, "SIG" + name))

    def stop(self, patience: float, tell: Sequence[str]) -> Deferred[None]:
        """End the unit for good: TERM to the roles in *tell*; to all of them when *patience* seconds have
        passed.

        Fires when every process and everything it began has ended.
        """
        self._stopped = Deferred()
        idle = not self._children and self._lifeline is None
        if self._later is not None:
            self._later.cancel()
            self._later = None
        for child in self._children:
            if child.role.name in tell:
                child.send(signal.SIGTERM)
        if idle:
            self._stopped.callback(None)
        else:
            self._hurry(patience, signal.SIGTERM)
        return self._stopped


def _kill(pid: int) -> None:
    """Kill process *pid*, which may have ended meanwhile."""
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
