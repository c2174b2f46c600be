"""predate - put the date in front of a message

SYNOPSIS
========

::

    predate child [ arg ... ]

DESCRIPTION
===========

predate runs child with a Date field, in the local time zone, and then everything from its own standard input. A
message that would get its date in UTC from qmail-inject gets it in local time this way.

EXIT CODES
==========

The exit code of child; 100 for a wrong command line; 111 when child cannot be run or was killed.

SEE ALSO
========

datemail(1), mailsubj(1), qmail-inject(8)
"""

from __future__ import annotations

import os
import time

from qtwisted.model import date, oserrors
from qtwisted.system import children
from qtwisted.system.ending import fatal, run, usage

NAME = b"predate"


def date_field(now: int) -> bytes:
    """Write the Date field of a moment, in the local time zone."""
    offset = time.localtime(now).tm_gmtoff
    sign, minutes = (b"-", -offset // 60) if offset < 0 else (b"+", offset // 60)
    zone = b"%s%02d%02d" % (sign, minutes // 60, minutes % 60)
    return b"Date: %s\n" % date.rfc822(now + offset, zone)


def predate(argv: list[bytes]) -> int:
    """Run the program on the dated message."""
    if len(argv) < 2:
        raise usage(NAME, b"predate child")
    try:
        return children.feed(argv[1:], date_field(int(time.time())), iter(lambda: os.read(0, 65536), b""))
    except children.Crashed:
        raise fatal(NAME, b"child crashed") from None
    except BrokenPipeError as error:
        raise fatal(NAME, b"unable to copy input: " + oserrors.text(error.errno).encode()) from error
    except OSError as error:
        text = oserrors.text(error.errno or 0).encode()
        raise fatal(NAME, b"unable to run %s: %s" % (argv[1], text)) from error


def main() -> int:
    """Run the program."""
    return run(predate, __doc__)
