"""dnsip - print the addresses of a host

Synopsis::

    dnsip HOST

dnsip asks the DNS for the addresses of HOST and prints them, one a line. HOST is looked up exactly as it is
given.

Unlike 1.02: IPv6 addresses are printed, too, after those of IPv4.

Exit codes:

| 0    the answer was printed
| 100  no argument, or ``hard error``: there is no such name
| 111  ``soft error``: there was no answer; or ``out of memory``

Files: HOME/control/resolvers, and /etc/resolv.conf; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qtwisted.admin.naming.asking import run_asking

if TYPE_CHECKING:
    from qtwisted.admin.naming.asking import Names


async def addresses(names: Names, host: bytes) -> list[bytes]:
    """Find what is to be printed."""
    return [address.encode() for address in await names.addresses(host)]


def main() -> int:
    """Run the program."""
    return run_asking(addresses, __doc__)


if __name__ == "__main__":
    sys.exit(main())
