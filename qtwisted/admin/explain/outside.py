"""The last stage of remote mail: the route, the servers in their order, and the terms on which they get mail.

Asked as user qmailr, by the functions of qmail-rspawn. Nothing is sent; a connection is opened only if that is asked
for, and ends after the greetings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred, fail

from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.explain import places, story
from qtwisted.admin.explain.story import SENT, Step, Verdict
from qtwisted.config.control import Control
from qtwisted.deliver.host import reports
from qtwisted.deliver.host.mx import NowhereToGo
from qtwisted.deliver.host.own_address import is_ours
from qtwisted.deliver.host.routes import QMTP, TLS, find_route, route_key
from qtwisted.deliver.host.sending import Remote, check_addresses, controls
from qtwisted.deliver.host.tcpto import Tcpto
from qtwisted.deliver.remote import TCPTO
from qtwisted.model.address import split
from qtwisted.trust.dns import Resolver
from qtwisted.trust.nameservers import nameservers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from qtwisted.config.fields import RemoteConfig
    from qtwisted.deliver.host.connect import Server
    from qtwisted.deliver.host.sending import Way
    from qtwisted.trust.dns import IResolver, Mx

STAGE = "send"
SPREADS = (0, 31)
"""qmail-rspawn spreads the end of the time in which an address is skipped; these are the shortest and the longest."""


class Outside(NamedTuple):
    """What is asked: where mail from a sender to a recipient goes; are names looked up, is a server greeted?"""

    home: str
    recipient: bytes
    sender: bytes
    use_dns: bool
    connect: bool


class NotAsked(Exception):
    """A name would have to be looked up, and must not."""


class Silence:
    """A resolver that asks nobody."""

    def mx(self, name: bytes) -> Deferred[list[Mx]]:
        """Refuse."""
        return fail(NotAsked(name))

    addresses: Any = mx


class Listening:
    """A resolver that tells what it is answered."""

    def __init__(self, resolver: IResolver, say: Callable[[str], None]) -> None:
        """Pass questions on to *resolver*."""
        self._resolver = resolver
        self._say = say

    def mx(self, name: bytes) -> Deferred[list[Mx]]:
        """Find the mail exchangers of a domain."""
        return self._resolver.mx(name).addCallbacks(self._told_mx, self._failed, (name,), {}, ("MX", name))

    def addresses(self, name: bytes) -> Deferred[list[str]]:
        """Find the addresses of a host."""
        found = self._resolver.addresses(name)
        return found.addCallbacks(self._told_addresses, self._failed, (name,), {}, ("address", name))

    def _told_mx(self, found: list[Mx], name: bytes) -> list[Mx]:
        """Tell of exchangers."""
        for preference, host in sorted(found):
            takes = shown(host) if host else "nobody: it takes no mail"
            self._say(f"{shown(name)} MX {preference}: {takes}")
        return found

    def _told_addresses(self, found: list[str], name: bytes) -> list[str]:
        """Tell of addresses."""
        self._say(f"{shown(name)} has the address {', '.join(found) or 'of nobody'}")
        return found

    def _failed(self, failure: Any, kind: str, name: bytes) -> Any:
        """Tell that there was nothing, or no answer."""
        if failure.type is not NotAsked:
            why = "there is no" if failure.type.__name__ == "NoSuchName" else "no name server answers about the"
            self._say(f"{why} {kind} of {shown(name)}")
        return failure


class Remembering(Tcpto):
    """The memory of addresses that did not answer, which is looked into and not changed."""

    def connected(self, address: str) -> None:
        """Learn nothing."""

    def timed_out(self, address: str) -> None:
        """Learn nothing."""


class Search:
    """Looks for the servers of one recipient."""

    def __init__(self, asked: Outside, reactor: Any) -> None:
        """Nothing is looked up yet."""
        self._asked = asked
        self._host = split(asked.recipient)[1] or b""
        self._control = Control(asked.home)
        self._tcpto = Remembering(f"{asked.home}/{TCPTO}")
        self._read = controls(self._control)
        self.steps: list[Step] = []
        silence: Any = Silence()
        known = Resolver(reactor, nameservers(self._control)) if asked.use_dns else silence
        resolver = Listening(known, self.say)
        self._remote = Remote(reactor, resolver, self._read, self._tcpto, self._is_ours)

    def say(self, text: str, file: str | None = None, line: int | None = None) -> None:
        """Tell a step."""
        self.steps.append(Step(STAGE, text, None if file is None else f"control/{file}", line))

    def _is_ours(self, address: str) -> bool:
        """Is this address this host's?"""
        found = is_ours(address)
        if found:
            self.say(f"{address} is this host: exchangers that are no better do not count")
        return found

    async def find(self) -> Verdict:
        """Go the way of a delivery, up to the connection."""
        try:
            config = self._remote.config()
            self._tell_route(config)
            way = await self._remote.find(self._host)
            check_addresses(self._asked.sender, [self._asked.recipient])
        except NowhereToGo as nowhere:
            return story.of_report(nowhere.report)
        except NotAsked as name:
            return Verdict(story.UNKNOWN, f"{shown(name.args[0])} was not looked up")
        return await self._reach(config, way)

    def _tell_route(self, config: RemoteConfig) -> None:
        """Say which relay there is, if any."""
        key = route_key(config.smtproutes, self._host)
        route = find_route(config.smtproutes, self._host)
        line = None if key is None else places.in_mapping(self._control, "smtproutes", key)
        if route is not None:
            kind = {QMTP: "QMTP", TLS: "SMTP inside TLS"}.get(route.kind, "SMTP")
            self.say(f"mail for {shown(self._host)} goes to {shown(route.relay)} port {route.port} by {kind}",
                     "smtproutes", line)
        elif key is not None:
            self.say(f"{shown(self._host)} is an exception: the DNS decides", "smtproutes", line)
        self._tell_security(config, None if route is None else route.relay)

    def _tell_security(self, config: RemoteConfig, relay: bytes | None) -> None:
        """Say on what terms, and by which lines; passwords are told to nobody."""
        key = config.security.policy_key(self._host, relay)
        if key is not None:
            policy = config.security.policies[key]
            name = f" for the name {policy.name}" if policy.name else ""
            self.say(f"{_LEVELS[policy.level]}{name}", "tlsdestinations",
                     places.in_security(self._control, "tlsdestinations", key))
        key = config.security.login_key(self._host, relay)
        if key is not None:
            self.say(f"we log in as {shown(config.security.logins[key].user)}", "smtpauth",
                     places.in_security(self._control, "smtpauth", key))

    async def _reach(self, config: RemoteConfig, way: Way) -> Verdict:
        """Say which servers would be tried; try them if that is asked for."""
        tried = [server for server in way.servers if self._tell_server(server)]
        if not tried:
            return story.of_report(reports.NO_CONNECTION)
        if not self._asked.connect:
            first = tried[0]
            needs = ", if it can be secured" if first.terms.demand_tls else ""
            return Verdict(SENT, f"to {_place(first)}{needs}; what becomes of it is said there")
        try:
            line = await self._remote.open(way)
        except NowhereToGo as nowhere:
            return story.of_report(nowhere.report)
        line.quit()
        self.say(f"{_place(line.server)} has greeted us and waits for mail")
        return Verdict(SENT, f"to {_place(line.server)}, which is ready; what becomes of it is said there")

    def _tell_server(self, server: Server) -> bool:
        """Say how a server would be tried; is it?"""
        skipped = [self._tcpto.advises_against(server.address, spread) for spread in SPREADS]
        if all(skipped):
            self.say(f"skip {_place(server)}: it did not answer lately, see qmail-tcpto")
            return False
        doubt = "; it did not answer lately, and is perhaps skipped" if any(skipped) else ""
        self.say(f"try {_place(server)}{doubt}")
        return True

    async def close(self) -> None:
        """See every connection closed."""
        await self._remote.all_closed()


_LEVELS = {
    b"none": "nothing is encrypted",
    b"may": "it is encrypted if the server offers that",
    b"encrypt": "it must be encrypted",
    b"verify": "it must be encrypted, with a certificate that can be trusted",
}


def _place(server: Server) -> str:
    """A server, in words."""
    kind = " by QMTP" if server.kind == QMTP else ""
    return f"{server.address} port {server.port}{kind}"


def seek(asked: Outside) -> dict[str, Any]:
    """Ask all of it: the steps and the verdict. It runs the reactor, so it is done once in a process."""
    from twisted.internet import reactor as any_reactor

    reactor: Any = any_reactor
    search = Search(asked, reactor)

    async def work() -> Verdict:
        """Search, and close what was opened."""
        verdict = await search.find()
        await search.close()
        return verdict

    verdict: Verdict = _run(reactor, work)
    return {"steps": search.steps, "verdict": verdict}


def peer_name(home: str, ip: bytes) -> bytes | None:
    """Look up the name of a client's host, as a front does; the reactor is run for it."""
    from twisted.internet import reactor as any_reactor

    from qtwisted.accept.admission import NAME_WITHIN
    from qtwisted.trust.peername import PeerNames

    reactor: Any = any_reactor

    async def work() -> bytes | None:
        """Look it up within the time a client waits."""
        looking = PeerNames(reactor, home).find(ip).addTimeout(NAME_WITHIN, reactor)
        return await looking.addErrback(lambda _: None)

    name: bytes | None = _run(reactor, work)
    return name


def _run(reactor: Any, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run the reactor until some work is done."""
    outcome: list[Any] = []

    def ended(result: Any) -> None:
        """Keep the result and stop."""
        outcome.append(result)
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(work()).addBoth(ended))
    reactor.run(installSignalHandlers=False)
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]
