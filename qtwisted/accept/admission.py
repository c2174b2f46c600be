"""Who may come in, and as what: control/tcprules for the clients of a front, before they are served.

Unlike 1.02: a front decides by tcprules itself, where tcpserver in front of qmail-smtpd did. A denied client is sent
away with 421, where tcpserver just closed: it may try again, too, and its operator can see why.

The same rules decide who may fetch mail by POP3; their variables mean nothing there. Under tcpserver each port had
rules of its own: here a client that may hand in mail but fetch none cannot be told from others.

Of the variables a rule sets, those count that the servers know: RELAYCLIENT, DATABYTES, QMAILQUEUE, and for the
Received field TCPREMOTEHOST, TCPREMOTEINFO and TCPLOCALHOST. Rules for ``info@`` never apply, since a front does not
ask the client's host who its user is. Names of hosts are looked up only where a rule depends on them, and count only
where they lead back to the address; a client whose name is not found in five seconds has none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from qtwisted.config.control import Control, ControlError
from qtwisted.config.tcprules import FILE, Rules, tcprules
from qtwisted.model.frozen import NamedTuple
from qtwisted.system.watch import DirectoryWatch
from qtwisted.wire import smtp_replies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from twisted.python.failure import Failure

    from qtwisted.model.reply import Reply
    from qtwisted.trust.peername import PeerNames

    #: finds the name of the host at an address
    FindName = Callable[[bytes], Deferred[bytes | None]]

#: how long a client waits for its name, in seconds
NAME_WITHIN = 5.0


class Visitor(NamedTuple):
    """A client at the door."""

    ip: bytes
    #: why it must not come in, if so
    refusal: Reply | None = None
    #: what tcpserver would have put into the environment
    variables: Mapping[bytes, bytes] = {}

    def environ(self, local: bytes) -> dict[bytes, bytes]:
        """Give the whole environment, as a server would find it; ``local`` is the name of this end."""
        return {b"TCPREMOTEIP": self.ip, b"TCPLOCALHOST": local, **self.variables}

    @property
    def queue(self) -> str | None:
        """Name the program that takes the place of the queue for this client, if one does."""
        program = self.variables.get(b"QMAILQUEUE")
        return None if program is None else os.fsdecode(program)


class Admission:
    """Knows control/tcprules of a home, as it is at the moment."""

    def __init__(self, home: str, reactor: Any, alert: Callable[[str], None], find_name: FindName) -> None:
        """Read the file; ``alert`` gets a line where it is broken."""
        self._reactor = reactor
        self._control = Control(home)
        self._alert = alert
        self._find_name = find_name
        self._watch = DirectoryWatch(f"{home}/control", [FILE])
        self.reload()

    def reload(self) -> None:
        """Read the file again. While it is broken nobody may come in."""
        self._rules: Rules | None = None
        try:
            self._rules = tcprules(self._control) or Rules()
        except ControlError as error:
            self._alert(f"unable to read controls: {error}")

    def meet(self, ip: bytes) -> Visitor | Deferred[Visitor]:
        """Decide about a client, at once or when its name is known; the Deferred never fails, even if cancelled."""
        if self._watch.has_changed():
            self.reload()
        rules = self._rules
        if rules is None:
            return Visitor(ip, smtp_replies.NO_CONTROLS)
        if not rules.needs_name(ip):
            return visitor(rules, ip, None)
        looking = self._find_name(ip)
        looking.addTimeout(NAME_WITHIN, self._reactor)
        looking.addErrback(_unknown)
        return looking.addCallback(lambda host: visitor(rules, ip, host))

    def close(self) -> None:
        """Watch no longer."""
        self._watch.close()


def finder(reactor: Any, home: str) -> FindName:
    """Make what finds the names of hosts; nothing is loaded for it before the first name is wanted."""
    found: list[PeerNames] = []

    def find(ip: bytes) -> Deferred[bytes | None]:
        """Find the name of the host at an address."""
        if not found:
            # imported only here: few need it, and it is the largest part of a front
            from qtwisted.trust.peername import PeerNames

            found.append(PeerNames(reactor, home))
        return found[0].find(ip)

    return find


def visitor(rules: Rules, ip: bytes, host: bytes | None) -> Visitor:
    """Apply the rules to a client."""
    rule = rules.find(ip, host)
    named = {} if host is None else {b"TCPREMOTEHOST": host}
    refusal = None if rule.is_allowed else smtp_replies.NOT_SERVED
    return Visitor(ip, refusal, {**named, **rule.variables})


def _unknown(failure: Failure) -> None:
    """Whatever went wrong, the client has no name."""
