"""qmailctl check: looks for mistakes in the configuration, and says each with its file and line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.admin.checks import findings
from qtwisted.admin.ctl.screen import BAD, GOOD, shown
from qtwisted.admin.refusal import Refused

if TYPE_CHECKING:
    import argparse

    from qtwisted.admin.checks import Finding
    from qtwisted.admin.ctl.screen import Screen


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("--json", action="store_true", help="one JSON value for each mistake")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Check; the exit code is 1 if there is a mistake."""
    if not os.path.isdir(home):
        raise Refused(f"{home} does not exist")
    count = 0
    for found in findings(home):
        count += 1
        if options.json:
            screen.json(found._asdict())
        else:
            screen.whole(row(found, screen))
    if screen.is_terminal and not count and not options.json:
        screen.whole(screen.styled("no mistake was found", GOOD))
    return 1 if count else 0


def row(found: Finding, screen: Screen) -> str:
    """One mistake, as compilers say them, so that editors find the place: ``file:line: text``."""
    line = "" if found.line is None else f":{found.line}"
    place, text = (shown(part.encode("utf-8", "surrogateescape")) for part in (found.path, found.text))
    return f"{place}{screen.styled(line, BAD)}: {text}"
