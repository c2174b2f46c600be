"""Which messages a command is about: numbers, or what they have in common."""

from __future__ import annotations

import argparse
import os
import re
import time
from fnmatch import translate
from typing import TYPE_CHECKING

from qtwisted.admin.refusal import Refused
from qtwisted.model.address import split
from qtwisted.store.inventory import STATES, Inventory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qtwisted.store.inventory import Message, Recipient

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
SIZES = {"": 1, "k": 1024, "m": 1 << 20, "g": 1 << 30}
NUMBER_MAX = 1 << 64


def span(word: str) -> int:
    """Read a span of time such as ``90``, ``30m``, ``12h``, ``3d`` or ``1w``, in seconds."""
    return _measured(word, {**SPANS, "": 1}, "a span of time; write 30m, 12h, 3d or 1w")


def size(word: str) -> int:
    """Read a size such as ``4096``, ``10k`` or ``5m``, in bytes."""
    return _measured(word, SIZES, "a size; write 4096, 10k or 5m")


def _measured(word: str, units: dict[str, int], what: str) -> int:
    """Read digits and a unit."""
    found = re.fullmatch(r"([0-9]{1,12})([a-z]?)", word.lower())
    if found is None or found[2] not in units:
        raise argparse.ArgumentTypeError(f"{word!r} is not {what}")
    return int(found[1]) * units[found[2]]


def number(word: str) -> int:
    """Read the number of a message."""
    if re.fullmatch(r"[1-9][0-9]{0,19}", word) is None or int(word) >= NUMBER_MAX:
        raise argparse.ArgumentTypeError(f"{word!r} is not the number of a message")
    return int(word)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words that choose messages."""
    parser.add_argument("ids", metavar="ID", nargs="*", type=number, help="the number of a message")
    parser.add_argument("--sender", metavar="PATTERN", help="from a sender like this (* and ?; <> for bounces)")
    parser.add_argument("--recipient", metavar="PATTERN", help="to some recipient like this, not yet settled")
    parser.add_argument("--domain", metavar="NAME", help="to some recipient in this domain, not yet settled")
    parser.add_argument("--older", metavar="SPAN", type=span, help="in the queue for longer than 30m, 12h, 3d, ...")
    parser.add_argument("--younger", metavar="SPAN", type=span, help="in the queue for less than that")
    parser.add_argument("--larger", metavar="SIZE", type=size, help="of more than 4096, 10k, 5m, ... bytes")
    parser.add_argument("--smaller", metavar="SIZE", type=size, help="of fewer bytes than that")
    parser.add_argument("--state", choices=STATES, help="in this state")
    parser.add_argument("--local", action="store_true", help="with some local recipient, not yet settled")
    parser.add_argument("--remote", action="store_true", help="with some remote recipient, not yet settled")


def pattern(text: str) -> Callable[[bytes], bool]:
    """Make a test for addresses; letters are the same in either case, and ``?`` is any byte."""
    match = re.compile(translate(os.fsencode(text).decode("latin-1").lower())).match
    return lambda address: match(address.decode("latin-1").lower()) is not None


class Filters:
    """What was chosen on the command line."""

    def __init__(self, options: argparse.Namespace, now: float | None = None) -> None:
        """Take the options that ``arguments`` declares."""
        self.ids: Sequence[int] = list(dict.fromkeys(options.ids))
        self._options = options
        self._now = int(time.time() if now is None else now)
        self._sender = None if options.sender is None else pattern("" if options.sender == "<>" else options.sender)
        self._recipients = self._tests()

    @property
    def is_open(self) -> bool:
        """Was nothing chosen at all, so that every message is meant?"""
        return not self.ids and self._is_without_conditions()

    @property
    def is_only_ids(self) -> bool:
        """Were numbers chosen, and nothing else?"""
        return bool(self.ids) and self._is_without_conditions()

    def _is_without_conditions(self) -> bool:
        """Is there no condition?"""
        options = self._options
        given = (options.sender, options.recipient, options.domain, options.older, options.younger, options.larger,
                 options.smaller, options.state)
        return all(each is None for each in given) and not options.local and not options.remote

    def _tests(self) -> list[Callable[[Recipient], bool]]:
        """Make what a recipient must pass."""
        options = self._options
        tests: list[Callable[[Recipient], bool]] = []
        if options.recipient is not None:
            is_like = pattern(options.recipient)
            tests.append(lambda recipient: is_like(recipient.address))
        if options.domain is not None:
            domain = options.domain.lower().removeprefix("@").encode("utf-8", "surrogateescape")
            tests.append(lambda recipient: (split(recipient.address)[1] or b"").lower() == domain)
        channels = [name for name in ("local", "remote") if getattr(options, name)]
        if channels:
            tests.append(lambda recipient: recipient.channel in channels)
        return tests

    def chosen(self, inventory: Inventory) -> Iterator[Message]:
        """Go through the messages that were chosen."""
        for message in self.candidates(inventory):
            if self.takes(message, inventory):
                yield message

    def candidates(self, inventory: Inventory) -> Iterator[Message]:
        """Go through those messages that are looked at: those with numbers, or all."""
        if not self.ids:
            yield from inventory.messages()
            return
        for each in self.ids:
            message = inventory.message(each)
            if message is not None:
                yield message

    def takes(self, message: Message, inventory: Inventory) -> bool:
        """Is a message one of those?"""
        options, age_for = self._options, self._now - message.born_at
        if not (
            (options.state is None or message.state == options.state)
            and (options.older is None or age_for > options.older)
            and (options.younger is None or age_for < options.younger)
            and (options.larger is None or message.size > options.larger)
            and (options.smaller is None or message.size < options.smaller)
            and (self._sender is None or (message.sender is not None and self._sender(message.sender)))
        ):
            return False
        if not self._recipients:
            return True
        return any(
            not recipient.is_done and all(test(recipient) for test in self._recipients)
            for recipient in inventory.recipients(message)
        )


def inventory(home: str) -> Inventory:
    """Open the queue of a home for looking."""
    from qtwisted.config import conf as build

    try:
        return Inventory(f"{home}/queue", build.load(home).split)
    except FileNotFoundError:
        raise Refused(f"{home} has no queue; is it the home of a mail system?") from None
    except PermissionError:
        raise closed(home) from None


def closed(home: str) -> Refused:
    """What to say where the queue may not be read."""
    return Refused(f"only root, and the users qmails and qmailq, may look into {home}/queue")
