"""qmailctl explain: what would happen to mail for an address, step by step, without sending any."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING

from qtwisted.admin.ctl.screen import BAD, GOOD, NOTE
from qtwisted.admin.explain import running, story
from qtwisted.admin.explain.journey import Journey, Wish
from qtwisted.admin.refusal import Refused
from qtwisted.config import conf as build

if TYPE_CHECKING:
    import argparse

    from qtwisted.admin.ctl.screen import Screen
    from qtwisted.admin.explain.story import Story

_COLOURS = {
    story.DELIVERED: GOOD, story.SENT: GOOD, story.FORWARDED: GOOD, story.REFUSED: BAD, story.BOUNCED: BAD,
}


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("address", metavar="ADDRESS", nargs="+", help="as it stands in RCPT, without < and >")
    parser.add_argument("--client", metavar="IP", help="mail comes by SMTP from this address, not from this host")
    parser.add_argument("--sender", metavar="ADDRESS", help="the envelope sender [default: postmaster of this host]")
    parser.add_argument("--deep", action="store_true", help="explain the addresses it is forwarded to as well")
    parser.add_argument("--no-dns", action="store_true", help="look up no names")
    parser.add_argument("--connect", action="store_true", help="greet the server of remote mail; nothing is sent")
    parser.add_argument("--default-delivery", metavar="TEXT",
                        help="for users without instructions [default: what the running system has, else ./Mailbox]")
    parser.add_argument("--json", action="store_true", help="one JSON value for each address")
    parser.epilog = ("Each step is told in the order in which it is taken, with the file and line that decides. "
                     "Without --client what strangers would be told is told, but does not count. The last line says "
                     "how it ends: refused, delivered, sent, forwarded, discarded, depends (on a program), later, "
                     "bounced or unknown. Control files count as they are now; qmail-send reads some of its own only "
                     "when it is started or gets HUP.")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Explain; the exit code is 1 if any address is refused, bounced, put off or unknown."""
    if not os.path.isdir(f"{home}/control"):
        raise Refused(f"{home} is not the home of a mail system")
    conf = build.load(home)
    ids = build.ids(conf)
    default = options.default_delivery
    wish = Wish(
        client=None if options.client is None else os.fsencode(options.client),
        sender=None if options.sender is None else os.fsencode(options.sender),
        use_dns=not options.no_dns,
        connect=options.connect,
        deep=options.deep,
        default=running.default_delivery(home) if default is None else os.fsencode(default),
    )
    if os.geteuid() != 0 and ids.separated:
        sys.stderr.write("qmailctl: warning: without root's rights not everything can be seen, nor as it will be\n")
    code = 0
    for address in options.address:
        told = Journey(conf, ids, wish).explain(os.fsencode(address))
        if options.json:
            screen.json(told.value())
        else:
            show(told, screen)
        if told.verdict.outcome in (story.REFUSED, story.BOUNCED, story.LATER, story.UNKNOWN):
            code = 1
    return code


def show(told: Story, screen: Screen, indent: str = "") -> None:
    """Print a story and those that follow from it."""
    screen.whole(indent + told.address)
    for step in told.steps:
        place = f"  ({step.place})" if step.place else ""
        print_long(f"{step.stage:<8}{step.text}{place}", screen, indent + "  ", "")
    outcome, text = told.verdict
    print_long(f"{outcome}: {text}", screen, indent + "  ", _COLOURS.get(outcome, NOTE))
    for onward in told.onward:
        show(onward, screen, indent + "    ")


def print_long(line: str, screen: Screen, indent: str, colour: str) -> None:
    """Print a line; on a terminal, what is too wide for it goes on below, further to the right."""
    parts = [indent + line]
    if screen.width is not None:
        parts = textwrap.wrap(line, max(screen.width, 40), initial_indent=indent,
                              subsequent_indent=indent + " " * 8, drop_whitespace=True)
    for part in parts:
        screen.whole(screen.styled(part, colour) if colour else part)
