"""Reads qmail's log lines back: from the words to the event, and from an event to its facts by name.

What ``events`` and ``alerts`` write, ``event`` reads; anything else is ``Words``, whatever its bytes are. Nobody
can forge an event through an address or a report: these hold no blanks once they are in the log (``logsafe``), and
only a whole line is an event.

The facts of an event are what ``--log-format json`` writes and what the tools for logs show: a dict of numbers and
texts with one of these under ``kind``:

============  =====================================================================================================
kind          facts
============  =====================================================================================================
status        local, local_limit, remote, remote_limit, exiting
exiting
new           msg
info          msg, bytes, sender, qp, uid
start         delivery, msg, channel, recipient
delivery      delivery, verdict (success, deferral, failure or mangled), text
bounce        msg, qp
triple        msg
end           msg
alert         text, and file where it is about one
warning       text, and file where it is about one
wish          verb, msg, uid: an administrator had this done with qmailctl
listening     text, service, place
text          text, for whatever else a role says
============  =====================================================================================================
"""

from __future__ import annotations

import re

from qtwisted.model import alerts, events
from qtwisted.model.events import AboutFile, Event
from qtwisted.model.logline import logsafe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

#: digits of the largest number that is believed
_N = rb"([0-9]{1,20})"
#: what logsafe leaves
_SAFE = rb"([!-~]*)"
#: of the texts of others, no more than this is looked at
LONGEST = 65536


class Words(Event):
    """A line that is no event we know: something a role says, or of somebody else."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        """Take the whole line."""
        self.text = text

    def line(self) -> bytes:
        """Give the line back."""
        return self.text


def _message(kind: Callable[[int], Event], found: re.Match[bytes]) -> Event:
    """Make an event that has nothing but the number of a message."""
    return kind(int(found[1]))


def _status(found: re.Match[bytes]) -> Event:
    """Make the counts of both channels."""
    return events.Status(int(found[1]), int(found[2]), int(found[3]), int(found[4]), found[5] is not None)


def _info(found: re.Match[bytes]) -> Event:
    """Make what is known of a new message."""
    return events.MessageInfo(int(found[1]), int(found[2]), found[3], int(found[4]), int(found[5]))


def _start(found: re.Match[bytes]) -> Event:
    """Make the start of a delivery."""
    return events.DeliveryStarted(int(found[1]), int(found[2]), found[3], found[4])


_VERDICTS = {kind.words: kind for kind in (events.DeliverySucceeded, events.DeliveryPutOff, events.DeliveryFailed)}


def _delivery(found: re.Match[bytes]) -> Event:
    """Make the end of a delivery."""
    if found[2] is None:
        return events.ReportMangled(int(found[1]))
    return _VERDICTS[found[2]](int(found[1]), found[3] or b"")


def _bounce(found: re.Match[bytes]) -> Event:
    """Make the note on a bounce."""
    return events.BounceQueued(int(found[1]), int(found[2]))


#: by the first word of a line: what the whole of it looks like, and what makes the event. A system log may have cut
#: the blank at the end of ``success: ``
_LINES: dict[bytes, tuple[re.Pattern[bytes], Callable[[re.Match[bytes]], Event]]] = {
    b"status:": (re.compile(rb"status: local %b/%b remote %b/%b( exitasap)?" % (_N, _N, _N, _N)), _status),
    b"new": (re.compile(rb"new msg " + _N), lambda found: _message(events.NewMessage, found)),
    b"info": (re.compile(rb"info msg %b: bytes %b from <%b> qp %b uid %b" % (_N, _N, _SAFE, _N, _N)), _info),
    b"starting": (re.compile(rb"starting delivery %b: msg %b to (local|remote) %b" % (_N, _N, _SAFE)), _start),
    b"delivery": (
        re.compile(rb"delivery %b: (?:(success|deferral|failure):(?: %b)?|report mangled, will defer)" % (_N, _SAFE)),
        _delivery,
    ),
    b"bounce": (re.compile(rb"bounce msg %b qp %b" % (_N, _N)), _bounce),
    b"triple": (re.compile(rb"triple bounce: discarding bounce/" + _N),
                lambda found: _message(events.TripleBounce, found)),
    b"qmailctl:": (re.compile(rb"qmailctl: ([a-z]{1,20}) msg %b by uid %b" % (_N, _N)),
                  lambda found: events.Wished(found[1], int(found[2]), int(found[3]))),
    b"end": (re.compile(rb"end msg " + _N), lambda found: _message(events.MessageEnded, found)),
}


def _others() -> tuple[dict[bytes, type[Event]], list[type[AboutFile]]]:
    """Sort the other events: lines that are always the same, and lines about a file, the most exact first."""
    values = [*vars(events).values(), *vars(alerts).values()]
    kinds = [kind for kind in values if isinstance(kind, type) and issubclass(kind, Event)]
    about = [kind for kind in kinds if issubclass(kind, AboutFile) and kind is not AboutFile]
    plain = {kind.words: kind for kind in kinds if kind.words and kind.line is Event.line}
    return plain, sorted(about, key=lambda kind: (len(kind.words), len(kind.then)), reverse=True)


_PLAIN, _ABOUT = _others()
_FILE = re.compile(rb"[a-z]+(?:/[a-z0-9]+){0,3}")
_LISTENING = re.compile(rb"([a-z0-9]+): listening on (.+)")


def event(line: bytes) -> Event:
    """Read a line without its LF and without whatever a logger has put in front of it."""
    known = _LINES.get(line[: line.find(b" ")])
    if known is not None:
        found = known[0].fullmatch(line)
        if found is not None:
            return known[1](found)
    kind = _PLAIN.get(line)
    if kind is not None:
        return kind()
    if line.startswith((b"alert: ", b"warning: ")):
        return _trouble(line)
    return Words(line)


def _trouble(line: bytes) -> Event:
    """Read an alert or a warning about a file."""
    for about in _ABOUT:
        if line.startswith(about.words) and line.endswith(about.then):
            file = line[len(about.words): len(line) - len(about.then)]
            if _FILE.fullmatch(file):
                return about(file)
    return Words(line)


# ---- facts


def _of_delivery(kind: Any) -> dict[str, Any]:
    """Give the facts of a delivery's end."""
    if isinstance(kind, events.ReportMangled):
        return {"delivery": kind.delivery, "verdict": "mangled", "text": ""}
    return {"delivery": kind.delivery, "verdict": kind.words.decode(), "text": _safe(kind.text)}


def _safe(text: bytes) -> str:
    """Write the text of others as the log shows it."""
    return logsafe(text).decode("ascii")


_FACTS: dict[type[Event], tuple[str, Callable[[Any], dict[str, Any]]]] = {
    events.Status: ("status", lambda kind: {
        "local": kind.local, "local_limit": kind.local_limit, "remote": kind.remote,
        "remote_limit": kind.remote_limit, "exiting": kind.is_exiting}),
    events.Exiting: ("exiting", lambda kind: {}),
    events.NewMessage: ("new", lambda kind: {"msg": kind.number}),
    events.MessageInfo: ("info", lambda kind: {
        "msg": kind.number, "bytes": kind.size, "sender": _safe(kind.sender), "qp": kind.qp, "uid": kind.uid}),
    events.DeliveryStarted: ("start", lambda kind: {
        "delivery": kind.delivery, "msg": kind.number, "channel": kind.channel.decode(),
        "recipient": _safe(kind.recipient)}),
    events.DeliverySucceeded: ("delivery", _of_delivery),
    events.DeliveryPutOff: ("delivery", _of_delivery),
    events.DeliveryFailed: ("delivery", _of_delivery),
    events.ReportMangled: ("delivery", _of_delivery),
    events.BounceQueued: ("bounce", lambda kind: {"msg": kind.number, "qp": kind.qp}),
    events.TripleBounce: ("triple", lambda kind: {"msg": kind.number}),
    events.Wished: ("wish", lambda kind: {"verb": kind.verb.decode(), "msg": kind.number, "uid": kind.uid}),
    events.MessageEnded: ("end", lambda kind: {"msg": kind.number}),
}


def facts(kind: Event) -> dict[str, Any]:
    """Name the facts of an event."""
    known = _FACTS.get(type(kind))
    if known is not None:
        return {"kind": known[0], **known[1](kind)}
    line = kind.line()
    told: dict[str, Any] = {"kind": "text", "text": line.decode("utf-8", "backslashreplace")}
    if line.startswith((b"alert: ", b"warning: ")):
        told["kind"] = line.partition(b":")[0].decode()
        if isinstance(kind, AboutFile):
            told["file"] = kind.file.decode("ascii", "backslashreplace")
    elif (found := _LISTENING.fullmatch(line)) is not None:
        told.update(kind="listening", service=found[1].decode(), place=found[2].decode("utf-8", "backslashreplace"))
    return told


def _bytes(told: Mapping[str, Any], name: str) -> bytes:
    """Take a text out of facts; anything else raises what a missing one does."""
    value = told[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value.encode("utf-8", "backslashreplace")


#: by the kind: the line that its facts stand for, which is then read as any other. Wrong facts make no event
_WRITTEN: dict[str, Callable[[Mapping[str, Any]], bytes]] = {
    "status": lambda told: b"status: local %d/%d remote %d/%d%b" % (
        told["local"], told["local_limit"], told["remote"], told["remote_limit"],
        b" exitasap" if told["exiting"] else b""),
    "exiting": lambda told: events.Exiting.words,
    "new": lambda told: b"new msg %d" % told["msg"],
    "info": lambda told: b"info msg %d: bytes %d from <%b> qp %d uid %d" % (
        told["msg"], told["bytes"], _bytes(told, "sender"), told["qp"], told["uid"]),
    "start": lambda told: b"starting delivery %d: msg %d to %b %b" % (
        told["delivery"], told["msg"], _bytes(told, "channel"), _bytes(told, "recipient")),
    "delivery": lambda told: b"delivery %d: %b" % (
        told["delivery"], b"report mangled, will defer" if told["verdict"] == "mangled"
        else _bytes(told, "verdict") + b": " + _bytes(told, "text")),
    "bounce": lambda told: b"bounce msg %d qp %d" % (told["msg"], told["qp"]),
    "triple": lambda told: b"triple bounce: discarding bounce/%d" % told["msg"],
    "wish": lambda told: b"qmailctl: %b msg %d by uid %d" % (_bytes(told, "verb"), told["msg"], told["uid"]),
    "end": lambda told: b"end msg %d" % told["msg"],
}


def from_facts(told: Mapping[str, Any]) -> Event | None:
    """Make an event from its facts; None where these make no sense. Facts that are not ours are not looked at."""
    try:
        written = _WRITTEN.get(told["kind"])
        return event(_bytes(told, "text") if written is None else written(told))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
