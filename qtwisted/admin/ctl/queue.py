"""qmailctl queue -- list the messages in the queue.

It reads the files, so it works whether the mail system runs or not. Messages come in no order.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.ctl import filters
from qtwisted.admin.ctl.filters import Filters, closed
from qtwisted.admin.ctl.screen import BAD, NOTE, QUIET, shown
from qtwisted.store.inventory import BOUNCING, HELD, TODO

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from qtwisted.admin.ctl.screen import Screen
    from qtwisted.store.inventory import Inventory, Message

COLOURS = {TODO: QUIET, HELD: NOTE, BOUNCING: BAD}
#: recipients that a value of ``--json`` names; their number is always told
NAMED_MAX = 100
#: recipients of one message that are counted; a list of a million is not read to its end for one line
COUNTED_MAX = 100_000


class Summary(NamedTuple):
    """What one line tells of the recipients: how many are to do and done, and the first ones to do."""

    to_do: int
    done: int
    first: list[tuple[str, bytes]]


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.epilog = ("Where the output is no terminal, each line has these fields with tabs between: number, state, "
                     "time of arrival, bytes, sender, recipients to do, recipients settled, the first one to do.")
    filters.arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object for each message")
    parser.add_argument("--ids", action="store_true", dest="only_ids", help="print numbers alone")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """List messages; 1 if one that was named is not there."""
    chosen, found = Filters(options), 0
    inventory = filters.inventory(home)
    printer = Printer(inventory, screen, as_json=options.json, only_ids=options.only_ids)
    try:
        for message in chosen.chosen(inventory):
            found += 1
            printer.show(message)
            if found == 1:
                screen.flush()
    except PermissionError:
        raise closed(home) from None
    return 1 if found < len(chosen.ids) else 0


class Printer:
    """Prints messages, one a line."""

    def __init__(self, inventory: Inventory, screen: Screen, as_json: bool = False, only_ids: bool = False) -> None:
        """Print to *screen*."""
        self._inventory = inventory
        self._screen = screen
        self._as_json = as_json
        self._only_ids = only_ids
        self._now = int(time.time())

    def show(self, message: Message) -> None:
        """Print one message."""
        if self._only_ids:
            self._screen.whole(str(message.number))
        elif self._as_json:
            self._screen.json(self._value(message))
        elif self._screen.is_terminal:
            self._screen.whole(self._line(message))
        else:
            self._screen.whole("\t".join(self._fields(message)))

    def _summary(self, message: Message) -> Summary:
        """Look at the recipients."""
        to_do = done = 0
        first: list[tuple[str, bytes]] = []
        for recipient in self._inventory.recipients(message):
            if recipient.is_done:
                done += 1
            else:
                to_do += 1
                if len(first) < NAMED_MAX:
                    first.append((recipient.channel, recipient.address))
            if to_do + done >= COUNTED_MAX:
                break
        return Summary(to_do, done, first)

    def _value(self, message: Message) -> dict[str, Any]:
        """Make the JSON value of one message."""
        summary = self._summary(message)
        return {
            "id": message.number,
            "state": message.state,
            "held": message.is_held,
            "bouncing": message.is_bouncing,
            "arrived": message.born_at,
            "size": message.size,
            "sender": None if message.sender is None else message.sender.decode("latin-1"),
            "to_do": summary.to_do,
            "done": summary.done,
            "recipients": [{"channel": channel or None, "address": address.decode("latin-1")}
                           for channel, address in summary.first],
        }

    def _fields(self, message: Message) -> list[str]:
        """Make the fields of a line for programs."""
        summary = self._summary(message)
        first = shown(summary.first[0][1]) if summary.first else ""
        return [str(message.number), message.state, moment(message.born_at), str(message.size), sender_of(message),
                str(summary.to_do), str(summary.done), first]

    def _line(self, message: Message) -> str:
        """Make a line for people, as wide as the terminal at most."""
        summary = self._summary(message)
        first = shown(summary.first[0][1]) if summary.first else "(everybody is settled)"
        more = f" +{summary.to_do - 1}" if summary.to_do > 1 else ""
        state = f"{message.state:<8}"
        before = f"{message.number:>9} "
        after = f" {age(self._now - message.born_at):>6} {amount(message.size):>6} {sender_of(message)} to {first}"
        width = (self._screen.width or 80) - len(before) - len(state) - len(more)
        return before + self._screen.styled(state, COLOURS.get(message.state, "0")) + after[:max(width, 0)] + more


def sender_of(message: Message) -> str:
    """The sender as it is shown."""
    return "(unreadable)" if message.sender is None else f"<{shown(message.sender)}>"


def moment(at: int) -> str:
    """A moment as it is shown: in UTC, and to be sorted as it stands."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return str(at)


def age(seconds: int) -> str:
    """A span of time in few letters: the two greatest units that it has."""
    if seconds < 0:
        return "0s"
    for unit, smaller, size, part in (("w", "d", 604800, 86400), ("d", "h", 86400, 3600), ("h", "m", 3600, 60),
                                      ("m", "s", 60, 1)):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size}{unit}" + (f"{rest}{smaller}" if rest else "")
    return f"{seconds}s"


def amount(count: int) -> str:
    """A number of bytes in few letters."""
    size = float(count)
    for unit in ("", "k", "M", "G"):
        if size < 1000:
            return f"{size:.0f}{unit}" if not unit or size >= 10 else f"{size:.1f}{unit}"
        size /= 1024
    return f"{size:.0f}T"
