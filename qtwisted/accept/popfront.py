"""The role ``pop3``: serves POP3 clients from the network, as user qmaild, without being able to read their mail.

With each client it holds the dialogue of qmail-popup. A name and password go to the role ``auth``, which runs
the password program, and that becomes the owner's session, in a process of its own. From then on this process only
carries bytes between the client and that session, and has the last word when it ends, as qmail-popup has.
"""

from __future__ import annotations

import os
import signal
import socket
from array import array
from typing import TYPE_CHECKING, cast

from twisted.internet.protocol import Factory, Protocol
from twisted.logger import ILogObserver, globalLogBeginner

from qtwisted.accept.admission import Admission, finder
from qtwisted.accept.adopting import adopt
from qtwisted.accept.listen import ProxiedFactory
from qtwisted.accept.popclient import PopFactory
from qtwisted.accept.trouble import Trouble
from qtwisted.wire import logins
from qtwisted.wire.logins import EndingReader, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure

    from qtwisted.accept.popclient import Client, Session
    from qtwisted.system.start import Opened
    from qtwisted.wire.logins import Attempt

SERVICE = "pop3"

#: seconds for sessions under way after TERM
FINISH_FOR = 5.0


class Checker(Protocol):
    """The line to the role that has passwords checked."""

    transport: Any

    def __init__(self, line: socket.socket, reactor: Any, lost: Callable[[], None]) -> None:
        """Take the socket, and what to do when the other end is gone."""
        self._line = line
        self._reactor = reactor
        self._lost = lost
        self._reader = EndingReader()
        self._clients: dict[int, Client] = {}
        self._number = 0

    def begin(self, client: Client, attempt: Attempt, session: Session) -> None:
        """Have an attempt made (``popclient.Authority``)."""
        self._number = (self._number + 1) % (1 << 32)
        frame = logins.attempt_bytes(self._number, attempt)
        ours, theirs = socket.socketpair()
        try:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", (theirs.fileno(),)))
            if self._line.sendmsg([frame], [rights], socket.MSG_DONTWAIT) != len(frame):
                # the rest would have to come before anything else; the kernel takes all of so little, or nothing
                self.transport.abortConnection()
                raise OSError("half an attempt was sent")
            self._clients[self._number] = client
            self._reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, _Only(session))
        finally:
            ours.close()
            theirs.close()

    def dataReceived(self, data: bytes) -> None:
        """Tell each client how its attempt, or its session, has ended."""
        for number, ending in self._reader.received(data):
            client = self._clients.pop(number, None)
            if client is None:
                raise ProtocolError("the end of an attempt that was not made")
            client.ended(ending)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Without the other end there is nothing to do here."""
        self._lost()


class _Only(Factory):
    """Makes the one protocol it was given."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        """Take it."""
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Give it."""
        return self._protocol


class PopFront:
    """The parts of the role, put together."""

    def __init__(self, reactor: Any, opened: Opened, now: Callable[[], float]) -> None:
        """Take over the listening sockets and the line to ``auth``."""
        self._reactor = reactor
        self._log = opened.fds.get("log")
        line = socket.socket(fileno=opened.fds["auth"])
        checker = Checker(line, reactor, self._stop)
        reactor.adoptStreamConnection(line.fileno(), socket.AF_UNIX, _Only(checker))
        self._clients = PopFactory(opened.home, checker, reactor, now, self._alert)
        self._clients.meet = Admission(opened.home, reactor, self._alert, finder(reactor, opened.home)).meet
        proxied = opened.options.get("haproxy", "").split(",")
        self._ports = [self._adopt(number, name in proxied) for name, number in opened.fds.items()
                       if name.startswith(SERVICE)]

    def _adopt(self, number: int, is_proxied: bool) -> Any:
        """Accept clients on an open socket."""
        clients: Any = self._clients
        return adopt(self._reactor, number, ProxiedFactory(clients, self._reactor) if is_proxied else clients)

    def run(self) -> None:
        """Serve until TERM."""
        globalLogBeginner.beginLoggingTo(
            [cast("ILogObserver", Trouble(self._alert))], discardBuffer=True, redirectStandardIO=False
        )
        self._reactor.callWhenRunning(self._catch_signals)
        self._reactor.run()

    def _catch_signals(self) -> None:
        """TERM and INT end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._reactor.callFromThread(self.leave))

    def leave(self) -> None:
        """Accept nobody any more, and end when the sessions have ended, or soon."""
        for port in self._ports:
            port.stopListening()
        self._ports = []
        self._reactor.callLater(FINISH_FOR, self._stop)
        self._clients.leave(self._stop)

    def _stop(self) -> None:
        """End, once."""
        if self._reactor.running:
            self._reactor.stop()

    def _alert(self, text: str) -> None:
        """Call the operator."""
        if self._log is not None:
            try:
                os.write(self._log, b"alert: pop3: %s\n" % text.encode("utf-8", "backslashreplace"))
            except OSError:
                pass  # the log is full or gone; mail goes on


def main(opened: Opened) -> None:
    """Run the role."""
    import time

    from twisted.internet import reactor

    PopFront(reactor, opened, time.time).run()
