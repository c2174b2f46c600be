"""dnsmxip - print the addresses that take the mail of a host

Synopsis::

    dnsmxip HOST

dnsmxip asks the DNS for the mail exchangers of HOST and prints their addresses, each with its preference, in
the order in which qmail-remote would try them. Among equals chance decides. Without mail exchangers the
addresses of HOST itself have preference 0. This host may be among them, although qmail-remote would leave it
out.

Unlike 1.02: IPv6 addresses are printed, too, after the IPv4 addresses of the same exchanger.

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


async def exchangers(names: Names, host: bytes) -> list[bytes]:
    """Find what is to be printed."""
    return [b"%s %d" % (target.address.encode(), target.preference) for target in await names.exchangers(host)]


def main() -> int:
    """Run the program."""
    return run_asking(exchangers, __doc__)


if __name__ == "__main__":
    sys.exit(main())
