"""A DNS server on loopback, UDP and TCP, that answers from a table of names; it can also misbehave.

In a test that runs the reactor::

    names = Names()
    names.add("example.org", "MX", "10 mail.example.org.")
    server = DnsServer(reactor, names)
    server.start()                       # then server.port
    ...
    await server.stop()

As a process of its own: ``python -m test.kit.dnsserver [ADDRESS] < table``, where each line of the table is a name,
a type and the text of the record, as in ``example.org MX 10 mail.example.org.``, or a name, a type and an error
code, as in ``example.net MX SERVFAIL``. It prints its port, and ends at the end of its input after a line ``.``.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone

from test.kit.names import Names

ERRORS = ("SERVFAIL", "REFUSED", "FORMERR", "NOTIMP")


class _Udp(DatagramProtocol):
    """Answers packets."""

    noisy = False
    transport: Any

    def __init__(self, names: Names) -> None:
        """Answer from a table."""
        self._names = names

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Answer one."""
        for answer in self._names.answer(datagram):
            self.transport.write(answer, addr)


class _Tcp(Protocol):
    """Answers queries that come after their length."""

    transport: Any
    factory: Any

    def connectionMade(self) -> None:
        """Begin with nothing received."""
        self._received = b""
        self.factory.open.add(self)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Be forgotten."""
        self.factory.open.discard(self)
        self.factory.server.closed_one()

    def dataReceived(self, data: bytes) -> None:
        """Answer what is complete; no answer means that the connection is closed."""
        self._received += data
        while len(self._received) > 1:
            end = 2 + int.from_bytes(self._received[:2], "big")
            if len(self._received) < end:
                return
            query, self._received = self._received[2:end], self._received[end:]
            answers = self.factory.server.names.answer(query, tcp=True)
            for answer in answers:
                whole = not isinstance(answer, Beginning)
                self.transport.write(len(answer).to_bytes(2, "big") + answer if whole else answer)
                if isinstance(answer, RawBytes):
                    self.transport.loseConnection()
            if not answers:
                self.transport.loseConnection()


class Beginning(bytes):
    """Bytes that go over TCP as they are, without a length, after which nothing comes."""


class RawBytes(Beginning):
    """Bytes that go over TCP as they are, without a length, after which the server closes."""


class DnsServer:
    """Answers on 127.0.0.1, or another address of this host."""

    def __init__(self, reactor: Any, names: Names, address: str = "127.0.0.1", tcp: bool = True) -> None:
        """Answer from a table; by UDP only unless ``tcp``."""
        self.names = names
        self.port = 0
        self._reactor = reactor
        self._address = address
        self._tcp = tcp
        self._ports: list[Any] = []
        self._factory: Any = Factory.forProtocol(_Tcp)
        self._factory.noisy = False
        self._factory.server = self
        self._factory.open = set()
        self._all_closed: Deferred[None] | None = None

    def start(self) -> int:
        """Listen on a free port, the same for both, and return it."""
        while True:
            udp = self._reactor.listenUDP(0, _Udp(self.names), interface=self._address)
            self.port = udp.getHost().port
            self._ports = [udp]
            if not self._tcp:
                return self.port
            try:
                self._ports.append(
                    self._reactor.listenTCP(self.port, self._factory, interface=self._address)
                )
                return self.port
            except error.CannotListenError:
                udp.stopListening()

    def stop(self) -> Deferred[Any]:
        """Close everything."""
        self._all_closed = Deferred()
        for connection in list(self._factory.open):
            connection.transport.abortConnection()
        self.closed_one()
        return DeferredList([self._all_closed, *(port.stopListening() for port in self._ports)])

    def closed_one(self) -> None:
        """Learn that a connection is gone."""
        if self._all_closed is not None and not self._factory.open and not self._all_closed.called:
            self._all_closed.callback(None)


def read_table(lines: Any) -> Names:
    """Make a table from its text form, up to a line with a dot."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        if line.strip() == ".":
            break
        words = line.split(None, 2)
        if len(words) == 3:
            found.setdefault((words[0], words[1]), []).append(words[2].strip())
    names = Names()
    for (name, kind), texts in found.items():
        if texts[0] in ERRORS:
            names.fail(name, kind, texts[0])
        else:
            names.add(name, kind, *texts)
    return names


def main() -> None:
    """Run as a process."""
    from twisted.internet import reactor as any_reactor

    reactor: Any = any_reactor
    server = DnsServer(reactor, read_table(sys.stdin), *sys.argv[1:2])
    print(server.start(), flush=True)
    reactor.callInThread(_stop_at_end, reactor)
    reactor.run()


def _stop_at_end(reactor: Any) -> None:
    """End the process when its input ends, so that it never outlives the test."""
    sys.stdin.read()
    reactor.callFromThread(reactor.stop)


if __name__ == "__main__":
    main()
