"""printmaillist - print a compiled mailing list

SYNOPSIS
========

::

    printmaillist < bin

DESCRIPTION
===========

printmaillist prints a list compiled by setmaillist or newinclude, in the language of setmaillist.

EXIT CODES
==========

0 when all is printed; 100 when the input is no such list; 111 for other trouble.

SEE ALSO
========

setmaillist(1), newinclude(1), fastforward(1)
"""

from __future__ import annotations

from qtwisted.config.aliases import lists, writing
from qtwisted.system.ending import run

NAME = b"printmaillist"


def printmaillist(argv: list[bytes]) -> int:
    """Print the list."""
    return writing.print_lines(NAME, lists.shown(writing.read_input(NAME)))


def main() -> int:
    """Run the program."""
    return run(printmaillist, __doc__)
