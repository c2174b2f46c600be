"""qmailctl retry, bounce, delete, hold and release: have something done with messages in the queue.

The running qmail-send does it, in the same order and with the same care as everything else, so nothing can go wrong
between two programs. Messages are named by number, or by what they have in common; the filters of ``queue`` apply,
and always to whole messages, never to single recipients.
"""

from __future__ import annotations

from array import array
from itertools import islice
from typing import TYPE_CHECKING

from qtwisted.admin.ctl import filters, live
from qtwisted.admin.ctl.filters import Filters, closed
from qtwisted.admin.ctl.queue import Printer
from qtwisted.admin.ctl.screen import BAD, GOOD, NOTE
from qtwisted.admin.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from qtwisted.admin.ctl.screen import Screen
    from qtwisted.schedule.asking import Asking
    from qtwisted.store.inventory import Inventory, Message

#: messages in one request
BATCH = 500
#: commands that cannot be taken back
FINAL = ("bounce", "delete")
FINE = ("done", "waits", "already")
COLOURS = {"done": GOOD, "waits": NOTE, "already": NOTE}


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    filters.arguments(parser)
    parser.add_argument("--all", action="store_true", help="every message in the queue")
    parser.add_argument("--dry-run", "-n", action="store_true", help="only list what would be touched")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each message")
    if name == "bounce":
        parser.add_argument("--text", "-t", default="", help="what the senders are told instead of the usual text")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Do it; 1 if it could not be done for some message."""
    chosen = Filters(options)
    if chosen.is_open and not options.all:
        raise Refused(f"{name} what? Give numbers, filters, or --all for every message in the queue")
    if options.all and chosen.ids:
        raise Refused("--all and numbers of messages contradict each other")
    try:
        if options.dry_run:
            return preview(chosen, filters.inventory(home), screen, options.json)
        return Change(name, options, home, screen).carry_out(chosen)
    except PermissionError:
        raise closed(home) from None


def preview(chosen: Filters, inventory: Inventory, screen: Screen, as_json: bool) -> int:
    """List what would be touched; 1 if a message that was named is not there."""
    printer, found = Printer(inventory, screen, as_json=as_json), 0
    for message in chosen.chosen(inventory):
        printer.show(message)
        found += 1
    return 1 if found < len(chosen.ids) else 0


class Change:
    """One command, on its way through the queue."""

    def __init__(self, verb: str, options: argparse.Namespace, home: str, screen: Screen) -> None:
        """Do *verb* in a home."""
        self._verb = verb
        self._options = options
        self._home = home
        self._screen = screen
        self._counts: dict[str, int] = {}
        self._total = 0

    def carry_out(self, chosen: Filters) -> int:
        """Do it to all that were chosen."""
        with live.asking(self._home) as send:
            words = self._words(chosen)
            while batch := list(islice(words, BATCH)):
                self._total += len(batch)
                self._ask(send, batch)
        if self._screen.is_terminal and not self._options.json and self._total != 1:
            self._screen.say(", ".join(f"{count} {word}" for word, count in self._counts.items()) or "nothing to do")
        return 0 if set(self._counts) <= set(FINE) else 1

    def _words(self, chosen: Filters) -> Iterator[bytes]:
        """Name the messages for qmail-send.

        Those that filters have found are named with their marks, so that no other message is meant that has got the
        number of one meanwhile.
        """
        if chosen.is_only_ids:
            yield from (b"%d" % number for number in chosen.ids)
            return
        inventory = filters.inventory(self._home)
        if self._verb in FINAL and not self._options.all and not chosen.ids:
            yield from self._checked(chosen, inventory)
        else:
            for message in chosen.chosen(inventory):
                yield named(message)

    def _checked(self, chosen: Filters, inventory: Inventory) -> Iterator[bytes]:
        """Name the messages when it is sure that they are not simply all of them."""
        numbers, marks, others = array("Q"), array("q"), 0
        for message in chosen.candidates(inventory):
            if chosen.takes(message, inventory):
                numbers.append(message.number)
                marks.append(message.mark)
            else:
                others += 1
        if not others and len(numbers) > 1:
            raise Refused(f"this matches every one of the {len(numbers)} messages in the queue; "
                          f"to {self._verb} them say --all")
        for number, mark in zip(numbers, marks, strict=True):
            yield b"%d@%d" % (number, mark)

    def _ask(self, send: Asking, batch: list[bytes]) -> None:
        """Have it done to some of them, and print what came of it."""
        before = [self._options.text.encode("utf-8", "surrogateescape")] if self._verb == "bounce" else []
        for value in live.answers(send, self._verb.encode(), *before, *batch):
            word = str(value["answer"])
            self._counts[word] = self._counts.get(word, 0) + 1
            self._print(value, word)
        self._screen.flush()

    def _print(self, value: dict[str, Any], word: str) -> None:
        """Print one answer."""
        if self._options.json:
            self._screen.json(value)
            return
        why = f": {live.plain(value['text'])}" if value["text"] else ""
        told = self._screen.styled(live.plain(word), COLOURS.get(word, BAD))
        self._screen.whole(f"{int(value['id'])}: {told}{why}")


def named(message: Message) -> bytes:
    """Name a message so that no other one can be meant."""
    return b"%d@%d" % (message.number, message.mark)
