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
import time
from typing import TYPE_CHECKING, cast

from twisted.logger import ILogObserver, globalLogBeginner

from qtwisted.accept.admission import Admission, finder
from qtwisted.accept.adopting import adopt
from qtwisted.accept.controls import Controls
from qtwisted.accept.gate import Crowd
from qtwisted.accept.listen import ProxiedFactory, Sessions, SmtpFactory
from qtwisted.accept.listen_packages import QmqpFactory, QmtpFactory, qmqp_controls, qmtp_controls
from qtwisted.accept.trouble import Trouble
from qtwisted.store.feeder import Feeder
from qtwisted.system.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from qtwisted.accept.adopting import Port
    from qtwisted.store.interface import Intake
    from qtwisted.system.start import Opened

#: for each service what reads its control files and what serves its clients
SERVICES: dict[str, tuple[Callable[..., Any], Callable[..., Sessions]]] = {
    "smtp": (Controls, SmtpFactory),
    "qmtp": (qmtp_controls, QmtpFactory),
    "qmqp": (qmqp_controls, QmqpFactory),
}
#: how long transactions may go on after TERM, in seconds
FINISH_FOR = 60.0
#: and how long the last replies may take
REPLIES_FOR = 2.0


class Front:
    """The parts of a front, put together."""

    def __init__(self, reactor: Any, opened: Opened) -> None:
        """Take over the listening sockets; clients are accepted once the reactor runs."""
        self._reactor = reactor
        self._log = opened.fds.get("log")
        self._home = opened.home
        self._feeder = Feeder(reactor, opened.home, os.environ)
        self._tally = Tally(opened.fds["crowd"], int(opened.options["region"])) if "crowd" in opened.fds else None
        self._admission = Admission(opened.home, reactor, self._alert, finder(reactor, opened.home))
        self._controls: dict[str, Any] = {}
        self._sessions: dict[str, Sessions] = {}
        self._is_leaving = self._is_over = False
        proxied = opened.options.get("haproxy", "").split(",")
        self._ports = [
            self._adopt(service, number, name in proxied)
            for name, number in opened.fds.items()
            if (service := name.rstrip("0123456789")) in SERVICES
        ]

    def _serve(self, service: str) -> Sessions:
        """Make what serves the clients of a service, once."""
        if service not in self._sessions:
            read, serve = SERVICES[service]
            controls = self._controls[service] = read(self._home, self._alert)
            sessions = serve(controls, self._feeder, self._reactor, time.time, self._alert)
            sessions.share(Crowd(self._tally, service), self._admission, self._queue_program)
            self._sessions[service] = sessions
        return self._sessions[service]

    def _queue_program(self, program: str) -> Intake:
        """Make what hands messages to a program in the place of the queue."""
        return Feeder(self._reactor, self._home, {**os.environ, "QMAILQUEUE": program})

    def _adopt(self, service: str, number: int, is_proxied: bool) -> Port:
        """Accept clients of a service on an open socket."""
        sessions = self._serve(service)
        return adopt(self._reactor, number, ProxiedFactory(sessions, self._reactor) if is_proxied else sessions)

    def run(self) -> None:
        """Serve until TERM."""
        globalLogBeginner.beginLoggingTo(
            [cast("ILogObserver", Trouble(self._alert))], discardBuffer=True, redirectStandardIO=False
        )
        self._reactor.callWhenRunning(self._catch_signals)
        self._reactor.run()

    def _catch_signals(self) -> None:
        """HUP rereads the control files, TERM and INT end."""
        for number, action in ((signal.SIGHUP, self._reload), (signal.SIGTERM, self.leave)):
            signal.signal(number, lambda *_, action=action: self._reactor.callFromThread(action))
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))

    def _reload(self) -> None:
        """Read all control files again."""
        self._admission.reload()
        for controls in self._controls.values():
            controls.reload()

    def leave(self) -> None:
        """Accept nobody any more, and end when the transactions under way have ended."""
        if self._is_leaving:
            return
        self._is_leaving = True
        for port in self._ports:
            port.stopListening()
        for sessions in self._sessions.values():
            self._reactor.callLater(FINISH_FOR, sessions.shut_down)
        self._reactor.callLater(FINISH_FOR + REPLIES_FOR, self._stop)
        for sessions in self._sessions.values():
            sessions.leave(self._left)

    def _left(self) -> None:
        """End when the last session of the last service has ended."""
        if not any(sessions.is_busy for sessions in self._sessions.values()):
            self._stop()

    def _stop(self) -> None:
        """End, once."""
        if self._reactor.running and not self._is_over:
            self._is_over = True
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
