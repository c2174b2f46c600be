"""dnscname - print the name that a name is an alias of

Synopsis::

    dnscname NAME

dnscname asks the DNS whether NAME is an alias (a CNAME record), and of what, and so on, and prints the name at
the end. It is NAME itself if that is no alias, or does not exist. More than ten aliases in turn are a hard
error.

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


async def canonical(names: Names, name: bytes) -> list[bytes]:
    """Find what is to be printed."""
    return [await names.canonical(name)]


def main() -> int:
    """Run the program."""
    return run_asking(canonical, __doc__)


if __name__ == "__main__":
    sys.exit(main())
