"""datemail - send mail, dated in the local time zone

SYNOPSIS
========

::

    datemail [ sendmail argument ... ]

DESCRIPTION
===========

datemail hands its standard input to sendmail, with all its arguments, and with a Date field in the local time zone
in front.

EXIT CODES
==========

Those of sendmail.

SEE ALSO
========

predate(1), sendmail(8)
"""

from __future__ import annotations

import os
import sys

from qtwisted.accept.submit.predate import predate
from qtwisted.config.conf import home_dir
from qtwisted.system.ending import run


def datemail(argv: list[bytes]) -> int:
    """Run the home's sendmail by way of predate; without one there, the one found by $PATH."""
    ours = os.fsencode(home_dir(os.environ)) + b"/bin/sendmail"
    return predate([b"predate", ours if os.access(ours, os.X_OK) else b"sendmail", *argv[1:]])


def main() -> int:
    """Run the program."""
    return run(datemail, __doc__ if len(sys.argv) == 2 else None)
