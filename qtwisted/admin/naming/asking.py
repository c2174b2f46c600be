"""Asking the DNS from a program that asks, prints and ends.

The answers are those the mail system itself would get: the same resolver, the same name servers, the same rules for
mail exchangers. A question ends with one of qmail's words: ``hard error`` (there is no such name), ``soft error``
(there was no answer).
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from qtwisted.config.conf import home_dir
from qtwisted.config.control import Control, ControlError
from qtwisted.deliver.host import reports
from qtwisted.deliver.host.mx import Finder, NowhereToGo
from qtwisted.deliver.host.routes import literal
from qtwisted.system.ending import LATER, NEVER, Ending, run
from qtwisted.trust.dns import LookupFailed, NoSuchName, Resolver
from qtwisted.trust.nameservers import Search, nameservers, search

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import TypeVar

    from qtwisted.deliver.host.mx import Target

    Answer = TypeVar("Answer")

HARD = b"hard error"
SOFT = b"soft error"
NO_MEMORY = b"out of memory"

_ALIASES_MAX = 10
#: bytes as they are shown: names in the DNS may be any, and could be meant for a terminal
_SHOWN = bytes(byte if 0x21 <= byte <= 0x7E else ord("?") for byte in range(256))


class Names:
    """What programs ask. What there is no answer to raises NoSuchName or LookupFailed."""

    def __init__(self, reactor: Any, resolver: Any, domains: Search) -> None:
        """Ask a resolver; *domains* complete short names."""
        self._resolver = resolver
        self._search = domains
        self._finder = Finder(reactor, resolver, lambda address: False, random.randrange)

    async def addresses(self, name: bytes) -> list[str]:
        """Find the addresses of a host, exactly as it is named."""
        address = literal(name)
        return [address] if address is not None else await self._resolver.addresses(name)

    async def addresses_of_short(self, name: bytes) -> list[str]:
        """Find the addresses of a host, whose name may lack one of the domains to search."""
        trouble: LookupFailed | None = None
        for candidate in self._search.candidates(name):
            try:
                found: list[str] = await self._resolver.addresses(candidate)
                return found
            except NoSuchName:
                continue
            except LookupFailed as failed:
                trouble = failed
        raise trouble or NoSuchName(name)

    async def exchangers(self, host: bytes) -> list[Target]:
        """Find where mail for a host goes; this host itself is nothing special."""
        try:
            return await self._finder.exchangers(host)
        except NowhereToGo as nowhere:
            raise (LookupFailed if nowhere.report == reports.DNS_TROUBLE else NoSuchName)(host) from None

    async def pointer(self, address: str) -> bytes:
        """Find the name given to an address; of several the first one of the answer."""
        names: list[bytes] = await self._resolver.pointers(address)
        if not names:
            raise NoSuchName(address)
        return names[0]

    async def canonical(self, name: bytes) -> bytes:
        """Follow aliases from a name; raise NoSuchName where they are too many."""
        for _ in range(_ALIASES_MAX):
            try:
                (name, *_) = await self._resolver.alias(name)
            except (NoSuchName, ValueError):
                return name
        raise NoSuchName(name)


def shown(name: bytes) -> bytes:
    """Make a name harmless on a terminal."""
    return name.translate(_SHOWN)


def ask(question: Callable[[Names], Coroutine[Any, Any, Answer]]) -> Answer:
    """Have a question answered, or raise the Ending of a program that cannot be told.

    The reactor of a process runs once, and so a process asks one question, which may consist of many.
    """
    from twisted.internet import reactor as any_reactor

    reactor: Any = any_reactor
    control = Control(os.path.abspath(home_dir(os.environ)))
    servers = nameservers(control)
    try:
        servers()
    except ControlError as trouble:
        raise Ending(LATER, str(trouble).encode()) from None
    names = Names(reactor, Resolver(reactor, servers), search(os.environ))
    results: list[Any] = []

    def start() -> None:
        """Ask, now that the reactor runs."""
        Deferred.fromCoroutine(question(names)).addBoth(results.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
    if not results:
        raise Ending(LATER, SOFT)
    failure = getattr(results[0], "value", None)
    if not isinstance(failure, BaseException):
        answer: Answer = results[0]
        return answer
    raise _ending(failure)


def _ending(failure: BaseException) -> BaseException:
    """Say in qmail's words what went wrong; what is no matter of names is raised as it is."""
    if isinstance(failure, NoSuchName):
        return Ending(NEVER, HARD)
    return Ending(LATER, SOFT) if isinstance(failure, LookupFailed) else failure


def run_asking(
    question: Callable[[Names, bytes], Coroutine[Any, Any, list[bytes]]], manual: str | None
) -> int:
    """Run a program that asks about its argument and prints lines."""

    def work(argv: list[bytes]) -> int:
        """Do it once."""
        if len(argv) < 2:
            return NEVER
        print_lines(ask(lambda names: question(names, argv[1])))
        return 0

    try:
        return run(work, manual)
    except MemoryError:
        os.write(2, NO_MEMORY + b"\n")
        return LATER


def print_lines(lines: list[bytes]) -> None:
    """Print lines; an Ending where that fails."""
    try:
        os.write(1, b"".join(shown_line(line) for line in lines))
    except OSError:
        raise Ending(LATER) from None


def shown_line(line: bytes) -> bytes:
    """Make a line harmless: its words are shown, one blank between them stays."""
    return b" ".join(shown(word) for word in line.split(b" ")) + b"\n"
