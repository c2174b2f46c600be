"""printforward - print a compiled forwarding table

SYNOPSIS
========

::

    printforward < cdb

DESCRIPTION
===========

printforward prints the instructions in a table compiled by setforward or newaliases, in the language of setforward.

EXIT CODES
==========

0 when all is printed; 100 when the input is no such table; 111 for other trouble.

SEE ALSO
========

setforward(1), newaliases(1), fastforward(1)
"""

from __future__ import annotations

from qtwisted.config import cdb
from qtwisted.config.aliases import instructions, writing
from qtwisted.system.ending import NEVER, fatal, run

NAME = b"printforward"


def printforward(argv: list[bytes]) -> int:
    """Print the table.

    Unlike 1.02: complaints begin with our name; printforward 0.51 called itself printmaillist there.
    """
    try:
        return writing.print_lines(NAME, instructions.shown(cdb.records(writing.read_input(NAME))))
    except cdb.CdbError as error:
        raise fatal(NAME, b"bad database format", NEVER) from error


def main() -> int:
    """Run the program."""
    return run(printforward, __doc__)
