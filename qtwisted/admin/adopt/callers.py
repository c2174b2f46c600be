"""Who starts the old programs: boot scripts, services and inetd.conf, line by line."""

from __future__ import annotations

import glob
import os
import re
import shlex
from typing import TYPE_CHECKING

from qtwisted.admin.adopt import DIFFERS, FINE, Finding
from qtwisted.admin.ctl.screen import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.adopt import Place

FILES = (
    "/etc/inetd.conf", "/etc/xinetd.d/*", "/service/*/run", "/etc/service/*/run", "/var/service/*/run",
    "/etc/init.d/*qmail*", "/etc/rc.local", "/etc/rc.d/rc.local", "/etc/systemd/system/*qmail*.service",
    "/lib/systemd/system/*qmail*.service", "/etc/inittab",
)
SENDMAIL = ("/usr/sbin/sendmail", "/usr/lib/sendmail")
SIZE_MAX = 1 << 18
_STARTS = re.compile(r"qmail-(start|smtpd|pop3d|popup|qmtpd|qmqpd)\b|\bqmailctl\b")
_CSH = "csh -cf"


def look(place: Place) -> Iterator[Finding]:
    """Look into every file that may start something."""
    yield from default_delivery(place)
    paths = [f"{place.home}/rc", *sorted(glob.glob(f"{place.home}/supervise/*/run"))]
    for pattern in FILES:
        paths += sorted(glob.glob(place.etc(pattern)))
    seen = set()
    for path in paths:
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield from lines(path, place.home)
    yield from sendmail(place)


def lines(path: str, home: str) -> Iterator[Finding]:
    """Tell of the lines in a file that start a program of qmail."""
    for at, line in enumerate(read(path), 1):
        if _STARTS.search(line) and not line.lstrip().startswith("#"):
            yield Finding(DIFFERS, f"{path} line {at}", f"starts the old programs: {_short(line)}", stop(path))


def stop(path: str) -> tuple[str, ...]:
    """How what a file starts is stopped."""
    service = os.path.dirname(path)
    if os.path.basename(path) == "rc":
        return ("# qmailctl start runs this file, too: until it starts ours, start ours with qmailctl adopt --start",)
    if os.path.basename(path) == "run" and "qmail" in service:
        if "send" in service:
            return (f"svc -dx {service}",)
        return (f"# it may go on, and puts mail into the same queue; else: svc -d {service}",)
    return ()


def read(path: str) -> list[str]:
    """The lines of a file; none if it cannot be read or is no text."""
    try:
        if not os.path.isfile(path):
            return []
        with open(path, encoding="latin-1") as file:
            return file.read(SIZE_MAX).splitlines()
    except OSError:
        return []


def _short(line: str) -> str:
    """A line, harmless, and not too long."""
    return shown(line.strip().encode("latin-1"))[:200]


def default_delivery(place: Place) -> Iterator[Finding]:
    """Tell what users without instructions get, as the old boot script says."""
    found = told_delivery(place)
    if found is not None and found != "./Mailbox":
        told = shown(found.encode("latin-1", "replace"))
        yield Finding(DIFFERS, "default delivery", f"the boot script says {told}; adopt --start starts us with it")
    elif found is not None:
        yield Finding(FINE, "default delivery", "./Mailbox")


def told_delivery(place: Place) -> str | None:
    """The first argument of qmail-start in the boot script: what is done with mail for users without instructions."""
    paths = [f"{place.home}/rc", f"{place.home}/supervise/qmail-send/run", place.etc("/service/qmail-send/run")]
    for path in paths:
        text = "\n".join(line for line in read(path) if not line.lstrip().startswith("#"))
        _, found, after = text.partition("qmail-start ")
        if found:
            return _argument(after, place.home)
    return None


def _argument(text: str, home: str) -> str | None:
    """The first word of a shell's command line; ``"$(cat file)"`` and backquotes are looked up, not run."""
    try:
        word = next(iter(shlex.split(text)), None)
    except ValueError:
        return None
    control = "".join(read(f"{home}/control/defaultdelivery")[:1])
    if word is None or word.startswith(("$", "`")):
        return control or None
    return word


def sendmail(place: Place) -> Iterator[Finding]:
    """Tell where the name sendmail leads."""
    for path in SENDMAIL:
        real = os.path.realpath(place.etc(path))
        if not os.path.exists(real):
            continue
        if real.startswith(os.path.realpath(place.home) + "/"):
            yield Finding(FINE, path, f"leads to {real}, which goes on working")
        else:
            yield Finding(DIFFERS, path, f"is not qmail's, but leads to {real}")
