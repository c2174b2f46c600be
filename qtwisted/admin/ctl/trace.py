"""qmailctl trace: the story of a message, told from the log.

What was asked for is followed to what has come of it: the bounce of a message, the copies that a forward has made;
and back to where a bounce or a copy comes from.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.logs import sources, telling
from qtwisted.admin.logs.tracing import Trace
from qtwisted.admin.logs.wanted import Wanted

if TYPE_CHECKING:
    import argparse

    from qtwisted.admin.ctl.screen import Screen

FOUND_MAX = 100


def log_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the option that says where the log is."""
    parser.add_argument("--log", action="append", metavar="FILE",
                        help="read this log: a file, compressed or not, the directory of multilog, or - for standard "
                        "input; may be given more than once, oldest first (default: where the log of the running "
                        "mail system goes)")


def place_of(names: list[str] | None, home: str) -> sources.Place:
    """The log that the options name, else the running system's."""
    return sources.given(names) if names else sources.found(home)


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare what stands on the command line."""
    parser.add_argument("anything", nargs="+", metavar="ANYTHING",
                        help="a message's number; qp N, as in the reply that the client was given; delivery N; a "
                        "sender or recipient, in which * and ? stand for anything; or a Message-ID in < >, which is "
                        "found while the message is in the queue")
    log_argument(parser)
    parser.add_argument("--limit", type=positive, default=FOUND_MAX, metavar="N",
                        help=f"tell the last N stories (default {FOUND_MAX})")
    parser.add_argument("--json", action="store_true", help="one JSON value a line for each story")


def positive(text: str) -> int:
    """A number of at least 1; argparse words the trouble."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Tell the stories that are asked for; 1 if there are none."""
    wanted = Wanted(options.anything, home)
    source = sources.Source(place_of(options.log, home))
    trace = Trace(wanted, options.limit)
    trace.read(source)
    found = trace.told()
    if options.json:
        for story in found:
            screen.json(telling.story_facts(story, trace.origin(story)))
    else:
        telling.tell(found, screen)
    for note in notes(trace, source, found_any=bool(found)):
        screen.flush()
        sys.stderr.write(f"qmailctl trace: {note}\n")
    return 0 if found else 1


def notes(trace: Trace, source: sources.Source, found_any: bool) -> list[str]:
    """What the operator must know about the answer."""
    told = [f"cannot read {shown(trouble.encode())}" for trouble in source.troubles] + trace.wanted.notes
    if trace.left_out:
        told.append(f"{trace.left_out} earlier stories are left out; --limit tells more")
    if trace.stories.dropped:
        told.append(f"more messages were open at once than are kept in mind; {trace.stories.dropped} were dropped, "
                    f"their stories may be incomplete")
    if not found_any:
        told.append(nothing(trace.wanted))
    return told


def nothing(wanted: Wanted) -> str:
    """Why nothing was found, as far as that can be said."""
    if wanted.message_id is None:
        return f"the log has nothing about {shown(' '.join(wanted.words).encode())}"
    if wanted.in_queue:
        numbers = ", ".join(map(str, sorted(wanted.in_queue)))
        return f"the message with this Message-ID is in the queue as {numbers}, but this log has nothing about it"
    return ("no message in the queue has this Message-ID, and no report names it. The log does not have Message-IDs: "
            "ask by qp, as in the reply that the client was given, or by sender or recipient")

