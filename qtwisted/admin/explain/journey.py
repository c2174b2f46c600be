"""The whole way of an address, from the client to the mailbox, and on to the addresses it is forwarded to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.explain import apart, entrance, letterbox, person, rewriting, story
from qtwisted.admin.explain.apart import Identity, NoAnswer
from qtwisted.admin.explain.story import Step, Story, Verdict
from qtwisted.config import users
from qtwisted.deliver.user import status
from qtwisted.deliver.user.dispatch import objection
from qtwisted.deliver.user.request import Request
from qtwisted.model.address import split, verp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from qtwisted.config.conf import Conf, Ids

STORIES_MAX = 100
"""So many addresses are explained at most, however a list forwards to lists."""
DNS_WITHIN = 120.0

LOOPS = Verdict(story.UNKNOWN, "explained above")
TOO_MANY = Verdict(story.UNKNOWN, f"not followed: more than {STORIES_MAX} addresses")


class Wish(NamedTuple):
    """What the operator wants to know: from which client and sender, and how far to go."""

    client: bytes | None
    sender: bytes | None
    use_dns: bool
    connect: bool
    deep: bool
    default: bytes


class Journey:
    """Explains addresses of one home."""

    def __init__(self, conf: Conf, ids: Ids, wish: Wish) -> None:
        """Take the settings and the numbers of the home's users."""
        self._home = conf.home
        self._conf = conf
        self._ids = ids
        self._wish = wish
        self._count = 0
        self._seen: set[tuple[bytes, bytes]] = set()

    def explain(self, address: bytes) -> Story:
        """Tell the story of an address as a client of the SMTP server gives it."""
        return Leg(self, address, self._wish.sender, []).from_client(self._wish)

    def follow(self, address: bytes, sender: bytes, been: Sequence[bytes]) -> Story:
        """Tell the story of an address that mail is forwarded to, which has been at some addresses before."""
        self._count += 1
        leg = Leg(self, address, sender, been)
        if self._count > STORIES_MAX:
            return leg.end(TOO_MANY)
        return leg.from_queue(address)

    def is_new(self, recipient: bytes, sender: bytes) -> bool:
        """Is this the first time that this recipient is explained?"""
        known = (recipient, sender) in self._seen
        self._seen.add((recipient, sender))
        return not known

    def ask(self, role: str, group: str, question: Callable[[], Any], within: float = apart.ANSWER_WITHIN) -> Any:
        """Ask a question as the user of a role; raises NoAnswer."""
        uid, gid = getattr(self._ids, f"{role}_uid"), getattr(self._ids, f"{group}_gid")
        return apart.ask(Identity(self._conf.users[role], uid, gid), question, within)

    @property
    def only_uid(self) -> int | None:
        """The one user that mail is delivered to where the home is one user's; None if to everybody."""
        return None if self._ids.separated else self._ids.qmails_uid

    @property
    def home(self) -> str:
        """The home."""
        return self._home

    @property
    def conf(self) -> Conf:
        """The settings of the home."""
        return self._conf

    @property
    def wish(self) -> Wish:
        """What the operator wants."""
        return self._wish


class Leg:
    """The way of one address."""

    def __init__(self, journey: Journey, address: bytes, sender: bytes | None, been: Sequence[bytes]) -> None:
        """Nothing is known yet."""
        self._journey = journey
        self._address = address
        self._sender = sender
        self._been = been
        self._steps: list[Step] = []
        self._onward: list[Story] = []

    def end(self, verdict: Verdict) -> Story:
        """The story, when it has an end."""
        return Story(shown(self._address), self._steps, verdict, self._onward)

    def _take(self, answer: Any) -> Any:
        """Keep the steps of an answer; they come from a child, and are looked at before they are believed."""
        for stage, text, file, line in answer["steps"]:
            self._steps.append(Step(
                apart.printable(stage), apart.printable(text), None if file is None else apart.printable(file),
                line if isinstance(line, int) else None))
        return answer

    def _told(self, tell: Callable[[], Verdict]) -> Story:
        """Come to a verdict, or say why there is none."""
        try:
            return self.end(tell())
        except NoAnswer as nothing:
            return self.end(Verdict(story.UNKNOWN, str(nothing)))
        except (AttributeError, KeyError, TypeError, ValueError):
            return self.end(Verdict(story.UNKNOWN, "the answer makes no sense"))

    # The stages

    def from_client(self, wish: Wish) -> Story:
        """Begin at the SMTP server."""
        return self._told(lambda: self._enter(wish))

    def from_queue(self, recipient: bytes) -> Story:
        """Begin with a recipient in the queue."""
        return self._told(lambda: self._route(recipient))

    def _enter(self, wish: Wish) -> Verdict:
        """The client hands it in, or somebody on this host does, whom nobody asks."""
        asked = entrance.Entrance(self._journey.home, self._address, wish.client, wish.sender or b"", wish.use_dns)
        answer = self._take(self._journey.ask("qmaild", "nofiles", lambda: entrance.enter(asked)))
        if answer["reply"] is None:
            return self._route(answer["recipient"].encode("latin-1"))
        reply = apart.printable(answer["reply"])
        if wish.client is not None:
            return Verdict(story.REFUSED, reply)
        self._steps.append(Step(entrance.STAGE, f"strangers are refused: {reply}"))
        recipient = entrance.read(self._address)
        return Verdict(story.REFUSED, reply) if recipient is None else self._route(recipient)

    def _route(self, queued: bytes) -> Verdict:
        """The scheduler decides where it goes."""
        home = self._journey.home
        answer = self._take(self._journey.ask("qmails", "qmail", lambda: rewriting.rewrite(home, queued)))
        if answer["channel"] is None:
            return Verdict(story.LATER, "the mail system cannot start with these control files")
        if self._sender is None:
            self._sender = b"postmaster@" + answer["me"].encode("latin-1")
        recipient = answer["recipient"].encode("latin-1")
        if answer["is_held"]:
            return Verdict(story.LATER, f"no {answer['channel']} delivery is ever begun")
        if not self._journey.is_new(recipient, self._sender) and not self._has_been_at(recipient):
            return LOOPS
        sender = verp(self._sender, recipient)
        return self._local(recipient, sender) if answer["channel"] == "local" else self._remote(recipient, sender)

    def _has_been_at(self, recipient: bytes) -> bool:
        """Is it coming back to where it was?"""
        local, domain = split(recipient)
        return Request(b"", b"", local, b"", b"", domain or b"", b"", b"").delivered_to in self._been

    def _remote(self, recipient: bytes, sender: bytes) -> Verdict:
        """It leaves this host."""
        # imported only here: it costs more time than all the rest
        from qtwisted.admin.explain import outside

        wish = self._journey.wish
        asked = outside.Outside(self._journey.home, recipient, sender, wish.use_dns, wish.connect)
        answer = self._take(self._journey.ask("qmailr", "qmail", lambda: outside.seek(asked), DNS_WITHIN))
        outcome, text = answer["verdict"]
        return Verdict(apart.printable(outcome), apart.printable(text))

    def _local(self, recipient: bytes, sender: bytes) -> Verdict:
        """It stays on this host: find the user."""
        local, domain = split(recipient)
        if not local:
            return Verdict(story.DISCARDED, "there is nothing before the @, which counts as delivered")
        steps, user, code = person.assigned(self._journey.home, local)
        self._steps += steps
        if user is None and not code:
            answer = self._take(self._journey.ask("qmailp", "nofiles",
                                                  lambda: person.looked_up(self._journey.conf, local)))
            code, record = answer["code"], answer["record"].encode("latin-1")
            user = None if code else users.parse(record)
        if user is None:
            return story.of_report(status.report_text(code))
        refusal = objection(user, self._journey.only_uid)
        if refusal is not None:
            return story.of_report(refusal)
        request = Request(user.name, user.home, local, user.dash, user.ext, domain or b"", sender,
                          self._journey.wish.default)
        return self._look(request, user.uid, user.gid)

    def _look(self, request: Request, uid: int, gid: int) -> Verdict:
        """Look as the user at what his instructions are."""
        if os.geteuid() not in (0, uid):
            return Verdict(story.UNKNOWN, f"only root and {shown(request.user)} can see the .qmail files in "
                                          f"{shown(request.home)}")
        journey = self._journey
        answer = self._take(apart.ask(
            Identity(shown(request.user), uid, gid),
            lambda: letterbox.look(request, self._been, journey.home, journey.conf.patrn)))
        report = answer["report"].encode("latin-1")
        if report[:1] != b"K":
            return story.of_report(report)
        forwards = [address.encode("latin-1") for address in answer["forwards"]]
        if journey.wish.deep:
            sender = answer["sender"].encode("latin-1")
            been = [*self._been, request.delivered_to]
            self._onward = [journey.follow(address, sender, been) for address in forwards]
        return conclusion([apart.printable(place) for place in answer["keeps"]], int(answer["programs"]), forwards)


def conclusion(keeps: list[str], programs: int, forwards: list[bytes]) -> Verdict:
    """How a local delivery ends in which nothing fails."""
    parts = [f"in {place}" for place in keeps]
    parts += [f"forwarded to {shown(address)}" for address in forwards]
    where = ", ".join(parts)
    if programs:
        says = "a program decides" if programs == 1 else f"{programs} programs decide"
        return Verdict(story.DEPENDS, f"{says}; if each exits with 0: {where or 'nothing is kept besides'}")
    if not parts:
        return Verdict(story.DISCARDED, "no line keeps it or sends it on; it counts as delivered")
    return Verdict(story.DELIVERED if keeps else story.FORWARDED, where)
