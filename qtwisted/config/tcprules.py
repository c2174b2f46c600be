"""Which clients may connect, and what holds for them: control/tcprules, in the source form of tcprules(1).

A line is ``ADDRESS:allow`` or ``ADDRESS:deny``, then any number of ``,NAME="value"``; the character after the equals
sign may be any, and ends the value, too. Empty lines and lines that begin with ``#`` do not count. An ADDRESS is one
of these, and the first that is in the file counts, in this order:

| ``info@192.0.2.7``   what the client's host says about the connection (TCPREMOTEINFO), and the address
| ``info@=a.example``  the same, and the name of the host
| ``192.0.2.7``        the address
| ``=a.example``       the name of the host
| ``192.0.2.``         addresses that begin so; a longer beginning comes before a shorter one
| ``=.example``        names that end so; a longer end comes before a shorter one
| ``=``                every client whose host has a name
| nothing              everybody

``192.0.2.7-9`` and ``192.0.7-9.`` stand for three lines. Of two lines for the same ADDRESS the first counts. A client
no line is for may connect.

Unlike 1.02: IPv6 addresses and their first groups (``2001:db8:``) may stand in tcprules, with or without brackets,
and so may networks (``192.0.2.0/25``), which count as beginnings of so many bits.

Unlike 1.02: a line of tcprules that can never count, such as ``192.0.2:deny`` without its last dot, is an error.
"""

from __future__ import annotations

import ipaddress

from qtwisted.config.control import Control, ControlError, fold
from qtwisted.config.relay import network
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FILE = "tcprules"
#: a range is written out as one address for each of its numbers
_BYTE_MAX = 255


class Rule(NamedTuple):
    """What holds for a client."""

    #: may it connect?
    is_allowed: bool
    #: variables as tcpserver would set them
    variables: Mapping[bytes, bytes]
    #: the line it stands in; 0 where there is none
    line: int = 0


ALLOW = Rule(True, {})


class Rules:
    """All rules of a file."""

    def __init__(self, rules: Iterable[tuple[bytes, Rule]] = ()) -> None:
        """Sort the rules by the form of their addresses; raise ValueError for an address that has none."""
        #: by ``=`` and a name or its end; by nothing, the rule for everybody
        self._named: dict[bytes, Rule] = {}
        self._told: dict[bytes, Rule] = {}
        #: by version, length and the bits an address begins with
        self._networks: dict[tuple[int, int, int], Rule] = {}
        for address, rule in rules:
            self._add(address, rule)
        #: lengths of the networks there are, the longest first
        self._lengths = sorted({length for _, length, _ in self._networks}, reverse=True)

    def _add(self, address: bytes, rule: Rule) -> None:
        """Take in one rule, unless there is one for the same address."""
        info, told, place = address.rpartition(b"@")
        if place.startswith(b"=") or not address:
            key = fold(place)
        else:
            found = network(_text(place))
            if not told:
                self._networks.setdefault(_beginning(found.network_address, found.prefixlen), rule)
                return
            if found.prefixlen < found.max_prefixlen:
                raise ValueError(address)
            key = str(found.network_address).encode()
        if told:
            self._told.setdefault(info + b"@" + key, rule)
        else:
            self._named.setdefault(key, rule)

    def needs_name(self, ip: bytes) -> bool:
        """Does what holds for a client with this address depend on the name of its host?"""
        if not any(self._named.keys()):
            return False
        address = _address(ip)
        return address is None or _beginning(address, address.max_prefixlen) not in self._networks

    def find(self, ip: bytes, host: bytes | None = None, info: bytes | None = None) -> Rule:
        """Find what holds for a client; ``host`` and ``info`` are None where they are not known."""
        address = _address(ip)
        for key in _told(address, host, info):
            if key in self._told:
                return self._told[key]
        ends = list(_ends(fold(host))) if host is not None else []
        found = [self._of_length(address, address.max_prefixlen) if address is not None else None]
        found += [self._named.get(key) for key in ends[:1]]
        if address is not None:
            found += [self._of_length(address, length) for length in self._lengths]
        found += [self._named.get(key) for key in (*ends[1:], b"")]
        return next((rule for rule in found if rule is not None), ALLOW)

    def _of_length(self, address: Address, length: int) -> Rule | None:
        """Find the rule for the network of this length that the address is in."""
        if length > address.max_prefixlen:
            return None
        return self._networks.get(_beginning(address, length))


def _beginning(address: Address, length: int) -> tuple[int, int, int]:
    """Make the key of the first bits of an address."""
    return address.version, length, int(address) >> (address.max_prefixlen - length)


def _told(address: Address | None, host: bytes | None, info: bytes | None) -> Iterator[bytes]:
    """Give the keys of rules that look at what the client's host says."""
    if info is not None and address is not None:
        yield info + b"@" + str(address).encode()
    if info is not None and host is not None:
        yield info + b"@=" + fold(host)


def _ends(host: bytes) -> Iterator[bytes]:
    """Give a host name and its ends, each after ``=``, the shortest end being nothing."""
    yield b"=" + host
    while host:
        _, dot, host = host.partition(b".")
        if dot:
            yield b"=." + host
    yield b"="


def _address(ip: bytes) -> Address | None:
    """Read the address of a client; None where it has none. IPv4 counts as such even where it came over IPv6."""
    try:
        address = ipaddress.ip_address(ip.decode("ascii").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _text(place: bytes) -> str:
    """Decode an address, without the brackets that may be round an IPv6 address."""
    text = place.decode("ascii")
    return text[1:].replace("]", "", 1) if text.startswith("[") else text


def tcprules(control: Control) -> Rules | None:
    """Load control/tcprules; None where it is missing. Raise ControlError where a line makes no sense."""
    numbered = control.numbered(FILE)
    return None if numbered is None else Rules(_lines(numbered))


def _lines(numbered: Iterable[tuple[int, bytes]]) -> Iterator[tuple[bytes, Rule]]:
    """Read lines; a range becomes several rules. Each is tried by itself, so that the error names its line."""
    for at, line in numbered:
        try:
            address, rule = parse(line)
            for each in _range(address):
                Rules([(each, rule)])
                yield each, rule._replace(line=at)
        except ValueError as error:
            why = error.args[0] if isinstance(error, RuleError) else "is for no address, prefix, network or =name"
            raise ControlError(f"control/{FILE}", at, why) from None


class RuleError(ValueError):
    """A line is wrong; the argument says why."""


def parse(line: bytes) -> tuple[bytes, Rule]:
    """Part a line into its address and the rule; raise RuleError where it cannot be read.

    An IPv6 address has colons of its own, so it is the instruction that ends the address.
    """
    ends = [(line.find(b":" + word), word) for word in (b"allow", b"deny") if b":" + word in line]
    if not ends:
        raise RuleError("has neither :allow nor :deny")
    end, word = min(ends)
    return line[:end], Rule(word == b"allow", dict(_variables(line[end + 1 + len(word) :])))


def _variables(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read what comes after the instruction."""
    while text:
        name, equals, rest = text.partition(b"=")
        if name[:1] != b"," or not name[1:] or not equals or not rest:
            raise RuleError('needs ,NAME="value" after allow or deny')
        value, end, text = rest[1:].partition(rest[:1])
        if not end:
            raise RuleError("has a value without an end")
        yield name[1:], value


def _range(address: bytes) -> Iterator[bytes]:
    """Write a range out (tcprules.c doaddressdata); what has a name in it may have a hyphen as well."""
    if b"-" not in address or b"=" in address or b"@" in address:
        yield address
        return
    before, _, after = address.partition(b"-")
    head, dot, low = before.rpartition(b".")
    high, more, tail = after.partition(b".")
    if not (low.isdigit() and high.isdigit() and len(low) < 4 and len(high) < 4):
        raise RuleError("has a range that is not two numbers")
    if int(low) > int(high) or int(high) > _BYTE_MAX:
        raise RuleError("has a range that is not from 0 to 255, the lower number first")
    for number in range(int(low), int(high) + 1):
        yield head + dot + b"%d" % number + more + tail
