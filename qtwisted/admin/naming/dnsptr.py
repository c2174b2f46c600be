"""dnsptr - print the name of an address

Synopsis::

    dnsptr ADDRESS

dnsptr asks the DNS for the name that was given to an IP address (its PTR record) and prints it. Whoever runs
the network of the address chose that name, and it may be anybody's.

Unlike 1.02: ADDRESS may be one of IPv6. What is no address is a hard error, and not looked up as something else.

Exit codes:

| 0    the answer was printed
| 100  no argument, or ``hard error``: there is no such name
| 111  ``soft error``: there was no answer; or ``out of memory``

Files: HOME/control/resolvers, and /etc/resolv.conf; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING

from qtwisted.admin.naming.asking import run_asking
from qtwisted.trust.dns import NoSuchName

if TYPE_CHECKING:
    from qtwisted.admin.naming.asking import Names


async def pointer(names: Names, address: bytes) -> list[bytes]:
    """Find what is to be printed."""
    try:
        text = str(ipaddress.ip_address(address.decode("ascii")))
    except ValueError:
        raise NoSuchName(address) from None
    return [await names.pointer(text)]


def main() -> int:
    """Run the program."""
    return run_asking(pointer, __doc__)


if __name__ == "__main__":
    sys.exit(main())
