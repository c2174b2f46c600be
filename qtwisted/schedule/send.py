"""qmail-send -- deliver mail messages from the queue

Synopsis::

    the role ``send`` of ``twistd qmail``

qmail-send schedules the deliveries of the messages in the queue. It rewrites each recipient address and hands it to
qmail-lspawn or qmail-rspawn. When all recipients of a message are done it sends a bounce, if one is needed, and has
the message removed. A recipient that could not be reached is tried again, on a quadratic schedule, until the message
is too old.

It hears of new messages from the process that writes the queue. Programs that write the queue themselves wake it up
through lock/trigger; todo is looked through every 25 minutes in any case.

TERM makes it exit as soon as the running deliveries have ended. ALRM makes every message due at once. HUP makes it
read locals and virtualdomains again; what else is in control/ is read at the start only.

Control files: bouncefrom, bouncehost, concurrencylocal, concurrencyremote, doublebouncehost, doublebounceto,
envnoathost, locals, me, percenthack, queuelifetime, virtualdomains.

Exit codes: 0 after TERM; 3 when one of its partners is lost; 111 when it cannot start. The log tells why.

Unlike 1.02: the exit code tells whether somebody wanted it to end.

Root and the owner of the home can ask it what it does, and have it do something else, through HOME/run/send.sock;
qmailctl does that.

Files: info, local, remote, bounce, lock/sendmutex and lock/trigger in HOME/queue; HOME/run/send.sock.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from twisted.internet.protocol import Factory

from qtwisted.config.control import Control, ControlError
from qtwisted.model import alerts, events
from qtwisted.schedule.channels import Spawner
from qtwisted.schedule.controls import read, reread
from qtwisted.schedule.due import Agenda
from qtwisted.schedule.log import Log, Outlet
from qtwisted.schedule.requests.acts import Acts
from qtwisted.schedule.requests.reception import Reception
from qtwisted.schedule.scheduler import Scheduler
from qtwisted.schedule.times import Times
from qtwisted.schedule.trigger import Trigger
from qtwisted.store.feeder import Feeder
from qtwisted.store.kinds.ledger import Ledger, Trouble
from qtwisted.store.kinds.together import GroupSync
from qtwisted.store.watch import Watch
from qtwisted.system.disk import Disk
from qtwisted.system.roles import LOST_PARTNER
from qtwisted.system.sockets import connect_unix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from twisted.internet.protocol import Protocol

    from qtwisted.model.events import Event
    from qtwisted.schedule.controls import Controls
    from qtwisted.schedule.route import Router
    from qtwisted.system.start import Opened

#: the socket of the door that roles use
DOOR = "queue-priv.sock"
#: how long the door may take to appear when everything starts at the same time
DOOR_WITHIN = 30.0
DOOR_AGAIN_FOR = 0.1

CANNOT_START = 111

#: how many bytes a delivery number takes on each channel
Widths = tuple[int, int]


class Line(Factory):
    """Gives the one connection of a socket its protocol."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        """Give *protocol*."""
        self._protocol = protocol

    def buildProtocol(self, address: object) -> Protocol:
        """Give it."""
        return self._protocol


def steady() -> float:
    """Read the clock that nobody can set, which goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Send:
    """The process: sockets, signals and files around a Scheduler."""

    def __init__(
        self, reactor: Any, home: str, controls: Controls, ledger: Ledger, log: Log, widths: Widths,
        control: int | None = None,
    ) -> None:
        """Hold what was opened; nothing runs yet. *control* is the socket for administrators, if there is one."""
        self._reactor = reactor
        self._home = home
        self._controls = controls
        self._ledger = ledger
        self._log = log
        self._spawners: list[Spawner] = []
        self._widths = widths
        self._control = control
        self._watch: Watch | None = None
        self._trigger = Trigger(reactor, ledger.disk, lambda: self.scheduler.triggered())
        self._give_up_at = reactor.seconds() + DOOR_WITHIN
        self._is_stopped = False
        self.was_told = False

    def build(self, limits: tuple[int, int], environ: Mapping[str, str], wall: Callable[[], float]) -> None:
        """Make the scheduler."""
        agenda = Agenda()
        self._times = Times(wall, self._reactor.seconds, self._ledger.stamp(), agenda.shift)
        self.scheduler = Scheduler(
            clock=self._reactor,
            outside=self,
            ledger=self._ledger,
            sync=GroupSync(self._ledger.disk, self._reactor, self._in_thread),
            intake=Feeder(self._reactor, self._home, environ),
            log=self._log,
            times=self._times,
            agenda=agenda,
            settings=self._controls.settings,
            router=self._controls.router,
            limits=limits,
            widths=self._widths,
        )

    def _listen(self) -> None:
        """Let an administrator ask, and tell us what to do."""
        if self._control is not None:
            acts = Acts(self.scheduler, self._reactor, self._times, self._log)
            Reception(self._reactor, acts, self._home, os.geteuid()).listen(self._control)

    def adopt(self, fds: tuple[int, int]) -> None:
        """Take over the sockets to the spawners, which have said hello."""
        for channel, fd in enumerate(fds):
            spawner = Spawner(channel, self.scheduler, self._widths[channel])
            self._spawners.append(spawner)
            self._adopt(fd, spawner)

    def _adopt(self, fd: int, protocol: Protocol) -> None:
        """Let the reactor drive a socket; the reactor has a copy of the descriptor then."""
        os.set_blocking(fd, False)
        self._reactor.adoptStreamConnection(fd, socket.AF_UNIX, Line(protocol))
        os.close(fd)

    def connect(self) -> None:
        """Connect to the door and begin; without a door there is nothing to do."""
        if self._is_stopped:
            return
        try:
            connection = connect_unix(self._home + "/run", DOOR)
        except OSError:
            if self._reactor.seconds() < self._give_up_at:
                self._reactor.callLater(DOOR_AGAIN_FOR, self.connect)
            else:
                self._leave(alerts.LostClean())
            return
        self._watch = Watch(self.scheduler)
        self._adopt(connection.detach(), self._watch)
        self.scheduler.start()
        self._listen()

    def _leave(self, *last: Event) -> None:
        """End without having begun."""
        for event in (*last, events.Exiting()):
            self._log.say(event)
        self._log.farewell()
        self.stop()

    def terminate(self) -> None:
        """End, at once if nothing has begun (TERM)."""
        self.was_told = True
        if self._watch is None:
            self._leave()
        else:
            self.scheduler.terminate()

    def catch_signals(self) -> None:
        """Let the reactor pass signals on; it is woken by the signal itself, so that none is seen late."""
        calls = {
            signal.SIGTERM: self.terminate,
            signal.SIGINT: self.terminate,
            signal.SIGALRM: self.scheduler.alarm,
            signal.SIGHUP: self.scheduler.hangup,
        }
        for number, call in calls.items():
            signal.signal(number, lambda *_, call=call: self._reactor.callFromThread(call))

    def _in_thread(self, work: Callable[[], list[bool]], done: Callable[[list[bool]], None]) -> None:
        """Run syncs in a thread, one group at a time, and give the result back to the reactor."""

        def run() -> None:
            """Work, and tell."""
            self._reactor.callFromThread(done, work())

        self._reactor.callInThread(run)

    # What the scheduler asks for

    def order(self, channel: int, order: bytes) -> None:
        """Send bytes to a spawner."""
        self._spawners[channel].order(order)

    def clean(self, command: bytes, answer: Callable[[bytes], None]) -> None:
        """Send a command to the door."""
        if self._watch is not None:
            self._watch.clean(command, answer)

    def arm(self) -> None:
        """Make the trigger ready."""
        self._trigger.arm()

    def reread(self) -> Router | Event | None:
        """Read locals and virtualdomains again."""
        return reread(Control(self._home), self._controls, self.scheduler.router)

    def stop(self) -> None:
        """End the process."""
        if not self._is_stopped:
            self._is_stopped = True
            self._trigger.disarm()
            self._reactor.stop()


def greet(fd: int, width: int) -> int:
    """Read a spawner's greeting of *width* bytes: how many deliveries it can hold."""
    hello = b""
    while len(hello) < width:
        more = os.read(fd, width - len(hello))
        if not more:
            raise Trouble(alerts.NoSpawner())
        hello += more
    return int.from_bytes(hello, "little")


def prepare(home: str, queue: str, split: int) -> tuple[Controls, Ledger]:
    """Read the control files and lock the queue; Trouble says what is wrong."""
    if not os.access(home, os.X_OK):
        raise Trouble(alerts.NoHome())
    try:
        controls = read(Control(home))
    except ControlError:
        raise Trouble(alerts.NoControls()) from None
    try:
        disk = Disk(queue)
    except OSError:
        raise Trouble(alerts.NoQueue()) from None
    ledger = Ledger(disk, split)
    ledger.lock()
    return controls, ledger


def limit(wanted: tuple[int, int], fds: tuple[int, int], widths: Widths) -> tuple[int, int]:
    """Wait for both greetings and give the limits of the channels."""
    try:
        local, remote = (
            min(number, greet(fd, width)) for number, fd, width in zip(wanted, fds, widths, strict=True)
        )
    except OSError:
        raise Trouble(alerts.NoSpawner()) from None
    return local, remote


def die_of_bugs(log: int) -> None:
    """Let an exception that nobody caught end this process: the queue is consistent at any moment, we may not
    be.

    Twisted would note it and go on.
    """
    from twisted.logger import globalLogBeginner

    def observe(event: Any) -> None:
        """Write the traceback to the log and leave."""
        failure = event.get("log_failure")
        if failure is not None:
            lines = failure.getTraceback().splitlines()
            text = "".join([f"alert: send: {line}\n" for line in lines])
            try:
                os.write(log, text.encode("utf-8", "backslashreplace"))
            finally:
                os._exit(1)

    begin: Any = globalLogBeginner.beginLoggingTo
    begin([observe], redirectStandardIO=False, discardBuffer=True)


def main(opened: Opened) -> None:
    """Run the role."""
    from twisted.internet import reactor as global_reactor

    reactor: Any = global_reactor
    # Timers must not stand still for a year when somebody sets the clock back.
    reactor.seconds = steady
    os.umask(0o077)
    log = Log(reactor, Outlet(opened.fds["log"]).write)
    fds = (opened.fds["lspawn"], opened.fds["rspawn"])
    # Unlike 1.02: the remote spawner may have more than 255 slots, and its delivery numbers two bytes.
    widths = (1, int(opened.options.get("remote_width", "1")))
    try:
        controls, ledger = prepare(opened.home, opened.home + "/queue", opened.conf.split)
        limits = limit(controls.concurrency, fds, widths)
    except Trouble as trouble:
        log.say(trouble.event)
        log.farewell()
        sys.exit(CANNOT_START)
    die_of_bugs(opened.fds["log"])
    send = Send(reactor, opened.home, controls, ledger, log, widths, opened.fds.get("control"))
    send.build(limits, os.environ, time.time)
    send.adopt(fds)
    reactor.callWhenRunning(send.catch_signals)
    reactor.callWhenRunning(send.connect)
    reactor.run()
    sys.exit(0 if send.was_told else LOST_PARTNER)
