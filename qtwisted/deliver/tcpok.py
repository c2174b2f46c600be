"""qmail-tcpok - clear the TCP timeout table

Synopsis::

    qmail-tcpok

qmail-tcpok forgets all addresses where connections of qmail-remote timed out, so that they are tried again at once.
That helps when the network was down and is up again. It prints nothing. Only root, or the user qmailr in the group
qmail, may do it.

Unlike 1.02: the running qmail-rspawn forgets the IPv6 addresses that it remembers, too, unless an IPv4 address times
out before it looks.

Exit codes: 0 done, 111 if the table could not be cleared, which is said on standard error.

Files: HOME/queue/lock/tcpto; HOME is $QMAILHOME or /var/qmail.

See also: qmail-tcpto(8), qmail-rspawn(8)
"""

from __future__ import annotations

import os
import sys

from qtwisted.config.conf import home_dir
from qtwisted.deliver.host.table import OWN_FILE, TABLE_SIZE
from qtwisted.model import oserrors
from qtwisted.system import lock
from qtwisted.system.ending import fatal, run


def tcpok(home: str) -> int:
    """Clear the table of a home; what is shorter than a table becomes one."""
    path = f"{home}/queue/lock/tcpto"
    step = f"chdir to {home}"
    try:
        os.chdir(home)
        step = f"chdir to {home}/queue/lock"
        os.chdir("queue/lock")
        step = f"write {path}"
        with open(os.open("tcpto", os.O_WRONLY | OWN_FILE), "wb", buffering=0) as file:
            step = f"lock {path}"
            lock.wait_exclusive(file.fileno())
            step = f"clear {path}"
            file.write(bytes(TABLE_SIZE))
    except OSError as trouble:
        why = f"unable to {step}: {oserrors.text(trouble.errno)}"
        raise fatal(b"qmail-tcpok", os.fsencode(why)) from None
    return 0


def main() -> int:
    """Run the program."""
    return run(lambda argv: tcpok(home_dir(os.environ)), __doc__)


if __name__ == "__main__":
    sys.exit(main())
