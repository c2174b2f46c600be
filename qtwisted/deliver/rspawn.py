"""qmail-rspawn -- make remote deliveries, many at a time

Synopsis::

    qmail-rspawn

Description: reads orders from qmail-send on descriptor 0, sends each message as qmail-remote(8) does, and writes
reports on descriptor 1, in the order in which deliveries end. First it forgets which addresses did not answer
lately, and says how many deliveries it can make at a time (conf-spawn).

Connections are used for several messages: one on which nothing is sent any more is kept for five seconds. Recipients
of one message who have the same servers are named in one transaction, a hundred at most, and each has a report of his
own. There are at most ``control/concurrencydestination`` connections to the same servers, 20 without that file.

At end of file on descriptor 0 it finishes the deliveries it has begun, and ends. Running as a role of ``twistd
qmail`` both directions are one socket, called ``orders``; when that is closed nobody is left to hear a report, and
it ends at once. TERM then has it put off what it has begun: the deliveries that had not ended when the time was up
that the master gives them.

Exit codes: 0 end of file, 111 the home cannot be used.

Files: ``control/concurrencydestination``, ``control/concurrencyremote``, ``queue/mess/*/*``, ``queue/lock/tcpto``,
and those of qmail-remote(8).

Unlike 1.02: it does not start qmail-remote; all deliveries are made in this one process.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet import protocol
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IHalfCloseableProtocol
from zope.interface import implementer

from qtwisted.config import conf
from qtwisted.config.control import Control, ControlError
from qtwisted.deliver.host import reports
from qtwisted.deliver.host.letters import Message
from qtwisted.deliver.host.slots import Slots
from qtwisted.deliver.host.tcpto import Tcpto
from qtwisted.deliver.host.traffic import Traffic
from qtwisted.deliver.remote import TCPTO, remote_of
from qtwisted.deliver.spawn import GIVEN_UP, Unusable, open_message
from qtwisted.model.address import split
from qtwisted.system.ending import helped
from qtwisted.system.start import say
from qtwisted.wire.spawn import LENT, LENT_MAX, OrderReader, Report, hello_bytes, report_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from qtwisted.config.conf import Conf, Ids
    from qtwisted.deliver.host.sending import Remote
    from qtwisted.system.start import Opened
    from qtwisted.wire.spawn import Order

FAREWELL_FOR = 1.0
"""How long the last words on idle connections may take at the end."""
DESCRIPTORS_KEPT = 100
"""Descriptors that are not for deliveries, of which each needs two."""


class Limits(NamedTuple):
    """How many deliveries there can be: ``slots`` is what qmail-send is told, ``active`` how many it will order,
    ``lent`` how many more may wait; delivery numbers take ``width`` bytes.
    """

    slots: int
    active: int
    lent: int
    width: int


class Spawner(protocol.Protocol):
    """Obeys the orders of one qmail-send; ``ended`` is called when it is over."""

    transport: Any

    def __init__(
        self,
        clock: Any,
        remote: Remote,
        owner: int,
        limits: Limits,
        complain: Callable[[Failure], None],
        ended: Callable[[], None],
    ) -> None:
        """Make deliveries within the limits, of messages that belong to the uid ``owner``."""
        self._clock = clock
        self._owner = owner
        self._limits = limits
        self._complain = complain
        self._ended = ended
        self._slots = Slots(clock, limits.active, limits.lent, self._lend)
        self._traffic = Traffic(clock, remote, limits.active, complain)
        self._is_over = False
        self._orders = OrderReader(limits.slots + limits.lent, self._slots, limits.width)

    def connectionMade(self) -> None:
        """Say hello."""
        self.transport.write(hello_bytes(self._limits.slots, self._limits.width))

    def dataReceived(self, data: bytes) -> None:
        """Take orders."""
        for order in self._orders.received(data):
            if isinstance(order, Report):
                self._report(order.delnum, order.text)
            else:
                self._begin(order)

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """End, since nobody is left to report to, as soon as idle connections are closed. What is under way would be
        repeated anyway.
        """
        late = self._clock.callLater(FAREWELL_FOR, self._ended)

        def closed(result: Any) -> None:
            """End before it is late."""
            if late.active():
                late.cancel()
                self._ended()

        self._traffic.close().addCallback(closed)

    def give_up(self) -> None:
        """Put off every delivery; what still becomes of it nobody hears, as if we had been killed."""
        if not self._is_over:
            for delnum in self._slots.numbers():
                self._report(delnum, GIVEN_UP)
        self._is_over = True

    def _begin(self, order: Order) -> None:
        """Begin a delivery."""
        if self._is_over:
            self._report(order.delnum, GIVEN_UP)
            return
        try:
            message = Message(open_message(order.messid, self._owner), self._clock.seconds)
        except Unusable as unusable:
            self._report(order.delnum, unusable.report)
            return
        started = self._slots.begin(order.delnum)
        host = split(order.recipient)[1] or b""
        delivery = self._traffic.deliver(host, order.sender, order.recipient, order.messid, message, started)
        delivery.addErrback(self._crashed).addCallback(self._delivered, order.delnum)

    def _crashed(self, failure: Failure) -> reports.Report:
        """Survive a fault of ours; only the one message waits for it to be mended."""
        self._complain(failure)
        return reports.Report(reports.CRASHED)

    def _delivered(self, report: reports.Report, delnum: int) -> None:
        """Report. The message is closed by now: its file may soon hold another one."""
        if not self._is_over:
            self._report(delnum, reports.combine(report.wire()))
        self._slots.end(delnum)

    def _lend(self, delnum: int) -> None:
        """Tell qmail-send that it may order another delivery, though this one is not over."""
        if not self._is_over:
            self._report(delnum, LENT)

    def _report(self, delnum: int, text: bytes) -> None:
        """Tell qmail-send what became of a delivery."""
        self.transport.write(report_bytes(Report(delnum, text), self._limits.width))


@implementer(IHalfCloseableProtocol)
class FinishingSpawner(Spawner):
    """Finishes what it has begun when there are no more orders, since reports have a descriptor of their own."""

    _no_more = False

    def readConnectionLost(self) -> None:
        """Learn that there are no more orders."""
        self._no_more = True
        self._end_if_done()

    def writeConnectionLost(self) -> None:
        """Learn that nobody listens; deliveries go on, as in spawn.c."""

    def _delivered(self, report: reports.Report, delnum: int) -> None:
        """Report, and look whether this was the last."""
        super()._delivered(report, delnum)
        self._end_if_done()

    def _end_if_done(self) -> None:
        """End when there is nothing more to do."""
        if self._no_more and not len(self._slots):
            self._traffic.close().addCallback(lambda _: self.transport.loseConnection())


def limits_of(settings: Conf, width: int, wanted: int = 0) -> Limits:
    """Say how many deliveries there can be: ``wanted`` at a time, and as many that only wait as there are descriptors
    for. With numbers of one byte qmail-send is the one of 1.02, which knows nothing of lending.
    """
    if width == 1:
        slots = min(settings.spawn, 255)
        return Limits(slots, slots, 0, 1)
    active = min(settings.spawn, wanted)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = soft // 2 - active - DESCRIPTORS_KEPT
    return Limits(settings.spawn, active, max(0, min(LENT_MAX, room)), width)


def spawner(
    kind: type[Spawner],
    reactor: Any,
    home: str,
    limits: Limits,
    ids: Ids,
    complain: Callable[[Failure], None],
) -> Spawner:
    """Put together what a home needs; the current directory is its queue/mess."""
    tcpto = Tcpto(f"{home}/{TCPTO}")
    tcpto.clear()
    remote = remote_of(reactor, home, tcpto)

    def ended() -> None:
        """Stop the reactor, unless it is stopping already."""
        try:
            reactor.stop()
        except ReactorNotRunning:
            pass

    return kind(reactor, remote, ids.qmailq_uid, limits, complain, ended)


def complainer(log: int) -> Callable[[Failure], None]:
    """Return a function that has a fault of ours appear in the log, each line as an alert."""

    def complain(failure: Failure) -> None:
        """Write the traceback."""
        for line in "".join(traceback.format_exception(failure.value)).splitlines():
            say(log, f"alert: rspawn: {line}")

    return complain


def log_faults(complain: Callable[[Failure], None]) -> None:
    """Have faults that Twisted catches appear in the log, too, and nothing else that it says."""
    from twisted.logger import globalLogBeginner

    def observe(event: Any) -> None:
        """Pick out the faults."""
        if "log_failure" in event:
            complain(event["log_failure"])

    observer: Any = observe
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)


def main(opened: Opened | None = None) -> None:
    """Run as a role of twistd qmail, or as the program when nothing was opened for us."""
    if opened is None:
        if not helped(__doc__):
            run_program()
        return
    from twisted.internet import reactor as any_reactor

    reactor: Any = any_reactor
    complain = complainer(opened.fds["log"])
    log_faults(complain)
    width = int(opened.options.get("remote_width", "1"))
    wanted = Control(opened.home).integer("concurrencyremote", 20)
    limits = limits_of(opened.conf, width, wanted)
    served: Any = protocol.Factory()
    served.noisy = False
    only = spawner(Spawner, reactor, opened.home, limits, opened.ids, complain)
    served.buildProtocol = lambda _: only
    orders = opened.fds["orders"]
    reactor.adoptStreamConnection(orders, socket.AF_UNIX, served)
    os.close(orders)
    reactor.callWhenRunning(signal.signal, signal.SIGTERM, lambda *_: reactor.callFromThread(only.give_up))
    reactor.run()


def run_program() -> None:
    """Run as the program qmail-rspawn of qmail 1.02: orders on descriptor 0, reports on descriptor 1."""
    from twisted.internet import reactor as any_reactor
    from twisted.internet.stdio import StandardIO

    reactor: Any = any_reactor
    home = conf.home_dir(os.environ)
    try:
        os.chdir(home)
        os.chdir("queue/mess")
        settings = conf.load(home)
        ids = conf.ids(settings)
    except (OSError, ControlError) as trouble:
        say(2, f"qmail-rspawn: fatal: {trouble}")
        sys.exit(111)
    complain = complainer(2)
    log_faults(complain)
    standard_io: Any = StandardIO
    standard_io(spawner(FinishingSpawner, reactor, home, limits_of(settings, 1), ids, complain), reactor=reactor)
    reactor.run()


if __name__ == "__main__":
    main()
