"""config-fast - set up the control files for a host whose full name is known

Synopsis::

    config-fast HOST

config-fast writes HOST into control/me, its domain into control/defaultdomain, and the last two parts of it into
control/plusdomain, and adds HOST to control/locals and control/rcpthosts. So qmail takes mail for HOST, and for no
other host. It prints what it does, and asks nothing of anybody, the DNS included.

HOST is the full name of this host, such as mail.example.org. What stood in the first three files is lost. Run it
twice, and HOST stands in the other two twice, which does no harm. To make a new home with its queue use qmail-config.

Unlike 1.02: a name that no host can have is refused.

Exit codes: 0 done; 100 without a HOST, or with one that is no name; 111 if a file cannot be written.

Files: HOME/control/me, HOME/control/defaultdomain, HOME/control/plusdomain, HOME/control/locals,
HOME/control/rcpthosts; HOME is $QMAILHOME or /var/qmail.

See also: config(8), qmail-config(8), qmail-showctl(8)
"""

from __future__ import annotations

import os
import sys

from qtwisted.admin.naming.controls import CHANGE_BOTH, NOW_REFUSES, ControlFiles, can_be_host, named_after, say
from qtwisted.config.conf import home_dir
from qtwisted.system.ending import NEVER, fatal, run, usage

NAME = "config-fast"


def config_fast(argv: list[bytes]) -> int:
    """Write the files."""
    if len(argv) != 2:
        raise usage(NAME.encode(), b"config-fast HOST")
    host = os.fsdecode(argv[1])
    if not can_be_host(host):
        raise fatal(NAME.encode(), repr(host).encode() + b" is no host name", NEVER)
    files = ControlFiles(home_dir(os.environ), NAME)
    say(f"Your fully qualified host name is {host}.")
    for name, value in named_after(host):
        say(f"Putting {value} into control/{name}...")
        files.put(name, value + "\n")
    for name in ("locals", "rcpthosts"):
        say(f"Putting {host} into control/{name}...")
        files.append(name, host)
    say(NOW_REFUSES.format(host))
    say(CHANGE_BOTH)
    return 0


def main() -> int:
    """Run the program."""
    return run(config_fast, __doc__)


if __name__ == "__main__":
    sys.exit(main())
