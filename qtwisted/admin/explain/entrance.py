"""The first stage: does the SMTP server take mail for an address, from this client and this sender?

Asked as user qmaild. The questions are those of a front, in its order: tcprules, relayclients, the syntax of the
address, badmailfrom, rcpthosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtwisted.accept import gate
from qtwisted.accept.admission import visitor
from qtwisted.accept.stdio import client_of
from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.explain import places, story
from qtwisted.admin.explain.story import Step
from qtwisted.config import fields, relay
from qtwisted.config.control import Control, ControlError
from qtwisted.config.tcprules import FILE, Rules, tcprules
from qtwisted.model.address import split
from qtwisted.system.interfaces import ipv4_addresses
from qtwisted.wire import smtp_path, smtp_replies

if TYPE_CHECKING:
    from typing import Any

    from qtwisted.accept.admission import Visitor
    from qtwisted.config.fields import SmtpdConfig
    from qtwisted.model.reply import Reply

STAGE = "accept"


class Entrance(NamedTuple):
    """What is asked: an address as it stands in RCPT, a client's address (None: any stranger), a sender."""

    home: str
    address: bytes
    client: bytes | None
    sender: bytes
    use_dns: bool


class Turned(Exception):
    """The client is refused with this reply."""

    def __init__(self, reply: Reply) -> None:
        """Keep the reply."""
        super().__init__(reply)
        self.reply = reply


class Gate:
    """Goes through the questions, telling each step."""

    def __init__(self, asked: Entrance) -> None:
        """Nothing is read yet."""
        self._asked = asked
        self._control = Control(asked.home)
        self.steps: list[Step] = []

    def say(self, text: str, file: str | None = None, line: int | None = None) -> None:
        """Tell a step."""
        self.steps.append(Step(STAGE, text, file, line))

    def pass_through(self) -> bytes:
        """The recipient as it goes into the queue; raises Turned."""
        try:
            met = self._meet()
            config = fields.smtpd(self._control)
        except ControlError as error:
            self.say(error.why, error.file, error.line)
            raise Turned(smtp_replies.NO_CONTROLS) from None
        client = client_of(met.environ(b"unknown"), config)
        self._tell_relay(met, config, client)
        recipient = self._read(config)
        try:
            self._ask(config, client, recipient)
        except ControlError as error:
            self.say(error.why, error.file, error.line)
            raise Turned(smtp_replies.NO_CONTROLS) from None
        if client.relay:
            self.say(f"RELAYCLIENT is added: {shown(recipient + client.relay)}")
        return recipient + (client.relay or b"")

    def _meet(self) -> Visitor:
        """The client connects; raises Turned."""
        ip = self._asked.client
        if ip is None:
            return visitor(Rules(), b"unknown", None)
        rules = tcprules(self._control) or Rules()
        host = self._name(ip) if rules.needs_name(ip) else None
        rule = rules.find(ip, host)
        line, file = (rule.line, f"control/{FILE}") if rule.line else (None, None)
        met = visitor(rules, ip, host)
        if met.refusal is not None:
            self.say(f"{shown(ip)} may not connect", file, line)
            raise Turned(met.refusal)
        self.say(f"{shown(ip)} may connect", file, line)
        if met.queue is not None:
            self.say(f"its mail goes to {shown(met.queue.encode(errors='surrogateescape'))} in place of the queue",
                     file, line)
        return met

    def _name(self, ip: bytes) -> bytes | None:
        """The name of the client's host."""
        if not self._asked.use_dns:
            self.say(f"the name of {shown(ip)} counts, but was not looked up", f"control/{FILE}")
            return None
        from qtwisted.admin.explain.outside import peer_name

        host = peer_name(self._asked.home, ip)
        self.say(f"{shown(ip)} has no name" if host is None else f"{shown(ip)} is {shown(host)}")
        return host

    def _tell_relay(self, met: Visitor, config: SmtpdConfig, client: gate.Client) -> None:
        """Say whether the client may relay, and why."""
        ip = self._asked.client
        if ip is None:
            return
        if client.relay is None:
            self.say(f"{shown(ip)} may not relay")
        elif b"RELAYCLIENT" in met.variables:
            rule = (tcprules(self._control) or Rules()).find(ip, met.variables.get(b"TCPREMOTEHOST"))
            self.say(f"{shown(ip)} may relay", f"control/{FILE}", rule.line)
        else:
            self.say(f"{shown(ip)} may relay", f"control/{relay.RELAYCLIENTS}", self._relay_line(ip))

    def _relay_line(self, ip: bytes) -> int | None:
        """The line of relayclients that a client is in."""
        for at, entry in self._control.numbered(relay.RELAYCLIENTS) or ():
            if relay.RelayClients([relay.network(entry.decode("ascii"))]).allow(ip):
                return at
        return None

    def _read(self, config: SmtpdConfig) -> bytes:
        """The address as the server reads it; raises Turned."""
        localise = gate.localiser(config.localiphost, ipv4_addresses) if self._asked.client is not None else None
        recipient = read(self._asked.address, localise)
        if recipient is None:
            raise Turned(smtp_replies.SYNTAX_ERROR)
        if recipient != self._asked.address:
            self.say(f"the address is {shown(recipient) or 'empty'}")
        return recipient

    def _ask(self, config: SmtpdConfig, client: gate.Client, recipient: bytes) -> None:
        """Let the gate decide; raises Turned."""
        refusal = gate.may_send(config, client, self._asked.sender, recipient)
        entry = config.badmailfrom.entry(self._asked.sender)
        if entry is not None:
            self.say(f"mail from {shown(self._asked.sender)} is refused", "control/badmailfrom",
                     places.in_list(self._control, "badmailfrom", entry))
        elif client.relay is None:
            self._tell_host(config, recipient)
        if refusal is not None:
            raise Turned(refusal)

    def _tell_host(self, config: SmtpdConfig, recipient: bytes) -> None:
        """Say what rcpthosts has to do with it."""
        domain = split(recipient)[1]
        if config.rcpthosts.is_open:
            self.say("mail is taken for every domain, since the file is missing: this is an open relay",
                     "control/rcpthosts")
        elif domain is None:
            self.say("an address without a domain is always taken")
        elif (entry := config.rcpthosts.entry(recipient)) is None:
            self.say(f"{shown(domain)} is not in it, so mail from strangers is not taken", "control/rcpthosts")
        else:
            file, name = entry
            source = file.removesuffix(".cdb")
            line = places.in_list(self._control, source, name)
            self.say(f"mail for {shown(domain)} is taken from everybody", f"control/{source}", line)


def read(address: bytes, localise: Any = None) -> bytes | None:
    """An address as the SMTP server reads it between ``<`` and ``>``; None if it makes no sense there."""
    parsed = smtp_path.parse(b"TO:<" + address + b">", localise)
    return None if parsed is None or parsed[1] else parsed[0]


def enter(asked: Entrance) -> dict[str, Any]:
    """Ask all of it: the steps, the recipient as it is queued, and the reply that refuses it if there is one."""
    gate_ = Gate(asked)
    recipient, reply = None, None
    try:
        recipient = gate_.pass_through()
    except Turned as turned:
        reply = f"{turned.reply.code} {story.one_line(turned.reply.text)}"
    return {
        "steps": gate_.steps,
        "recipient": None if recipient is None else recipient.decode("latin-1"),
        "reply": reply,
    }
