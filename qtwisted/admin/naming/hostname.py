"""hostname - print the name of this host

Synopsis::

    hostname [ ARGUMENT... ]

hostname prints the name that was given to this host. It need not be a full name; dnsfq finds that.

This program has the name of one that most systems have. HOME/bin comes first where deliveries look for programs, so
a line of a .qmail file may meet this one: with arguments it runs the hostname of the system with them, in /usr/bin or
/bin.

Unlike 1.02: it is installed, and arguments are passed on and not ignored.

Exit codes: 0 done; 100 if there are arguments, and no hostname of the system; else what that one says.
"""

from __future__ import annotations

import os
import sys

from qtwisted.admin.naming.own import host_name
from qtwisted.system.ending import NEVER, Ending, run_printing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.system.ending import Printing

PLACES = ("/usr/bin/hostname", "/bin/hostname")


def hostname(argv: list[bytes]) -> Printing:
    """Print the name, or become the hostname of the system."""
    if len(argv) > 1:
        pass_on(argv)
    yield host_name() + b"\n"
    return 0


def pass_on(argv: list[bytes]) -> None:
    """Become the hostname of the system, unless that is this program again."""
    for place in PLACES:
        try:
            if not os.path.samefile(place, argv[0]):
                os.execv(place, [b"hostname", *argv[1:]])
        except OSError:
            continue
    raise Ending(NEVER, b"hostname: fatal: there is no hostname of the system for these arguments")


def main() -> int:
    """Run the program."""
    return run_printing(hostname, __doc__)


if __name__ == "__main__":
    sys.exit(main())
