"""qmailctl adopt: looks at the home of another qmail, says what differs, and starts ours on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.admin.adopt import DIFFERS, FINE, MUST, Finding, Place, look, start
from qtwisted.admin.ctl.screen import BAD, GOOD, NOTE
from qtwisted.admin.refusal import Refused

if TYPE_CHECKING:
    import argparse

    from qtwisted.admin.ctl.screen import Screen

_COLOURS = {FINE: GOOD, DIFFERS: NOTE, MUST: BAD}


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("--start", action="store_true",
                        help="start ours on it; only HOME/conf and HOME/run are made, nothing is converted")
    parser.epilog = ("It looks at an installation of qmail 1.02, 1.03, netqmail or notqmail, says for each part "
                     "whether ours takes it as it is (ok), does something else (differs), or cannot start before it "
                     "is put right (must), and what to do. Nothing is changed without --start.")
    parser.add_argument("--json", action="store_true", help="one JSON value for each thing that was found")
    parser.add_argument("words", metavar="WORD", nargs="*", help="for --start, after --: options of twistd qmail")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Look, and start if that is asked for; the exit code is 1 if something must be put right first."""
    place = Place(home)
    found = list(look(place))
    for each in found:
        if options.json:
            screen.json(each._asdict())
        else:
            show(each, screen)
    obstacles = [each for each in found if each.mark == MUST]
    if options.start:
        begin(place, obstacles, options.words, screen)
    elif not options.json:
        advise(home, obstacles, screen)
    return 1 if obstacles else 0


def show(found: Finding, screen: Screen) -> None:
    """Print one thing that was found, and what to do."""
    mark = screen.styled(f"{found.mark:<8}", _COLOURS[found.mark])
    screen.whole(f"{mark}{found.subject}: {found.text}")
    for command in found.commands:
        screen.whole(f"          {command}")


def advise(home: str, obstacles: list[Finding], screen: Screen) -> None:
    """Say what is next."""
    screen.whole("")
    if obstacles:
        screen.whole(f"{things(obstacles)} must be put right first; then look again.")
        return
    screen.whole("Nothing is in the way. Next, as root:")
    screen.whole(f"          qmailctl --home {home} adopt --start")
    back(home, screen)


def things(obstacles: list[Finding]) -> str:
    """How many things there are."""
    return "one thing" if len(obstacles) == 1 else f"{len(obstacles)} things"


def back(home: str, screen: Screen) -> None:
    """Say how to go back."""
    screen.whole("To go back, at any time:")
    screen.whole(f"          qmailctl --home {home} stop")
    screen.whole("          start the old qmail as before; it does not look at what we have made, which may go:")
    screen.whole(f"          rm -rf {home}/conf {home}/run")


def begin(place: Place, obstacles: list[Finding], words: list[str], screen: Screen) -> None:
    """Start ours; raises Refused."""
    if obstacles:
        raise Refused(f"not started: {things(obstacles)} must be put right first")
    if os.geteuid() not in (0, os.stat(f"{place.home}/queue").st_uid):
        raise Refused("only root can start it")
    for path in start.write_settings(place):
        screen.whole(f"Wrote {path}.")
    screen.whole(f"The mail system runs, process {start.start(place, words)}.")
    back(place.home, screen)
