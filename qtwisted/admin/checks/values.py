"""The values in control files: does each one parse, and does it mean what it seems to mean?

What a program refuses is found by the function with which it reads the file. The files of 1.02 are read leniently,
so a slip of the pen is not refused but counts for something else; such slips are found here, line by line.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.admin.checks import VALUE, Finding
from qtwisted.admin.checks.build import settings
from qtwisted.config import fields, security
from qtwisted.config.control import Control, ControlError, fold, leading_number
from qtwisted.config.declared import INTEGER, LINE, LIST, MAPPING, Field
from qtwisted.config.fields import Values
from qtwisted.config.relay import relayclients
from qtwisted.config.tcprules import tcprules
from qtwisted.store.qmqpc import server
from qtwisted.trust.nameservers import nameservers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Text = tuple[int, bytes]

READERS: dict[str, Callable[[Control], object]] = {
    "helolines": lambda control: Values(control).choice("helolines", (b"0", b"1")),
    "qmqpclients": lambda control: relayclients(control, "qmqpclients"),
    "queuesync": fields.queuesync,
    "relayclients": relayclients,
    "resolvers": lambda control: nameservers(control)(),
    "smtpauth": lambda control: security.logins(control, _group(control.home)),
    "tcprules": tcprules,
    "tlscafile": security.roots,
    "tlsdestinations": security.policies,
}
"""How files of ours are read that are more than a number: raises ControlError for what does not parse."""
HOSTS = ("bouncehost", "defaultdomain", "defaulthost", "doublebouncehost", "envnoathost", "helohost", "idhost",
         "localiphost", "me", "plusdomain")
"""Lines that are the name of a host."""
DOMAINS = ("locals", "morercpthosts", "percenthack", "rcpthosts")
"""Lists of domains."""
_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-._")
_KINDS_OF_ROUTE = (b"", b"qmtp", b"tls")


def _group(home: str) -> int:
    """The group of qmail in this home."""
    found = settings(home)
    return os.getegid() if found is None else found[1].qmail_gid


def check(home: str) -> Iterator[Finding]:
    """Look into every control file that is there."""
    control = Control(home)
    there = [field for field in fields.ALL if os.path.isfile(control.path(field.name))]
    for field in there:
        yield from readings(control, field)
        yield from slips(control, field)
    if there:
        yield from together(control)


def readings(control: Control, field: Field) -> Iterator[Finding]:
    """What the program that reads the file would refuse."""
    reader = READERS.get(field.name)
    if reader is None and field.kind == INTEGER and field.is_ours:
        reader = _number(field.name)
    try:
        if reader is not None:
            reader(control)
    except ControlError as trouble:
        if os.geteuid() == 0 or os.access(control.path(field.name), os.R_OK):
            yield Finding(VALUE, os.path.join(control.home, trouble.file), trouble.line, trouble.why)


def _number(name: str) -> Callable[[Control], object]:
    """How a number of ours is read."""
    return lambda control: Values(control).integer(name)


def slips(control: Control, field: Field) -> Iterator[Finding]:
    """What would not be refused, but is not what it seems to be."""
    path = control.path(field.name)
    try:
        lines = _lines(control, field)
    except ControlError as trouble:
        if os.geteuid() == 0:
            yield Finding(VALUE, path, None, trouble.why)
        return
    for at, line in lines:
        for fault in faults(field, line):
            yield Finding(VALUE, path, at, fault)


def _lines(control: Control, field: Field) -> list[Text]:
    """The lines of a file that count, with their numbers."""
    if field.kind in (LIST, MAPPING):
        return control.numbered(field.name) or []
    if field.kind in (LINE, INTEGER):
        return [(1, control.line(field.name) or b"")]
    return []


def faults(field: Field, line: bytes) -> Iterator[str]:
    """What is wrong with one line of a file."""
    if line.endswith(b"\r"):
        yield "ends with a carriage return, which is part of the value"
        return
    if line[:1] in (b" ", b"\t"):
        yield "begins with a blank, which is part of the value"
        return
    if any(byte < 0x20 and byte != 9 for byte in line):
        yield "holds a control character"
        return
    looks = BY_LOOK.get(field.name)
    if looks is not None:
        yield from looks(line)
    elif field.kind == INTEGER and not field.is_ours:
        yield from _integer(field, line)
    elif field.kind == MAPPING and not field.is_ours and b":" not in line:
        yield "has no colon, so it does not count"


def _integer(field: Field, line: bytes) -> Iterator[str]:
    """A number as 1.02 reads it: the digits in front, if there are any."""
    number = leading_number(line)
    if number is None:
        yield f"is not a number, so {field.default!r} counts"
    elif not line.isdigit():
        yield f"is not only a number; {number} counts"


def _host(line: bytes) -> Iterator[str]:
    """The name of a host, or its address in brackets."""
    if not line:
        yield "is empty"
    elif not _is_bracketed(line) and not _NAME.issuperset(fold(line)):
        yield "is not the name of a host"


def _is_bracketed(line: bytes) -> bool:
    """Is it an address in brackets?"""
    return line.startswith(b"[") and line.endswith(b"]")


def _domain(line: bytes) -> Iterator[str]:
    """A domain, or the end of one after a dot; names in other scripts are left alone."""
    if _is_bracketed(line):
        return
    if b"@" in line:
        yield "is an address and not a domain, so it never counts"
    elif b" " in line or b"\t" in line or b"," in line or b":" in line:
        yield "is not one domain, so it never counts"


def _sender(line: bytes) -> Iterator[str]:
    """An entry of badmailfrom."""
    if b"@" not in line:
        yield "is neither an address nor @ and a host, so it never counts"


def _virtual(line: bytes) -> Iterator[str]:
    """An entry of virtualdomains."""
    key, colon, _ = line.partition(b":")
    if not colon:
        yield "has no colon, so it does not count"
    elif b" " in key or b"\t" in key:
        yield "has a blank in the domain, so it never counts"


def _route(line: bytes) -> Iterator[str]:
    """An entry of smtproutes: domain, relay, port, kind."""
    _, colon, value = line.partition(b":")
    if not colon:
        yield "has no colon, so it does not count"
        return
    bracket = value.find(b"]") if value.startswith(b"[") else -1
    parts = value[bracket + 1 :].split(b":")
    if len(parts) > 1 and parts[1] and not (parts[1].isdigit() and int(parts[1][:9]) <= 65535):
        yield "does not have a number after the relay, where its port must be"
    elif len(parts) > 2 and fold(parts[2].strip()) not in _KINDS_OF_ROUTE:
        yield "has neither qmtp nor tls after the port"


def _qmqp_server(line: bytes) -> Iterator[str]:
    """An entry of qmqpservers."""
    if server(line) is None:
        yield "is not an address, so it is passed over"


BY_LOOK: dict[str, Callable[[bytes], Iterator[str]]] = {
    **dict.fromkeys(HOSTS, _host), **dict.fromkeys(DOMAINS, _domain), "badmailfrom": _sender,
    "qmqpservers": _qmqp_server, "smtproutes": _route, "virtualdomains": _virtual,
}
"""What to look at in a line, by file; other files are looked at by their kind."""


def together(control: Control) -> Iterator[Finding]:
    """Files that make no sense side by side."""
    try:
        me, locals_ = control.me(), control.list("locals")
        virtual = control.numbered("virtualdomains") or []
    except ControlError:
        return
    if me is None:
        yield Finding(VALUE, control.path("me"), None, "does not exist, and most programs need it")
    ours = {fold(name) for name in locals_ or ()}
    for at, line in virtual:
        key = fold(line.partition(b":")[0])
        if key in ours:
            name = key.decode("ascii", "backslashreplace")
            yield Finding(VALUE, control.path("virtualdomains"), at, f"never counts, since {name} is in locals")
