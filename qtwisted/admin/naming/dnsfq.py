"""dnsfq - print the canonical name of a host

Synopsis::

    dnsfq HOST

dnsfq asks the DNS for the addresses of HOST, and then for the name that was given to the first of them, which
it prints. HOST may lack its domain: the domains of /etc/resolv.conf are tried, too. This is how config finds
the full name of this host.

Unlike 1.02: the first address may be one of IPv6 if HOST has no other.

Exit codes:

| 0    the answer was printed
| 100  no argument, or ``hard error``: there is no such name; or ``no IP addresses``
| 111  ``soft error``: there was no answer; or ``out of memory``

Files: HOME/control/resolvers, and /etc/resolv.conf; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qtwisted.admin.naming.asking import run_asking
from qtwisted.system.ending import NEVER, Ending

if TYPE_CHECKING:
    from qtwisted.admin.naming.asking import Names


async def full_name(names: Names, host: bytes) -> list[bytes]:
    """Find what is to be printed."""
    addresses = await names.addresses_of_short(host)
    if not addresses:
        raise Ending(NEVER, b"no IP addresses")
    return [await names.pointer(addresses[0])]


def main() -> int:
    """Run the program."""
    return run_asking(full_name, __doc__)


if __name__ == "__main__":
    sys.exit(main())
