"""The role ``front``: takes mail from the network, as user qmaild.

There are as many fronts as processors. They share the listening sockets, which the master has opened, and each has
one connection to the door of the queue. A front reads control files when they change (or on HUP) and touches no other
file.

On TERM a front accepts no more clients, lets transactions under way come to their end, sends everybody else away with
421, and ends; what is still there after a minute is sent away, too.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING, cast

from twisted.logger import ILogObserver, globalLogBeginner
from zope.interface import implementer

from qtwisted.accept.controls import Controls
from qtwisted.accept.listen import ProxiedFactory, SmtpFactory
from qtwisted.store.feeder import Feeder

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from twisted.logger import LogEvent

    from qtwisted.system.start import Opened

SERVICE = "smtp"
#: how long transactions may go on after TERM, in seconds
FINISH_FOR = 60.0
#: and how long the last replies may take
REPLIES_FOR = 2.0


@implementer(ILogObserver)
class _Observer:
    """Hears from Twisted of a bug that ended a session, and tells of it.

    It tells at most once a second, since a client may know how to meet the bug again.
    """

    def __init__(self, alert: Callable[[str], None]) -> None:
        """Take whom to tell."""
        self._alert = alert
        self._told_at = float("-inf")

    def __call__(self, event: LogEvent) -> None:
        """Look for a traceback."""
        failure = event.get("log_failure")
        now = time.monotonic()
        if failure is not None and now - self._told_at >= 1.0:
            self._told_at = now
            self._alert("/".join(failure.getTraceback().split("\n")))


class Front:
    """The parts of a front, put together."""

    def __init__(self, reactor: Any, opened: Opened) -> None:
        """Take over the listening sockets; clients are accepted once the reactor runs."""
        self._reactor = reactor
        self._log = opened.fds.get("log")
        self._controls = Controls(opened.home, self._alert)
        self._feeder = Feeder(reactor, opened.home, os.environ)
        self._sessions = SmtpFactory(self._controls, self._feeder, reactor, time.time, self._alert)
        self._is_leaving = False
        proxied = opened.options.get("haproxy", "").split(",")
        self._ports = [
            self._adopt(number, name in proxied)
            for name, number in opened.fds.items()
            if name.rstrip("0123456789") == SERVICE
        ]

    def _adopt(self, number: int, is_proxied: bool) -> Any:
        """Accept clients on an open socket."""
        listener = socket.socket(fileno=number)
        factory = ProxiedFactory(self._sessions, self._reactor) if is_proxied else self._sessions
        listener.setblocking(False)
        port = self._reactor.adoptStreamPort(number, listener.family, factory)
        listener.close()
        return port

    def run(self) -> None:
        """Serve until TERM."""
        globalLogBeginner.beginLoggingTo(
            [cast("ILogObserver", _Observer(self._alert))], discardBuffer=True, redirectStandardIO=False
        )
        self._reactor.callWhenRunning(self._catch_signals)
        self._reactor.run()

    def _catch_signals(self) -> None:
        """HUP rereads the control files, TERM and INT end."""
        for number, action in ((signal.SIGHUP, self._controls.reload), (signal.SIGTERM, self.leave)):
            signal.signal(number, lambda *_, action=action: self._reactor.callFromThread(action))
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))

    def leave(self) -> None:
        """Accept nobody any more, and end when the transactions under way have ended."""
        if self._is_leaving:
            return
        self._is_leaving = True
        for port in self._ports:
            port.stopListening()
        self._reactor.callLater(FINISH_FOR, self._sessions.shut_down)
        self._reactor.callLater(FINISH_FOR + REPLIES_FOR, self._stop)
        self._sessions.leave(self._stop)

    def _stop(self) -> None:
        """End, once."""
        if self._reactor.running:
            self._feeder.close()
            self._reactor.stop()

    def _alert(self, text: str) -> None:
        """Call the operator."""
        if self._log is not None:
            try:
                os.write(self._log, b"alert: front: %s\n" % text.encode("utf-8", "backslashreplace"))
            except OSError:
                pass  # the log is full or gone; mail goes on


def main(opened: Opened) -> None:
    """Run the role."""
    from twisted.internet import reactor

    Front(reactor, opened).run()
