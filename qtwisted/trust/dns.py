"""DNS: what mail asks of it, answered without ever blocking the reactor.

:class:`IResolver` is the interface; :class:`Resolver` asks name servers, with dnspython for the packets. Names
are raw bytes, looked up exactly as given.

Rules the file keeps:

* There are three answers: records, NoSuchName (also where the name has no such records), and LookupFailed,
  which means that trying later may help. Whatever a name server does that is no proper answer is LookupFailed.
* An answer comes within half a minute, whatever happens.
* At most ten aliases are followed.
* An answer is remembered as long as its TTL says, an hour at most; at most 100 of its records are used.

Unlike 1.02: FORMERR is trouble that may go away, and long answers come by TCP.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from qtwisted.trust.dns_reactor import ReactorBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dns.rdatatype import RdataType

    from qtwisted.trust.nameservers import Nameserver

ALIASES_MAX = 10
RECORDS_MAX = 100
ANSWER_WITHIN = 30.0
TRY_FOR = 5.0
PAUSE_MAX = 2.0
"""The longest pause dnspython makes between two tries, which it may begin at the last moment."""
SECOND_FAMILY_WITHIN = 5.0
"""How long IPv6 addresses are waited for when there are IPv4 addresses already."""
REMEMBER_FOR = 3600
REMEMBER_NO_FOR = 900
ANSWERS_KEPT = 10000
UDP_PAYLOAD = 1232
"""The largest packet that needs no fragments anywhere (DNS flag day 2020)."""

_NOT_UNDERSTOOD = ("FORMERR", "NOTIMP", "BADVERS")

Key = tuple[bytes, "RdataType"]
Records = list[Any]


class NoSuchName(Exception):
    """The name does not exist, or has no records of the wanted kind."""


class LookupFailed(Exception):
    """There was no proper answer; another time there may be one."""


class Mx(NamedTuple):
    """One mail exchanger; an empty host is the root, which says that no mail is taken (RFC 7505)."""

    preference: int
    host: bytes


class IResolver(Protocol):
    """Answers questions about names. Each Deferred may fail with NoSuchName or LookupFailed, nothing else."""

    def mx(self, name: bytes) -> Deferred[list[Mx]]:
        """Find the mail exchangers of a domain, in no particular order."""

    def addresses(self, name: bytes) -> Deferred[list[str]]:
        """Find the addresses of a host, IPv4 first; the list is empty where an alias leads to none."""


class Cache:
    """Remembers answers for a while; of too many the one unused for longest is forgotten."""

    def __init__(self, clock: Any, most: int = ANSWERS_KEPT) -> None:
        """Remember at most so many answers."""
        self._clock = clock
        self._most = most
        self._answers: OrderedDict[Key, tuple[float, Records | NoSuchName]] = OrderedDict()

    def get(self, key: Key) -> Records | NoSuchName | None:
        """Give the answer, if it is known and not too old."""
        known = self._answers.get(key)
        if known is None:
            return None
        if known[0] <= self._clock.seconds():
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        return known[1]

    def put(self, key: Key, answer: Records | NoSuchName, ttl: int) -> None:
        """Remember an answer for ``ttl`` seconds."""
        most = REMEMBER_FOR if isinstance(answer, list) else REMEMBER_NO_FOR
        self._answers[key] = (self._clock.seconds() + min(ttl, most), answer)
        self._answers.move_to_end(key)
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)


class Resolver:
    """Answers from name servers; implements IResolver."""

    def __init__(
        self, reactor: Any, nameservers: Callable[[], Sequence[Nameserver]], backend: Any = None
    ) -> None:
        """Ask those that ``nameservers`` gives when a question comes up."""
        self._reactor = reactor
        self._nameservers = nameservers
        self._backend = backend or ReactorBackend(reactor)
        self._cache = Cache(reactor)
        self._asked: dict[Key, list[Deferred[Records]]] = {}

    def mx(self, name: bytes) -> Deferred[list[Mx]]:
        """Find the mail exchangers of a domain."""
        return self._look_up(name, dns.rdatatype.MX)

    def addresses(self, name: bytes) -> Deferred[list[str]]:
        """Find the addresses of a host."""
        return Deferred.fromCoroutine(self._addresses(name))

    def pointers(self, address: str) -> Deferred[list[bytes]]:
        """Find the names that whoever runs a network has given to an address in it; they may say anything."""
        return self._look_up(_bytes_name(dns.reversename.from_address(address)), dns.rdatatype.PTR)

    def alias(self, name: bytes) -> Deferred[list[bytes]]:
        """Find the name that a name is an alias of."""
        return self._look_up(name, dns.rdatatype.CNAME)

    async def _addresses(self, name: bytes) -> list[str]:
        """Ask for both families at once, and make one answer of two."""
        four = self._look_up(name, dns.rdatatype.A).addErrback(_as_value)
        six = self._look_up(name, dns.rdatatype.AAAA).addErrback(_as_value)
        answers = [await four]
        if answers[0] and isinstance(answers[0], list):
            six.addTimeout(SECOND_FAMILY_WITHIN, self._reactor)
        answers.append(await six)
        found = [address for answer in answers if isinstance(answer, list) for address in answer]
        if not found:
            for answer in answers:
                if not isinstance(answer, (list, NoSuchName)):
                    raise LookupFailed(str(answer))
            if not any(isinstance(answer, list) for answer in answers):
                raise NoSuchName(name)
        return list(dict.fromkeys(found))

    def _look_up(self, name: bytes, rdtype: RdataType) -> Deferred[Records]:
        """Answer from memory, or ask; a question that is being asked already is not asked twice."""
        key = (name.lower(), rdtype)
        known = self._cache.get(key)
        if known is not None:
            return fail(known) if isinstance(known, NoSuchName) else succeed(list(known))
        answer: Deferred[Records] = Deferred()
        waiting = self._asked.setdefault(key, [])
        waiting.append(answer)
        if len(waiting) == 1:
            Deferred.fromCoroutine(self._ask(key)).addBoth(self._tell, key)
        return answer

    def _tell(self, result: Records | Failure, key: Key) -> None:
        """Give the answer to all who wait for it."""
        for answer in self._asked.pop(key):
            if isinstance(result, Failure):
                answer.errback(result)
            else:
                answer.callback(list(result))

    async def _ask(self, key: Key) -> Records:
        """Ask name servers, and remember what they say."""
        try:
            records, ttl = await self._follow(*key)
            self._cache.put(key, records, ttl)
            return records
        except _Absent as absent:
            self._cache.put(key, NoSuchName(key[0]), absent.ttl)
            raise NoSuchName(key[0]) from None
        except (NoSuchName, LookupFailed):
            raise
        except Exception as trouble:
            # Whatever dnspython may raise over a packet that somebody made up, it is just no answer.
            raise LookupFailed(f"{type(trouble).__name__}: {trouble}") from trouble

    async def _follow(self, name: bytes, rdtype: RdataType) -> tuple[Records, int]:
        """Ask about a name, and about those it is an alias of as far as the answer leaves them open."""
        wanted, aliases, ttl = _dns_name(name), 0, REMEMBER_FOR
        until = self._reactor.seconds() + ANSWER_WITHIN - PAUSE_MAX
        while True:
            try:
                answer = await self._query(wanted, rdtype, until - self._reactor.seconds())
            except dns.resolver.NXDOMAIN as no:
                raise _Absent(min(ttl, _negative_ttl(no, wanted))) from None
            if answer.response.flags & dns.flags.TC:
                raise LookupFailed("cut short")
            chain = answer.chaining_result
            aliases, ttl = aliases + len(chain.cnames), min(ttl, chain.minimum_ttl)
            if aliases > ALIASES_MAX:
                raise LookupFailed("too many aliases")
            if answer.rrset is not None:
                return _READ[rdtype](answer.rrset), ttl
            if not chain.cnames:
                if aliases:
                    return [], ttl
                raise _Absent(ttl)
            if chain.canonical_name == wanted:
                raise LookupFailed("an alias of itself")
            wanted = chain.canonical_name

    async def _query(self, name: dns.name.Name, rdtype: RdataType, within: float) -> dns.resolver.Answer:
        """Ask one question; again without EDNS if that is what the servers did not understand (RFC 6891)."""
        servers = [dns.nameserver.Do53Nameserver(*server) for server in self._nameservers()]
        try:
            return await self._resolve(servers, True, name, rdtype, within)
        except dns.resolver.NoNameservers as trouble:
            if not any(problem[3] in _NOT_UNDERSTOOD for problem in trouble.kwargs["errors"]):
                raise
        return await self._resolve(servers, False, name, rdtype, within)

    async def _resolve(
        self,
        servers: Sequence[dns.nameserver.Nameserver],
        edns: bool,
        name: dns.name.Name,
        rdtype: RdataType,
        within: float,
    ) -> dns.resolver.Answer:
        """Have dnspython ask one question."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = servers
        resolver.timeout = TRY_FOR
        if edns:
            resolver.use_edns(0, 0, UDP_PAYLOAD)
        return await resolver.resolve(
            name,
            rdtype,
            raise_on_no_answer=False,
            lifetime=max(within, 0),
            search=False,
            backend=self._backend,
        )


class _Absent(Exception):
    """A server says that there is nothing, for ``ttl`` seconds."""

    def __init__(self, ttl: int) -> None:
        """Hold how long that is true."""
        super().__init__()
        self.ttl = ttl


def _as_value(failure: Failure) -> Any:
    """Turn a failure into a value, to look at it later."""
    return failure.value


def _dns_name(name: bytes) -> dns.name.Name:
    """Make a DNS name; what cannot be one does not exist."""
    labels = name.removesuffix(b".").split(b".")
    try:
        if b"" in labels:
            raise NoSuchName(name)
        return dns.name.Name([*labels, b""])
    except dns.exception.DNSException:
        raise NoSuchName(name) from None


def _bytes_name(name: dns.name.Name) -> bytes:
    """Make bytes of a DNS name, without the dot at its end."""
    return b".".join(name.labels[:-1])


def _negative_ttl(no: Any, name: dns.name.Name) -> int:
    """Say how long a name may be thought not to exist (RFC 2308)."""
    return int(no.response(name).resolve_chaining().minimum_ttl)


def _read_mx(rrset: Any) -> list[Mx]:
    """Read mail exchangers; of too many the best are kept."""
    return sorted(Mx(record.preference, _bytes_name(record.exchange)) for record in rrset)[:RECORDS_MAX]


def _read_targets(rrset: Any) -> list[bytes]:
    """Read names."""
    return [_bytes_name(record.target) for record in list(rrset)[:RECORDS_MAX]]


def _read_addresses(rrset: Any) -> list[str]:
    """Read IPv4 or IPv6 addresses; an IPv6 address that stands for an IPv4 address becomes that."""
    return [_plain_address(record.address) for record in list(rrset)[:RECORDS_MAX]]


def _plain_address(text: str) -> str:
    """Write an address the one usual way."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


_READ: dict[RdataType, Callable[[Any], Records]] = {
    dns.rdatatype.MX: _read_mx,
    dns.rdatatype.A: _read_addresses,
    dns.rdatatype.AAAA: _read_addresses,
    dns.rdatatype.PTR: _read_targets,
    dns.rdatatype.CNAME: _read_targets,
}
