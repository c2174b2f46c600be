"""The log as one JSON object a line, with the facts of each event by name and the moment at which it was read.

``dressed`` makes it from qmail's lines, for ``twistd qmail --log-format json``; ``read`` takes it apart again. The
names of the facts are those of ``logreading``; before them stands ``at``, in UTC as RFC 3339 writes it, with
microseconds. Whatever was said, the line is ASCII without control characters.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from qtwisted.model.logreading import LONGEST, event, facts, from_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.model.events import Event


def stamp(at: float) -> str:
    """Write a moment in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dressed(lines: bytes, at: float) -> bytes:
    """Write complete lines, each with its LF, as JSON; all were read at the same moment."""
    front = b'{"at": "%b", ' % stamp(at).encode()
    return b"".join([
        front + json.dumps(facts(event(line))).encode()[1:] + b"\n" for line in lines.split(b"\n")[:-1]
    ])


def read(line: bytes) -> tuple[float | None, Event] | None:
    """Read one line; None where it is not one of ours."""
    if len(line) > LONGEST:
        return None
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    found = from_facts(told)
    return None if found is None else (_moment(told.get("at")), found)


def _moment(text: object) -> float | None:
    """Read a stamp."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if moment is None or moment.tzinfo is None else moment.timestamp()
    except (ValueError, OverflowError):
        return None
