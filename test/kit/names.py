"""Names for tests: a table of DNS records that answers packets, and may answer them wrongly.

The same table serves the resolver in memory (:class:`MemoryBackend`) and over loopback (test.kit.dnsserver).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns._asyncbackend import Backend, DatagramSocket, StreamSocket
from twisted.internet.task import deferLater

if TYPE_CHECKING:
    from collections.abc import Callable

    Answerer = Callable[["Question"], "bytes | list[bytes] | None"]

TTL = 300


class Question:
    """One packet that asked something."""

    def __init__(self, message: dns.message.Message, wire: bytes, tcp: bool, attempt: int) -> None:
        """It came by TCP or UDP, and is the ``attempt``-th of its kind, from 1 on."""
        self.message = message
        self.wire = wire
        self.tcp = tcp
        self.attempt = attempt

    def response(self, *records: dns.rrset.RRset, rcode: str = "NOERROR") -> dns.message.Message:
        """Begin a proper response."""
        response = dns.message.make_response(self.message, recursion_available=True)
        response.set_rcode(dns.rcode.from_text(rcode))
        response.answer.extend(records)
        return response


def records(name: str, kind: str, *texts: str, ttl: int = TTL) -> dns.rrset.RRset:
    """Make records from their text form; names in it are absolute."""
    return dns.rrset.from_text_list(dns.name.from_text(name), ttl, "IN", kind, texts)


class Names:
    """The table."""

    def __init__(self) -> None:
        """Begin empty: no name exists."""
        self.asked: list[tuple[str, str]] = []
        self._records: dict[tuple[str, str], dns.rrset.RRset] = {}
        self._special: dict[tuple[str, str], Answerer] = {}
        self._attempts: dict[tuple[str, str, bool], int] = {}

    def add(self, name: str, kind: str, *texts: str, ttl: int = TTL) -> None:
        """Let a name have records of a kind."""
        self._records[name.lower(), kind] = records(name, kind, *texts, ttl=ttl)

    def special(self, name: str, kind: str, answerer: Answerer) -> None:
        """Let a function answer: packets as bytes, or nothing. ``*`` is any name or any kind."""
        self._special[name.lower(), kind] = answerer

    def fail(self, name: str, kind: str, rcode: str = "SERVFAIL") -> None:
        """Answer with an error."""
        self.special(name, kind, lambda question: question.response(rcode=rcode).to_wire())

    def answer(self, wire: bytes, tcp: bool = False) -> list[bytes]:
        """Answer one packet."""
        message = dns.message.from_wire(wire)
        name = message.question[0].name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(message.question[0].rdtype)
        self.asked.append((name, kind))
        attempt = self._attempts[name, kind, tcp] = self._attempts.get((name, kind, tcp), 0) + 1
        question = Question(message, wire, tcp, attempt)
        for key in ((name, kind), (name, "*"), ("*", kind), ("*", "*")):
            if key in self._special:
                found = self._special[key](question)
                return found if isinstance(found, list) else [] if found is None else [found]
        return [self._honest(question, name, kind)]

    def _honest(self, question: Question, name: str, kind: str) -> bytes:
        """Answer from the table, following aliases."""
        response = question.response()
        for _ in range(30):
            if (name, kind) in self._records:
                response.answer.append(self._records[name, kind])
                break
            alias = self._records.get((name, "CNAME"))
            if alias is None:
                if not any(known == name for known, _ in self._records):
                    response.set_rcode(dns.rcode.NXDOMAIN)
                break
            response.answer.append(alias)
            name = alias[0].target.to_text(omit_final_dot=True).lower()
        try:
            return response.to_wire(max_size=65535 if question.tcp else 1232)
        except dns.exception.TooBig:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()


class _Inbox:
    """What a socket in memory has received."""

    def __init__(self, clock: Any) -> None:
        """Wait by this clock."""
        self._clock = clock
        self.items: deque[bytes] = deque()

    async def get(self, timeout: float | None) -> bytes:
        """Take what is there, or find that nothing will come."""
        if self.items:
            return self.items.popleft()
        await deferLater(self._clock, timeout or 0)
        timeout_error: Any = dns.exception.Timeout
        raise timeout_error(timeout=timeout)


class _MemoryDatagrams(DatagramSocket):
    """A UDP socket to the table."""

    def __init__(self, family: int, server: Any, names: Names, clock: Any) -> None:
        """Talk to the table as if it were at this address."""
        super().__init__(family, 0)
        self._server = server
        self._names = names
        self._inbox = _Inbox(clock)

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        """Have a packet answered."""
        self._inbox.items.extend(self._names.answer(what))
        return len(what)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        """Take an answer."""
        data = await self._inbox.get(timeout)
        return data, dns.inet.low_level_address_tuple(self._server, self.family)


class _MemoryStream(StreamSocket):
    """A TCP connection to the table."""

    def __init__(self, family: int, names: Names, clock: Any) -> None:
        """Be connected."""
        super().__init__(family, 1)
        self._names = names
        self._inbox = _Inbox(clock)
        self._rest = b""

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        """Have a query answered; the answer goes out in one piece after its length."""
        for answer in self._names.answer(what[2:], tcp=True):
            self._rest += len(answer).to_bytes(2, "big") + answer

    async def recv(self, size: int, timeout: float | None) -> bytes:
        """Take some of the answer."""
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


class MemoryBackend(Backend):
    """Sockets for dnspython that lead to a table, without a network."""

    def __init__(self, names: Names, clock: Any) -> None:
        """Wait by this clock."""
        self._names = names
        self._clock = clock

    def name(self) -> str:
        """Say what this is."""
        return "memory"

    def datagram_connection_required(self) -> bool:
        """Want to know the server."""
        return True

    async def make_socket(self, af: int, socktype: int, *rest: Any, **more: Any) -> Any:
        """Open a socket; the server is the third further argument."""
        if socktype == 1:
            return _MemoryStream(af, self._names, self._clock)
        return _MemoryDatagrams(af, rest[2], self._names, self._clock)

    async def sleep(self, interval: float) -> None:
        """Wait a while."""
        await deferLater(self._clock, interval)

    async def wait_for(self, awaitable: Any, timeout: float | None) -> Any:
        """Wait for something that does not take long here."""
        return await awaitable


class ClockTime:
    """Stands for the module ``time`` where a library looks at it."""

    def __init__(self, clock: Any) -> None:
        """Show this clock."""
        self._clock = clock

    def time(self) -> float:
        """Give the time of the clock."""
        return float(self._clock.seconds())


def follow_clock(case: Any, clock: Any) -> None:
    """Let dnspython see the clock of a test case as the time, until the test is over."""
    import dns.asyncquery
    import dns.asyncresolver
    import dns.query
    import dns.resolver

    for module in (dns.asyncquery, dns.asyncresolver, dns.query, dns.resolver):
        case.patch(module, "time", ClockTime(clock))
