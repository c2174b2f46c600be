"""qmail-tcpto - print out the TCP timeout table

Synopsis::

    qmail-tcpto

qmail-tcpto prints the addresses where connections of qmail-remote timed out lately::

    192.0.2.7 timed out 423 seconds ago; # recent timeouts: 2

An address with two or more recent timeouts is not tried again for about an hour. The table holds IPv4 addresses;
those of IPv6 are remembered by the running qmail-rspawn alone. Only root, or the user qmailr in the group qmail, may
read it.

Unlike 1.02: a time in the future was 0 seconds ago, and not more than 18 quintillion.

Exit codes: 0 when the table was printed, 111 if it could not be read, which is said on standard output.

Files: HOME/queue/lock/tcpto; HOME is $QMAILHOME or /var/qmail.

See also: qmail-tcpok(8), qmail-rspawn(8)
"""

from __future__ import annotations

import os
import sys
import time

from qtwisted.config.conf import home_dir
from qtwisted.deliver.host.table import OWN_FILE, SIZE, TABLE_SIZE, past
from qtwisted.model import oserrors
from qtwisted.system import lock
from qtwisted.system.ending import LATER, run_printing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.system.ending import Printing


def shown(table: bytes, now: int) -> Iterator[bytes]:
    """Give a line for each address of a table that timed out lately."""
    for at in range(0, len(table) - SIZE + 1, SIZE):
        found = past(table, at)
        if found.timeouts:
            address = b".".join(b"%d" % byte for byte in table[at : at + 4])
            ago = max(now - found.last_at, 0)
            yield b"%s timed out %d seconds ago; # recent timeouts: %d\n" % (address, ago, found.timeouts)


def tcpto(home: str) -> Printing:
    """Print the table of a home; as in 1.02 whoever wants to see it must have the right to write to it, too."""
    step = "chdir"
    try:
        os.chdir(f"{home}/queue/lock")
        step = "open tcpto"
        with open(os.open("tcpto", os.O_RDWR | OWN_FILE), "r+b", buffering=0) as file:
            step = "lock tcpto"
            lock.wait_exclusive(file.fileno())
            step = "read tcpto"
            table = file.read(TABLE_SIZE)
    except OSError as trouble:
        yield f"fatal: unable to {step}: {oserrors.text(trouble.errno)}\n".encode()
        return LATER
    yield from shown(table, int(time.time()))
    return 0


def main() -> int:
    """Run the program."""
    return run_printing(lambda argv: tcpto(home_dir(os.environ)), __doc__)


if __name__ == "__main__":
    sys.exit(main())
