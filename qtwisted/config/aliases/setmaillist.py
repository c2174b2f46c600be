"""setmaillist - compile a mailing list

SYNOPSIS
========

::

    setmaillist bin tmp < list

DESCRIPTION
===========

setmaillist reads a list, one recipient a line, and writes it, compiled for fastforward, to tmp, which it then moves
to bin; both must be on one file system. A line that begins with a dot or slash names another compiled list; any
other is an address, perhaps after an ampersand. Empty lines and those that begin with ``#`` do not count.

EXIT CODES
==========

0 when bin is written; 100 when the command line is wrong; 111 when the list is, and for other trouble.

SEE ALSO
========

printmaillist(1), setforward(1), fastforward(1)
"""

from __future__ import annotations

from qtwisted.config.aliases import lists, writing
from qtwisted.system.ending import LATER, run, usage

NAME = b"setmaillist"


def setmaillist(argv: list[bytes]) -> int:
    """Compile the list."""
    if len(argv) != 3:
        raise usage(NAME, b"setmaillist list.bin list.tmp")
    writing.put(NAME, argv[1], argv[2], writing.compile_input(NAME, lists.compiled, LATER))
    return 0


def main() -> int:
    """Run the program."""
    return run(setmaillist, __doc__)
