"""What each program needs of the control files: one frozen value for each, with only its own files.

The files, with their kinds and defaults, are declared in ``declared``. A file of 1.02 keeps 1.02's lenient
reading; in a file of ours, what does not parse is an error with its line.
"""

from __future__ import annotations

from qtwisted.config.control import Control, ControlError, Entries, fold
from qtwisted.config.declared import ALL as ALL
from qtwisted.config.declared import BY_NAME as BY_NAME
from qtwisted.config.hosts import BadMailFrom, RcptHosts, rcpthosts
from qtwisted.config.security import NO_SECURITY, Security, security
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtwisted.config.relay import RelayClients

class Values:
    """For the slices: reads declared files with their declared defaults; control/me is read once."""

    def __init__(self, control: Control, me: bytes | None = None, *, knows_me: bool = False) -> None:
        """Read control/me, unless the caller knows it already."""
        self._control = control
        self.me = me if knows_me else control.me()

    def line(self, name: str) -> bytes | None:
        """Read a line; without its file it is control/me or the default, as declared."""
        field = BY_NAME[name]
        default = field.default if isinstance(field.default, bytes) else None
        if field.defaults_to_me and self.me is not None:
            default = self.me
        return self._control.line(name, default)

    def text(self, name: str) -> bytes:
        """Read a line the program cannot do without."""
        value = self.line(name)
        if value is None:
            raise ControlError(f"control/{name}", None, "does not exist, nor does control/me")
        return value

    def integer(self, name: str) -> int:
        """Read an integer; in a file of ours it must be one, and nothing else."""
        field = BY_NAME[name]
        default = field.default if isinstance(field.default, int) else 0
        if not field.is_ours:
            return self._control.integer(name, default)
        value = self._control.line(name)
        if value is None:
            return default
        if not value.isdigit() or len(value) > 9:
            raise ControlError(f"control/{name}", 1, "is not a number of at most 9 digits")
        return int(value)

    def names(self, name: str) -> frozenset[bytes]:
        """Read a list of names, folded; without its file it is control/me or empty, as declared."""
        listed = self._control.list(name)
        if listed is None:
            listed = [self.me] if BY_NAME[name].defaults_to_me and self.me is not None else []
        return frozenset(fold(entry) for entry in listed)

    def choice(self, name: str, choices: tuple[bytes, ...]) -> bytes:
        """Read a line that must be one of a few words."""
        value = self.text(name)
        if value not in choices:
            raise ControlError(f"control/{name}", 1, "must be one of " + b" ".join(choices).decode())
        return value


class SmtpdConfig(NamedTuple):
    """What the SMTP server needs."""

    me: bytes | None
    greeting: bytes
    localiphost: bytes | None
    timeout: int
    rcpthosts: RcptHosts
    badmailfrom: BadMailFrom
    databytes: int
    relayclients: RelayClients | None
    helolines: int
    maxrcpt: int
    maxerrors: int
    maxjunk: int
    timeoutcommand: int
    minrate: int
    concurrencyincoming: int
    maxconnip: int

    def may_relay(self, client: bytes) -> bool:
        """May the client with this address send to any domain?"""
        return self.relayclients is not None and self.relayclients.allow(client)


def smtpd(control: Control) -> SmtpdConfig:
    """Load the slice of the SMTP server; raise ControlError if there is neither smtpgreeting nor me."""
    values = Values(control)
    greeting = values.text("smtpgreeting")
    helolines = values.integer("helolines")
    if helolines > 1:
        raise ControlError("control/helolines", 1, "must be 0 or 1")
    return SmtpdConfig(
        me=values.me,
        greeting=greeting,
        localiphost=values.line("localiphost"),
        timeout=max(values.integer("timeoutsmtpd"), 1),
        rcpthosts=rcpthosts(control),
        badmailfrom=BadMailFrom(control.list("badmailfrom")),
        databytes=values.integer("databytes"),
        relayclients=clients(control, "relayclients"),
        helolines=helolines,
        maxrcpt=values.integer("maxrcpt"),
        maxerrors=values.integer("maxerrors"),
        maxjunk=values.integer("maxjunk"),
        timeoutcommand=values.integer("timeoutcommand"),
        minrate=values.integer("minrate"),
        concurrencyincoming=values.integer("concurrencyincoming"),
        maxconnip=values.integer("maxconnip"),
    )


def clients(control: Control, name: str) -> RelayClients | None:
    """Load a list of clients if there are any in it."""
    if not control.list(name):
        return None
    # imported only here: ipaddress costs a program that serves one client more than all its other settings
    from qtwisted.config.relay import relayclients

    return relayclients(control, name)


class Pop3Config(NamedTuple):
    """What the POP3 front needs."""

    me: bytes
    concurrencypop3: int
    maxconnip: int
    maxbadlogins: int


def pop3(control: Control) -> Pop3Config:
    """Load the slice of the POP3 front; raise ControlError if there is no me."""
    values = Values(control)
    return Pop3Config(
        me=values.text("me"),
        concurrencypop3=values.integer("concurrencypop3"),
        maxconnip=values.integer("maxconnip"),
        maxbadlogins=values.integer("maxbadlogins"),
    )


def checkpassword(control: Control) -> bytes:
    """Give the command that checks passwords."""
    return Values(control).text("checkpassword")


class SendConfig(NamedTuple):
    """What qmail-send needs; names and the keys of virtualdomains are folded."""

    me: bytes | None
    queuelifetime: int
    concurrencylocal: int
    concurrencyremote: int
    envnoathost: bytes
    bouncefrom: bytes
    bouncehost: bytes
    doublebouncehost: bytes
    doublebounceto: bytes
    locals: frozenset[bytes]
    percenthack: frozenset[bytes]
    virtualdomains: Mapping[bytes, bytes]


def send(control: Control) -> SendConfig:
    """Load the slice of qmail-send; raise ControlError if there is neither locals nor me."""
    values = Values(control)
    if values.me is None and control.list("locals") is None:
        raise ControlError("control/locals", None, "does not exist, nor does control/me")
    return SendConfig(
        me=values.me,
        queuelifetime=values.integer("queuelifetime"),
        concurrencylocal=values.integer("concurrencylocal"),
        concurrencyremote=values.integer("concurrencyremote"),
        envnoathost=values.text("envnoathost"),
        bouncefrom=values.text("bouncefrom"),
        bouncehost=values.text("bouncehost"),
        doublebouncehost=values.text("doublebouncehost"),
        doublebounceto=values.text("doublebounceto"),
        locals=values.names("locals"),
        percenthack=values.names("percenthack"),
        virtualdomains=control.mapping("virtualdomains"),
    )


def reread_send(control: Control, config: SendConfig) -> SendConfig:
    """Load again what HUP rereads, locals and virtualdomains; control/me stays as it was at the start.

    ControlError names the file that could not be read; then everything old stays.

    Unlike 1.02: if locals is removed where there is no control/me either, that is such an error; there no
    domain was local any more.
    """
    values = Values(control, config.me, knows_me=True)
    if config.me is None and control.list("locals") is None:
        raise ControlError("control/locals", None, "does not exist, nor does control/me")
    return config._replace(
        locals=values.names("locals"), virtualdomains=control.mapping("virtualdomains")
    )


class InjectConfig(NamedTuple):
    """What qmail-inject needs: the names it completes addresses and Message-IDs with."""

    defaultdomain: bytes
    defaulthost: bytes
    idhost: bytes
    plusdomain: bytes


def inject(control: Control, environ: Mapping[bytes, bytes]) -> InjectConfig:
    """Load the slice of qmail-inject; $QMAILDEFAULTDOMAIN and the like come before the files."""
    values = Values(control)
    return InjectConfig(
        *(
            environ.get(b"QMAIL" + name.upper().encode(), values.text(name))
            for name in ("defaultdomain", "defaulthost", "idhost", "plusdomain")
        )
    )


class RemoteConfig(NamedTuple):
    """What qmail-remote needs; the keys of smtproutes are folded."""

    helohost: bytes
    smtproutes: Mapping[bytes, bytes]
    timeoutconnect: int
    timeoutremote: int
    concurrencydestination: int = 20
    security: Security = NO_SECURITY


def remote(control: Control) -> RemoteConfig:
    """Load the slice of qmail-remote; raise ControlError if there is neither helohost nor me."""
    values = Values(control)
    return RemoteConfig(
        helohost=values.text("helohost"),
        smtproutes=control.mapping("smtproutes"),
        timeoutconnect=values.integer("timeoutconnect"),
        timeoutremote=values.integer("timeoutremote"),
        concurrencydestination=values.integer("concurrencydestination"),
        security=security(control),
    )


def queuesync(control: Control) -> bytes:
    """Say how the queue makes files durable: ``auto``, ``syncfs`` or ``fsync``."""
    return Values(control).choice("queuesync", (b"auto", b"syncfs", b"fsync"))


def userbytes(control: Control) -> int:
    """Say how many bytes of messages that are not complete one local user may have with the door."""
    return Values(control).integer("userbytes")


def qmqpservers(control: Control) -> Entries:
    """Give the addresses of the QMQP servers, in the order to try them."""
    return control.list("qmqpservers") or []
