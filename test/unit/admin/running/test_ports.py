"""Tests for qtwisted.admin.running.ports: which ports are opened, and what is said if that cannot be."""

import os
from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.running.ports import BACKLOG, StartError, Wish, close_all, from_control, open_all
from qtwisted.system.roles import SERVICES


class Port:
    """A port that listens nowhere."""

    def __init__(self, address: IPv4Address | UNIXAddress) -> None:
        """Remember where it would."""
        self.address = address
        self.accepting = True
        self.closed = False

    def getHost(self) -> IPv4Address | UNIXAddress:
        """Its address."""
        return self.address

    def stopReading(self) -> None:
        """Accept nothing."""
        self.accepting = False

    def stopListening(self) -> None:
        """Close it."""
        self.closed = True


class Reactor:
    """Opens such ports, and refuses those that are taken."""

    def __init__(self, *taken: int) -> None:
        """These numbers are taken."""
        self.taken = taken
        self.ports: list[Port] = []
        self.backlogs: list[int] = []

    def listenTCP(self, number: int, factory: Any, backlog: int = 50, interface: str = "") -> Port:
        """Open a port."""
        if number in self.taken:
            raise CannotListenError(interface, number, OSError(98, "Address already in use"))
        self.backlogs.append(backlog)
        self.ports.append(Port(IPv4Address("TCP", interface or "0.0.0.0", number or 40000)))
        return self.ports[-1]

    def listenUNIX(self, path: str, factory: Any, backlog: int = 50, **more: Any) -> Port:
        """Open a UNIX socket."""
        self.backlogs.append(backlog)
        self.ports.append(Port(UNIXAddress(path)))
        return self.ports[-1]


class OpenTests(SynchronousTestCase):
    """Ports are opened all or none, and never accept here."""

    def test_names(self) -> None:
        """Listeners are numbered by service; nothing is ever accepted on them here."""
        reactor = Reactor()
        found = open_all(reactor, [Wish("smtp", "tcp:25", "--smtp"), Wish("smtp", "haproxy:tcp:0", "--smtp")])
        self.assertEqual([(one.name, one.service, one.proxied) for one in found],
                         [("smtp0", "smtp", False), ("smtp1", "smtp", True)])
        self.assertEqual([port.accepting for port in reactor.ports], [False, False])

    def test_announcement(self) -> None:
        """The log says on which address and port, also when the port was left to the system."""
        listener, = open_all(Reactor(), [Wish("smtp", "tcp:0:interface=127.0.0.1", "--smtp")])
        self.assertEqual(listener.announcement(), "smtp: listening on 127.0.0.1 port 40000")

    def test_announcement_of_path(self) -> None:
        """A UNIX socket is named by its path, as it was asked for."""
        listener, = open_all(Reactor(), [Wish("smtp", "unix:/some/path", "--smtp")])
        self.assertEqual(listener.announcement(), "smtp: listening on /some/path")

    def test_backlog(self) -> None:
        """A burst of connections can wait on every port, unless its endpoint says how many may."""
        reactor = Reactor()
        open_all(reactor, [Wish("smtp", endpoint, "--smtp") for endpoint in
                           ("tcp:25", "haproxy:tcp:26:interface=127.0.0.1", "unix:/some/path", "tcp:27:backlog=7")])
        self.assertEqual(reactor.backlogs, [BACKLOG, BACKLOG, BACKLOG, 7])

    def test_taken(self) -> None:
        """A port that is taken is named, with where it was asked for; those opened before are closed
        again.
        """
        reactor = Reactor(25)
        wishes = [Wish("smtp", "tcp:2525", "--smtp"), Wish("smtp", "tcp:25", "control/listen line 2")]
        trouble = self.assertRaises(StartError, open_all, reactor, wishes)
        self.assertEqual(str(trouble), "control/listen line 2: cannot listen on tcp:25: Address already in use")
        self.assertEqual([port.closed for port in reactor.ports], [True])

    def test_no_endpoint(self) -> None:
        """What is no endpoint, or cannot be handed to another process, is refused in one line."""
        for text in ("25", "ssl:25", "nonsense:1", "tcp", "tcp:x", "tcp:25:what=5", "haproxy:ssl:25", ""):
            trouble = self.assertRaises(StartError, open_all, Reactor(), [Wish("smtp", text, "--smtp")])
            self.assertTrue(str(trouble).startswith("--smtp: "), str(trouble))
            self.assertNotIn("\n", str(trouble))

    def test_close(self) -> None:
        """All are closed together."""
        reactor = Reactor()
        close_all(open_all(reactor, [Wish("smtp", "tcp:1", ""), Wish("smtp", "tcp:2", "")]))
        self.assertEqual([port.closed for port in reactor.ports], [True, True])


class ControlTests(SynchronousTestCase):
    """control/listen names ports."""

    def listen(self, text: str) -> list[Wish]:
        """What a control/listen of this *text* asks for."""
        home = self.mktemp()
        os.makedirs(f"{home}/control")
        with open(f"{home}/control/listen", "w", encoding="ascii") as file:
            file.write(text)
        return from_control(home)

    def test_lines(self) -> None:
        """Each line is a service and an endpoint; comments and blank lines do not count."""
        self.assertEqual(self.listen("# ports\n\nsmtp tcp:25\nsmtp   tcp6:25 \n"),
                         [Wish("smtp", "tcp:25", "control/listen line 3"),
                          Wish("smtp", "tcp6:25", "control/listen line 4")])

    def test_missing(self) -> None:
        """Without the file no port is opened."""
        self.assertEqual(from_control(self.mktemp()), [])

    def test_wrong(self) -> None:
        """A line that makes no sense is named by its number."""
        for text, expected in (
                ("smtp\n", "control/listen line 1: needs a service and an endpoint, such as: smtp tcp:25"),
                ("smtp tcp:25\ngopher tcp:70\n",
                 f"control/listen line 2: there is no service gopher, only {', '.join(SERVICES)}")):
            trouble = self.assertRaises(StartError, self.listen, text)
            self.assertEqual(str(trouble), expected)
