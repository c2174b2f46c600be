"""qmailctl show -- show everything about a message.

The envelope and the state of each recipient come from the files; when it is tried next, what is being delivered, and
the last report about each recipient, from the running qmail-send, which remembers reports since it was started.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtwisted.admin.ctl import filters, live
from qtwisted.admin.ctl.filters import closed
from qtwisted.admin.ctl.queue import COLOURS, age, moment, sender_of
from qtwisted.admin.ctl.screen import BAD, GOOD, NOTE, QUIET, shown
from qtwisted.store.inventory import TODO
from qtwisted.store.kinds.ledger import CHANNELS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from qtwisted.admin.ctl.screen import Screen
    from qtwisted.store.inventory import Inventory, Message, Recipient

#: how much of what the sender will be told is shown
FAILURES_MAX = 20_000
HEADER_MAX = 16_384
FIELDS = (b"from", b"to", b"subject", b"date", b"message-id")


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("ids", metavar="ID", nargs="+", type=filters.number, help="the number of a message")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each message")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Show messages; 1 if one is not there."""
    inventory, missing = filters.inventory(home), 0
    for number in dict.fromkeys(options.ids):
        try:
            message = inventory.message(number)
        except PermissionError:
            raise closed(home) from None
        told = live.if_running(home, b"show", b"%d" % number)
        view = View(inventory, message, told[0] if told else None) if message is not None else None
        if view is None:
            missing += 1
            screen.json({"id": number, "state": None}) if options.json else screen.say(f"{number}: not in the queue")
        elif options.json:
            screen.json(view.value())
        else:
            view.show(screen)
    return 1 if missing else 0


class View:
    """One message, as the files and qmail-send tell of it."""

    def __init__(self, inventory: Inventory, message: Message, told: dict[str, Any] | None) -> None:
        """*told* is what qmail-send knows, None if it does not run."""
        self._inventory = inventory
        self._message = message
        self._told = told
        self._now = int(time.time())
        reports = (told or {}).get("reports", ())
        self._reports = {each["recipient"].encode("latin-1", "replace"): each for each in reports}

    def _next(self) -> dict[str, int]:
        """When the message is tried next, by channel."""
        if self._told is not None:
            return {str(channel): int(at) for channel, at in self._told["next"].items()}
        noted = {channel: self._inventory.due_at(channel, self._message.number) for channel in CHANNELS}
        return {channel: at for channel, at in noted.items() if at is not None and self._message.state != TODO}

    def value(self) -> dict[str, Any]:
        """Make the JSON value."""
        message, told = self._message, self._told or {}
        return {
            "id": message.number,
            "state": message.state,
            "held": message.is_held,
            "bouncing": message.is_bouncing,
            "being_ended": told.get("is_being_ended"),
            "arrived": message.born_at,
            "size": message.size,
            "sender": None if message.sender is None else message.sender.decode("latin-1"),
            "running": self._told is not None,
            "next": self._next(),
            "deliveries": told.get("deliveries", []),
            "recipients": [self._recipient(recipient) for recipient in self._inventory.recipients(message)],
            "failures": self._inventory.failures(message.number, FAILURES_MAX).decode("latin-1"),
        }

    def _recipient(self, recipient: Recipient) -> dict[str, Any]:
        """Make the JSON value of one recipient."""
        report = self._reports.get(recipient.address)
        value = {"channel": recipient.channel or None, "address": recipient.address.decode("latin-1"),
                 "done": recipient.is_done}
        return value if report is None else {**value, "report": report["text"], "reported": report["at"]}

    def show(self, screen: Screen) -> None:
        """Print it for people."""
        for name, text in self._facts(screen):
            screen.whole(f"{name:<11} {text}")
        for recipient in self._inventory.recipients(self._message):
            how = screen.styled("done", GOOD) if recipient.is_done else screen.styled("to do", NOTE)
            screen.whole(f"  {how:<5} {recipient.channel:<6} {shown(recipient.address)}")
            report = self._reports.get(recipient.address)
            if report is not None and not recipient.is_done:
                when = age(self._now - int(report["at"]))
                screen.whole(f"        {when} ago: {live.plain(report['text'].rstrip())}")
        failures = self._inventory.failures(self._message.number, FAILURES_MAX)
        if failures:
            screen.whole(screen.styled("the sender will be told:", BAD))
            for line in failures.rstrip(b"\n").split(b"\n"):
                screen.whole(f"  {shown(line)}")
        screen.whole("")

    def _facts(self, screen: Screen) -> Iterator[tuple[str, str]]:
        """Say what there is to say of the message as a whole."""
        message = self._message
        yield "message", screen.styled(str(message.number), "1")
        yield "state", screen.styled(message.state, COLOURS.get(message.state, "0")) + self._ending()
        yield "arrived", f"{moment(message.born_at)} ({age(self._now - message.born_at)} ago)"
        yield "size", f"{message.size} bytes"
        yield "sender", sender_of(message)
        for name, text in header_fields(self._inventory.text(message.number, HEADER_MAX)):
            yield shown(name), screen.styled(shown(text), QUIET)
        if self._told is None:
            yield "qmail-send", "not running, or not to be asked by us"
        for each in (self._told or {}).get("deliveries", ()):
            yield "delivering", f"{live.plain(each['recipient'])} for {float(each['running_for']):.0f}s"
        for channel, at in sorted(self._next().items()):
            when = f"in {age(at - self._now)}" if at > self._now else "as soon as there is room"
            yield "next try", f"{live.plain(channel)} {'when it is released' if message.is_held else when}"

    def _ending(self) -> str:
        """Say that the message is being returned or deleted."""
        verb = (self._told or {}).get("is_being_ended")
        return f" (told to {live.plain(verb)}; waits for a running delivery)" if verb else ""


def header_fields(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Find those fields of a header by which people know a message."""
    header = text.partition(b"\n\n")[0].replace(b"\n ", b" ").replace(b"\n\t", b" ")
    for line in header.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon and name.lower() in FIELDS:
            yield name, value.strip()
