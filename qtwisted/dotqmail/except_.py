"""except - go on with a delivery unless a program says otherwise, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |except program [ arg ... ]

DESCRIPTION
===========

except feeds the message to the program. If the program exits 0 the message bounces. If it exits 111 the
delivery is tried again later. Otherwise the message goes on to the next line.

EXIT CODES
==========

100 when the message bounces, and for a wrong command line; 0 when it goes on; 111 when it should be
tried again, also when the program was killed.

SEE ALSO
========

bouncesaying(1), condredirect(1), dot-qmail(5), qmail-command(8)
"""

from __future__ import annotations

from qtwisted.dotqmail import delivery
from qtwisted.system.ending import NEVER, run, usage

NAME = b"except"


def except_(argv: list[bytes]) -> int:
    """Ask the program and turn its answer round."""
    if len(argv) < 2:
        raise usage(NAME, b"except program [ arg ... ]")
    return NEVER if delivery.ask(NAME, argv[1:]) == 0 else delivery.DONE


def main() -> int:
    """Run the program."""
    return run(except_, __doc__)
