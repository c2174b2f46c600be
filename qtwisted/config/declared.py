"""Every control file, declared once: its kind, its default, who reads it, what it is for and how it is shown.

From this table come what the programs load (``fields``), what qmail-showctl prints, the list in docs/control.rst and
the check that every file is documented. Whoever adds a file adds it here.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple

LINE = "line"
INTEGER = "integer"
LIST = "list"
MAPPING = "mapping"
PEM = "pem"


class Field(NamedTuple):
    """One control file.

    ``shown`` is what qmail-showctl prints, with the value in the place of ``{}``, for a list once for each entry;
    ``absent`` is what it prints where there is no file to show, for a list or a certificate. ``defaults_to_me``:
    control/me comes before the default. ``rereads``: does qmail-send read it again on HUP? ``is_ours``: 1.02 does not
    know it. ``is_secret``: what follows the second colon of an entry is never shown. Programs read their files when
    they start, the SMTP front for each client.
    """

    name: str
    kind: str
    default: bytes | int | None
    readers: tuple[str, ...]
    sentence: str
    shown: str
    absent: str = ""
    defaults_to_me: bool = False
    rereads: bool = False
    is_ours: bool = False
    is_secret: bool = False


_SMTPD = ("qmail-smtpd",)
_POP3 = ("qmail-popup",)
_NETWORK = ("qmail-smtpd", "qmail-qmtpd")
_SERVERS = ("qmail-smtpd", "qmail-qmtpd", "qmail-qmqpd")
_ALL_SERVERS = (*_SERVERS, *_POP3)
_SEND = ("qmail-send",)
_INJECT = ("qmail-inject",)
_REMOTE = ("qmail-remote",)
_ALL = ("qmail-inject", "qmail-remote", "qmail-send", *_SERVERS)


def _mine(name: str, readers: tuple[str, ...], sentence: str, shown: str) -> Field:
    """Declare a line that is control/me unless set, and its own name if there is no control/me."""
    return Field(name, LINE, name.encode(), readers, sentence, shown, defaults_to_me=True)


def _named(name: str, readers: tuple[str, ...], sentence: str, shown: str) -> Field:
    """Declare a line that is control/me unless set, and nothing if there is no control/me."""
    return Field(name, LINE, None, readers, sentence, shown, defaults_to_me=True)


def _limit(name: str, default: int, readers: tuple[str, ...], sentence: str, shown: str) -> Field:
    """Declare an integer that 1.02 does not know."""
    return Field(name, INTEGER, default, readers, sentence, shown, is_ours=True)


def _ours(
    name: str,
    kind: str,
    default: bytes | None,
    readers: tuple[str, ...],
    sentence: str,
    shown: str,
    absent: str = "",
    is_secret: bool = False,
) -> Field:
    """Declare a file of another kind that 1.02 does not know."""
    return Field(name, kind, default, readers, sentence, shown, absent, is_ours=True, is_secret=is_secret)


ALL: tuple[Field, ...] = (
    Field(
        "badmailfrom", LIST, None, _SMTPD, "Envelope senders, or @host, whose mail is refused.",
        "{} not accepted in MAIL FROM.", "Any MAIL FROM is allowed.",
    ),
    Field(
        "bouncefrom", LINE, b"MAILER-DAEMON", _SEND, "User name in the From field of bounces.",
        "Bounce user name is {}.",
    ),
    _mine("bouncehost", _SEND, "Host name in the From field of bounces.", "Bounce host name is {}."),
    Field("concurrencylocal", INTEGER, 10, _SEND, "Most local deliveries at a time.", "Local concurrency is {}."),
    Field("concurrencyremote", INTEGER, 20, _SEND, "Most remote deliveries at a time.", "Remote concurrency is {}."),
    Field(
        "databytes", INTEGER, 0, _NETWORK, "Most bytes in a message from the network; 0 is no limit.",
        "SMTP DATA limit is {} bytes.",
    ),
    _mine("defaultdomain", _INJECT, "Domain added to host names without a dot.", "Default domain name is {}."),
    _mine("defaulthost", _INJECT, "Host added to addresses without one.", "Default host name is {}."),
    _mine("doublebouncehost", _SEND, "Host that gets double bounces.", "2B recipient host: {}."),
    Field("doublebounceto", LINE, b"postmaster", _SEND, "User who gets double bounces.", "2B recipient user: {}."),
    _mine("envnoathost", _SEND, "Host presumed for envelope recipients without @.", "Presumed domain name is {}."),
    _named("helohost", _REMOTE, "Name given in HELO.", "SMTP client HELO host name is {}."),
    _mine("idhost", _INJECT, "Host name in Message-IDs.", "Message-ID host name is {}."),
    _named(
        "localiphost", _SMTPD, "Name put in place of a bracketed address of this host.",
        "Local IP address becomes {}.",
    ),
    Field(
        "locals", LIST, None, _SEND, "Domains that are delivered locally.",
        "Messages for {} are delivered locally.", "Messages for me are delivered locally.",
        defaults_to_me=True, rereads=True,
    ),
    Field("me", LINE, None, _ALL, "Name of this host, default of many other files.", "My name is {}."),
    Field(
        "morercpthosts", LIST, None, ("qmail-newmrh",), "More of rcpthosts, compiled by qmail-newmrh.",
        "SMTP clients may send messages to recipients at {}.", "No effect.",
    ),
    Field(
        "percenthack", LIST, None, _SEND, "Domains where user%host@domain means user@host.",
        "The percent hack is allowed for user%host@{}.", "The percent hack is not allowed.",
    ),
    _mine("plusdomain", _INJECT, "Domain added to host names that end with a plus sign.", "Plus domain name is {}."),
    Field(
        "qmqpservers", LIST, None, ("qmail-qmqpc",), "Addresses of QMQP servers, tried in turn.",
        "QMQP server: {}.", "No QMQP servers.",
    ),
    Field(
        "queuelifetime", INTEGER, 604800, _SEND, "Seconds a message may stay in the queue.",
        "Message lifetime in the queue is {} seconds.",
    ),
    Field(
        "rcpthosts", LIST, None, _NETWORK, "Domains mail is taken for; without the file, all.",
        "SMTP clients may send messages to recipients at {}.", "SMTP clients may send messages to any recipient.",
    ),
    _named("smtpgreeting", _SMTPD, "Text of the SMTP greeting, host name first.", "SMTP greeting: 220 {}."),
    Field(
        "smtproutes", MAPPING, None, _REMOTE, "Hosts that take the mail for some domains.",
        "SMTP route: {}", "No artificial SMTP routes.",
    ),
    Field(
        "timeoutconnect", INTEGER, 60, _REMOTE, "Seconds to wait for a remote host to take a connection.",
        "SMTP client connection timeout is {} seconds.",
    ),
    Field(
        "timeoutremote", INTEGER, 1200, _REMOTE, "Seconds to wait for each answer of a remote host.",
        "SMTP client data timeout is {} seconds.",
    ),
    Field(
        "timeoutsmtpd", INTEGER, 1200, _SMTPD, "Seconds to wait for each piece of input from a client.",
        "SMTP server data timeout is {} seconds.",
    ),
    Field(
        "virtualdomains", MAPPING, None, _SEND, "Users who control whole domains.",
        "Virtual domain: {}", "No virtual domains.", rereads=True,
    ),
    # not in 1.02
    _ours(
        "checkpassword", LINE, b"qmail-checkpassword-system", _POP3, "Checks passwords.",
        "Passwords are checked by {}.",
    ),
    _ours(
        "clientcert.pem", PEM, None, _REMOTE, "Our certificate and its key, for servers that ask.",
        "SMTP client certificate is the one in this file.", "No SMTP client certificate.",
    ),
    _limit(
        "concurrencydestination", 20, ("qmail-rspawn",), "Most connections to one destination; 0 is no limit.",
        "Concurrency of one destination is {}.",
    ),
    _limit(
        "concurrencyincoming", 1000, _SERVERS, "Most connections of clients at a time to one service.",
        "Incoming concurrency of one service is {}.",
    ),
    _limit("concurrencypop3", 200, _POP3, "Most POP3 clients at a time; 0 is no limit.", "POP3 concurrency is {}."),
    _limit(
        "helolines", 1, _SMTPD, "1: HELO lists PIPELINING and 8BITMIME as in 1.02; 0: one line.",
        "Extension lines after HELO: {}.",
    ),
    _ours(
        "listen", LIST, None, ("qmail-start",), "Services and the endpoints they listen on.",
        "Service: {}", "No services but those of the command line.",
    ),
    _limit(
        "maxbadlogins", 20, _POP3, "Failed logins of one address in a minute; 0 is no limit.",
        "Failed logins of one address in a minute: {}.",
    ),
    _limit(
        "maxconnip", 50, _ALL_SERVERS, "Most connections of one address at a time to one service; 0 is no limit.",
        "Connections of one address to one service: {}.",
    ),
    _limit(
        "maxerrors", 20, _SMTPD, "Refused commands after which a client is cut off; 0 is no limit.",
        "SMTP client error limit is {} commands.",
    ),
    _limit(
        "maxjunk", 100, _SMTPD, "Idle commands after which a client is cut off; 0 is no limit.",
        "SMTP client idling limit is {} commands.",
    ),
    _limit("maxrcpt", 1000, _SMTPD, "Most recipients of a message; 0 is no limit.", "SMTP recipient limit is {}."),
    _limit(
        "minrate", 500, _SMTPD, "Fewest bytes a second while a message comes in; 0 is no limit.",
        "SMTP DATA must come at {} bytes a second.",
    ),
    _ours(
        "qmqpclients", LIST, None, ("qmail-qmqpd",), "Addresses and networks that may use QMQP.",
        "QMQP is served to {}.", "QMQP is served to nobody.",
    ),
    _ours(
        "queuesync", LINE, b"auto", ("qmail-queue",), "How to sync: auto, syncfs, fsync.",
        "Queue sync method is {}.",
    ),
    _ours(
        "relayclients", LIST, None, _NETWORK, "Addresses and networks that may relay.",
        "SMTP clients at {} may send messages to any recipient.", "No SMTP clients are exempt from rcpthosts.",
    ),
    _ours(
        "resolvers", LIST, None, _REMOTE, "Name servers, ADDRESS or ADDRESS:PORT; else resolv.conf.",
        "DNS server: {}.", "DNS servers are those of /etc/resolv.conf.",
    ),
    _ours(
        "smtpauth", MAPPING, None, _REMOTE, "Names and passwords for relays: relay:user:password.",
        "SMTP login: {}", "No SMTP logins.", is_secret=True,
    ),
    _ours(
        "tcprules", LIST, None, ("qmail-start",),
        "Which clients may connect, to hand in mail or to fetch it, and as what.",
        "Connection rule: {}", "Any client may connect.",
    ),
    _limit(
        "timeoutcommand", 300, _SMTPD, "Seconds a client may take for one whole command; 0 is no limit.",
        "SMTP client command timeout is {} seconds.",
    ),
    _limit(
        "timeoutprogram", 3600, ("qmail-lspawn",), "Seconds a program in a .qmail file may run.",
        "Local program timeout is {} seconds.",
    ),
    _ours(
        "tlscafile", PEM, None, _REMOTE, "Certificates to trust instead of the system's.",
        "SMTP client trusts the certificates in this file.", "SMTP client trusts the certificates of the system.",
    ),
    _ours(
        "tlsdestinations", MAPPING, None, _REMOTE, "Where mail must be encrypted on its way.",
        "TLS policy: {}", "TLS is used wherever it is offered.",
    ),
    _limit(
        "userbytes", 64 << 20, ("qmail-queue",), "Most bytes a local user may hand in at a time; 0 is no limit.",
        "Limit of what a local user may hand in at a time is {} bytes.",
    ),
)

#: the same by name
BY_NAME = {field.name: field for field in ALL}
