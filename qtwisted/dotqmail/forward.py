"""forward - send a message on to other addresses, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |forward address ...

DESCRIPTION
===========

forward sends the message on to each address, taken literally. The new envelope sender is $NEWSENDER, so
that bounces of a mailing list go to its owner. $DTLINE is put in front of the message, which stops a
loop.

EXIT CODES
==========

0 when the message is in the queue, with ``forward: qp`` and its number on standard error; 100 when the
queue refuses it for good, or $NEWSENDER or $DTLINE is not set; 111 when it should be tried again.

SEE ALSO
========

dot-qmail(5), condredirect(1), qmail-command(8)
"""

from __future__ import annotations

from qtwisted.dotqmail import delivery
from qtwisted.system.ending import run

NAME = b"forward"


def forward(argv: list[bytes]) -> int:
    """Send the message on to every address of the command line."""
    delivery.redirect(NAME, delivery.needed(b"NEWSENDER", NAME), argv[1:])
    return delivery.DONE


def main() -> int:
    """Run the program."""
    return run(forward, __doc__)
