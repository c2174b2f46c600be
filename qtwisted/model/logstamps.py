"""Takes off what loggers put in front of qmail's lines, and joins what they have cut.

Known are: nothing at all (``twistd -n``); ``@4000…`` of multilog; seconds with a fraction (cyclog, and splogger
inside the system log); the date and time of tai64nlocal; the system log's ``Nov 30 04:45:01 host tag:`` and the
same with a stamp of RFC 3339; and JSON lines of our own. splogger cuts lines after 799 characters and writes a plus
sign after the stamp of each further piece.

A stamp without a zone is in local time, which somebody who knows the zone and the year must tell: ``Local``.
"""

from __future__ import annotations

import re
from datetime import datetime

from qtwisted.model import logjson
from qtwisted.model.events import Event
from qtwisted.model.frozen import NamedTuple
from qtwisted.model.logreading import LONGEST, Words, event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Local = Callable[[bytes], float | None]

#: the length of a piece that splogger continues
PIECE = 799

#: TAI64 counts from here, ten seconds ahead (libtai)
_TAI_EPOCH = (1 << 62) + 10
_TAI = re.compile(rb"@([0-9a-f]{16})([0-9a-f]{8}) ")
_SECONDS = re.compile(rb"([0-9]{1,12}\.[0-9]{1,9})([ +])")
_DATE = re.compile(
    rb"([0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)(Z|[+-][0-9]{2}:?[0-9]{2})? ")
_MONTH = re.compile(rb"([A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}) ")
_PRIORITY = re.compile(rb"<[0-9]{1,3}>")
_HOST_TAG = re.compile(rb"[!-~]{1,255} ([!-9;-Z\\-~]{1,64})()(?:\[[0-9]{1,20}\])?: ?")
_TAG = re.compile(rb"(qmail): |([!-9;-Z\\-~]{1,64}): (?=[0-9]{1,12}\.[0-9]{6}[ +])")


class Line(NamedTuple):
    """One line of a log: when it was written, if that is known, and what it says."""

    at: float | None
    event: Event


class Stamped(NamedTuple):
    """A line without what stood in front; ``stamp`` is splogger's, ``is_more`` says that it continues another one."""

    at: float | None
    tag: bytes
    stamp: bytes
    is_more: bool
    text: bytes


def no_zone(text: bytes) -> float | None:
    """Know nothing of local times."""
    return None


def stripped(line: bytes, local: Local = no_zone) -> Stamped:
    """Take off everything in front of a line's words."""
    first = line[:1]
    if first.islower() and _TAG.match(line) is None:
        return Stamped(None, b"", b"", False, line)
    at, rest, is_dated = _outer(line, local)
    tag = b""
    found = _TAG.match(rest)
    if found is None and is_dated and type(event(rest)) is Words:
        found = _HOST_TAG.match(rest)
    if found is not None:
        tag, rest = found[1] or found[2], rest[found.end():]
    inner = _SECONDS.match(rest)
    if inner is None:
        return Stamped(at, tag, b"", False, rest)
    return Stamped(float(inner[1]), tag, inner[1], inner[2] == b"+", rest[inner.end():])


def _outer(line: bytes, local: Local) -> tuple[float | None, bytes, bool]:
    """Take off the first stamp: its moment, what follows, and whether it may be the system log's."""
    priority = _PRIORITY.match(line)
    if priority is not None:
        line = line[priority.end():]
    found = _TAI.match(line)
    if found is not None:
        return int(found[1], 16) - _TAI_EPOCH + int(found[2], 16) / 1e9, line[found.end():], False
    found = _DATE.match(line)
    if found is not None:
        return _dated(found, local), line[found.end():], True
    found = _MONTH.match(line)
    if found is not None:
        return local(found[1]), line[found.end():], True
    return None, line, False


def _dated(found: re.Match[bytes], local: Local) -> float | None:
    """Read a date and a time, with a zone or without."""
    if found[2] is None:
        return local(found[1])
    try:
        return datetime.fromisoformat((found[1] + found[2]).decode()).timestamp()
    except (ValueError, OverflowError):
        return None


def read_log(lines: Iterable[bytes], local: Local = no_zone, tag: bytes | None = None) -> Iterator[Line]:
    """Read lines without their LF, those of another *tag* left out; whatever they hold, nothing is raised."""
    held: Stamped | None = None
    for line in lines:
        part = stripped(line, local)
        if tag is not None and part.tag and part.tag != tag:
            continue
        if part.stamp and held is not None:
            if part.is_more and part.stamp == held.stamp and part.tag == held.tag:
                held = _joined(held, part)
                if len(part.text) == PIECE:
                    continue
                part, held = held, None
            else:
                yield _told(held)
                held = None
        if part.stamp and len(part.text) == PIECE and not part.is_more:
            held = part
            continue
        yield _told(part)
    if held is not None:
        yield _told(held)


def _joined(held: Stamped, part: Stamped) -> Stamped:
    """Put a further piece to a line, unless that has become longer than any line is."""
    if len(held.text) + len(part.text) > LONGEST:
        return held
    return Stamped(held.at, held.tag, held.stamp, False, held.text + part.text)


def _told(part: Stamped) -> Line:
    """Read the words of a line."""
    if part.text[:1] == b"{":
        found = logjson.read(part.text)
        if found is not None:
            return Line(part.at if found[0] is None else found[0], found[1])
    return Line(part.at, event(part.text))
