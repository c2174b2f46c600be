"""bouncesaying - bounce a message, perhaps only if a program says so, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |bouncesaying error [ program [ arg ... ] ]

DESCRIPTION
===========

bouncesaying feeds the message to the program. If the program exits 0, or none is given, the message
bounces with the text error. If it exits 111 the delivery is tried again later. Otherwise the message
goes on to the next line.

EXIT CODES
==========

100 when the message bounces, and for a wrong command line; 0 when it goes on; 111 when it should be
tried again, also when the program was killed.

SEE ALSO
========

except(1), condredirect(1), dot-qmail(5), qmail-command(8)
"""

from __future__ import annotations

from qtwisted.dotqmail import delivery
from qtwisted.system.ending import NEVER, Ending, run, usage

NAME = b"bouncesaying"


def bouncesaying(argv: list[bytes]) -> int:
    """Bounce the message unless a program is given that does not agree."""
    if len(argv) < 2:
        raise usage(NAME, b"bouncesaying error [ program [ arg ... ] ]")
    if argv[2:] and delivery.ask(NAME, argv[2:]) != 0:
        return delivery.DONE
    raise Ending(NEVER, argv[1])


def main() -> int:
    """Run the program."""
    return run(bouncesaying, __doc__)
