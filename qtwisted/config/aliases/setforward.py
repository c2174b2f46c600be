"""setforward - compile a forwarding table

SYNOPSIS
========

::

    setforward cdb tmp < table

DESCRIPTION
===========

setforward reads a table of instructions and writes it, compiled for fastforward, to tmp, which it then moves to
cdb; both must be on one file system. If anything is wrong cdb stays as it was.

An instruction is a target, a colon, commands with commas between them, and a semicolon. ``#`` begins a comment,
white space and line ends do not count, and a backslash takes the special meaning from the next character::

    boss@example.org: god@heaven.example, ./staff.bin, |archive;
    boss@example.org: ?owner-boss@example.org;

A target is ``user@host``, ``@host`` for every user there, or ``user@`` for this user at every host. A command
is an address, perhaps after an ampersand; an owner after a question mark, who gets the bounces; the name of a list
compiled by setmaillist, beginning with a dot or slash; ``|`` and a shell command; or ``!`` and a shell command
that gets the message with its From_, Return-Path and Delivered-To lines.

EXIT CODES
==========

0 when cdb is written; 100 when the command line or the table is wrong; 111 for other trouble.

SEE ALSO
========

fastforward(1), printforward(1), setmaillist(1), newaliases(1)
"""

from __future__ import annotations

from qtwisted.config import cdb
from qtwisted.config.aliases import instructions, writing
from qtwisted.system.ending import run, usage

NAME = b"setforward"


def setforward(argv: list[bytes]) -> int:
    """Compile the table."""
    if len(argv) != 3:
        raise usage(NAME, b"setforward data.cdb data.tmp")
    data = writing.compile_input(NAME, lambda table: cdb.make(instructions.compiled(table)))
    writing.put(NAME, argv[1], argv[2], data)
    return 0


def main() -> int:
    """Run the program."""
    return run(setforward, __doc__)
