"""qmailctl cdb: compiles each table that is missing or older than its source."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from qtwisted.admin.compiling import ALL, Table, is_wanted, state
from qtwisted.admin.ctl.screen import shown

if TYPE_CHECKING:
    import argparse

    from qtwisted.admin.ctl.screen import Screen


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("--force", action="store_true", help="compile also what is up to date")
    parser.epilog = ("The tables are users/cdb (qmail-newu), control/morercpthosts.cdb (qmail-newmrh) and, where "
                     "fastforward is in use, /etc/aliases.cdb (newaliases).")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Compile; the exit code is 1 if a source has a mistake, after all others have been dealt with."""
    code = 0
    os.umask(0o33)
    for table in ALL:
        screen.flush()
        code |= compile_one(table, options.force, home, screen)
    screen.whole("control/tcprules: is read as it is; nothing is compiled, and /etc/tcp.smtp.cdb is not used")
    return code


def compile_one(table: Table, force: bool, home: str, screen: Screen) -> int:
    """Deal with one table; says how, and returns 1 if that failed."""
    found = state(table, home)
    if not is_wanted(found, force):
        screen.whole(f"{table.target}: {found}")
        return 0
    try:
        count = table.make(home)
    except (OSError, ValueError) as trouble:
        screen.flush()
        sys.stderr.write(f"{shown(str(trouble).encode('utf-8', 'surrogateescape'))}\n")
        return 1
    screen.whole(f"{table.target}: compiled from {table.source}, {count} records; it was {found}")
    return 0
