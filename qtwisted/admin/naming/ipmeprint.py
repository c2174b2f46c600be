"""ipmeprint - print the addresses of this host

Synopsis::

    ipmeprint

ipmeprint prints the IP addresses of all interfaces that are up, one a line. Mail for one of them, in brackets, is
mail for this host.

Unlike 1.02: IPv6 addresses are printed, too, after those of IPv4, without those that count on one link only.

Exit codes: 0 done; 100 ``hard error``: the system does not say; 111 ``out of memory``.
"""

from __future__ import annotations

import sys

from qtwisted.admin.naming.own import own_addresses
from qtwisted.system.ending import LATER, NEVER, Ending, run_printing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.system.ending import Printing


def ipmeprint() -> Printing:
    """Print the addresses."""
    try:
        for address in own_addresses():
            yield address.encode() + b"\n"
    except OSError:
        raise Ending(NEVER, b"hard error") from None
    except MemoryError:
        raise Ending(LATER, b"out of memory") from None
    return 0


def main() -> int:
    """Run the program."""
    return run_printing(lambda argv: ipmeprint(), __doc__)


if __name__ == "__main__":
    sys.exit(main())
