"""condredirect - send a message on if a program says so, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |condredirect newaddress program [ arg ... ]

DESCRIPTION
===========

condredirect feeds the message to the program. If the program exits 0 the message is sent on to
newaddress, with its envelope sender unchanged and $DTLINE in front, and the lines after this one are
skipped. If it exits 111 the delivery is tried again later. Otherwise the message goes on to the next
line.

EXIT CODES
==========

99 when the message was sent on; 0 when it was not; 100 for a wrong command line, a missing $SENDER or
$DTLINE, or when the queue refuses the message for good; 111 when it should be tried again, also when
the program was killed.

SEE ALSO
========

forward(1), bouncesaying(1), except(1), dot-qmail(5), qmail-command(8)
"""

from __future__ import annotations

from qtwisted.dotqmail import delivery
from qtwisted.system.ending import run, usage

NAME = b"condredirect"


def condredirect(argv: list[bytes]) -> int:
    """Ask the program, and send the message on if it agrees."""
    if len(argv) < 3:
        raise usage(NAME, b"condredirect newaddress program [ arg ... ]")
    if delivery.ask(NAME, argv[2:]) != 0:
        return delivery.DONE
    delivery.rewind()
    delivery.redirect(NAME, delivery.needed(b"SENDER", NAME), argv[1:2])
    return delivery.SKIP_THE_REST


def main() -> int:
    """Run the program."""
    return run(condredirect, __doc__)
