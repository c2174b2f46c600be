"""The control files: which of them ours reads in the same way, and which it does not know."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.admin.adopt import DIFFERS, FINE, MUST, Finding
from qtwisted.admin.checks import control as known
from qtwisted.admin.checks import values
from qtwisted.admin.ctl.screen import shown
from qtwisted.config.control import Control, ControlError
from qtwisted.config.fields import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.adopt import Place

NOTHING = "there is nothing like it here"
INSTEAD = {
    "badhelo": NOTHING, "badloadertypes": NOTHING, "badmailto": NOTHING, "badrcptto": NOTHING,
    "bouncemaxbytes": NOTHING, "brtlimit": "control/maxerrors cuts clients off after so many refusals",
    "checkpassword": "the same name means the program that checks passwords for POP3",
    "chkuser": NOTHING, "clientca.pem": "control/tlscafile has the certificates we trust",
    "concurrencyincoming": "it is read by the mail system itself, for each service",
    "defaultdelivery": "give it to the mail system with --default-delivery",
    "dh1024.pem": "not needed", "dh2048.pem": "not needed", "dh512.pem": "not needed", "rsa512.pem": "not needed",
    "rsa2048.pem": "not needed", "domainkeys": NOTHING, "dkim": NOTHING, "doublebouncetrim": NOTHING,
    "goodmailaddr": NOTHING, "goodrcptto": NOTHING, "greetdelay": NOTHING, "mailfromdomains": NOTHING,
    "maxrecipients": "control/maxrcpt is the number of recipients a message may have",
    "moreipme": NOTHING, "notlshosts": "control/tlsdestinations: domain:none",
    "outgoingip": "the system chooses the address", "qmqpservers": "it is read as before", "rbllist": NOTHING,
    "rblsmtpd": NOTHING, "recipients": NOTHING, "relaymailfrom": "control/relayclients, or tcprules",
    "servercert.pem": "SMTP clients are not offered TLS here; leave the old qmail-smtpd where that is needed",
    "signatures": NOTHING, "simcontrol": "run simscan by QMAILQUEUE, in tcprules or in the environment",
    "smtpplugins": NOTHING, "spfbehavior": NOTHING, "spfexp": NOTHING, "spfguess": NOTHING, "spfrules": NOTHING,
    "spp": NOTHING, "sql": NOTHING, "surblfilter": NOTHING, "tarpitcount": NOTHING, "tarpitdelay": NOTHING,
    "tcp.smtp": "control/tcprules has the same lines, and is not compiled",
    "tcp.smtp.cdb": "control/tcprules has the lines of its source, and is not compiled",
    "tlsclientciphers": NOTHING, "tlsserverciphers": NOTHING,
    "tlshosts": "control/tlsdestinations: domain:verify", "validrcptto": NOTHING, "validrcptto.cdb": NOTHING,
}
"""Control files that patches brought, and what there is in their place."""
SLICES = ("send", "smtpd", "remote")


def look(place: Place) -> Iterator[Finding]:
    """Look at every file."""
    try:
        names = sorted(os.listdir(f"{place.home}/control"))
    except OSError:
        yield Finding(MUST, "control", "cannot be read")
        return
    ours = [name for name in names if name in BY_NAME or name in known.COMPILED]
    yield Finding(FINE, "control", f"{len(ours)} files are read as they are")
    for name in names:
        if name not in ours:
            yield unknown(name)
    yield from readings(place.home)
    yield from routes(place.home)
    yield from rules(place)


def unknown(name: str) -> Finding:
    """Tell of a file that no program of ours reads."""
    why = INSTEAD.get(name, "no program of ours reads it")
    return Finding(DIFFERS, f"control/{shown(os.fsencode(name))}", f"is of no effect: {why}")


def readings(home: str) -> Iterator[Finding]:
    """Tell what our programs cannot read; slips that 1.02 makes something of count for the same here."""
    control = Control(home)
    for name, field in BY_NAME.items():
        if os.path.isfile(control.path(name)):
            for found in values.readings(control, field):
                place = "" if found.line is None else f" line {found.line}"
                yield Finding(MUST, f"control/{name}{place}", found.text)


def routes(home: str) -> Iterator[Finding]:
    """Tell of routes with a name and a password behind them, as some patches have them."""
    try:
        lines = Control(home).numbered("smtproutes") or []
    except ControlError:
        return
    for at, line in lines:
        if b" " in line or b"\t" in line:
            yield Finding(DIFFERS, f"control/smtproutes line {at}", "has more than a relay and a port, of no "
                          "effect; names and passwords belong in control/smtpauth, as RELAY:USER:PASSWORD")


def rules(place: Place) -> Iterator[Finding]:
    """Tell of rules for tcpserver, which we read uncompiled."""
    for path in ("/etc/tcp.smtp", "/etc/tcprules.d/tcp.smtp", "/etc/tcpcontrol/smtp.rules"):
        if os.path.isfile(place.etc(path)) and not os.path.exists(f"{place.home}/control/tcprules"):
            yield Finding(DIFFERS, path, "tells tcpserver who may relay; before we receive mail ourselves, copy it",
                          (f"cp {path} {place.home}/control/tcprules",))
            return
