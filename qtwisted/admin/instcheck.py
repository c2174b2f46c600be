"""instcheck -- look for what is wrong with an installation

Synopsis::

    instcheck [DIR]

instcheck compares the home DIR (default $QMAILHOME, else /var/qmail) with what a mail system needs, and prints one
line for each thing that is wrong; it prints nothing where all is well, and it never changes anything. ``make check``
runs it.

It looks at owner, group, mode and type of every directory and program; at the build settings in DIR/conf; for
control files that no program knows or that their readers cannot read; at the values in control files, with their
lines; for tables older than the text they were made from; at the ports in control/listen; at certificates and
their keys; and at the interpreter and the packages, which every user who gets mail must be able to read. Run by
anybody but root, it leaves out what it may not look at.

Unlike 1.02: besides owners, groups, modes and types, the contents of the files are looked at. DIR need not be given.

Exit codes:

| 0    it has looked, whether or not anything is wrong
| 100  wrong usage
| 111  there is no such directory

Files: everything in DIR.
"""

from __future__ import annotations

import os
import sys

from qtwisted.admin import checks
from qtwisted.config.conf import home_dir
from qtwisted.model import oserrors
from qtwisted.system import ending


def work(argv: list[bytes]) -> int:
    """Print every finding."""
    if len(argv) > 2 or argv[1:2] == [b""]:
        raise ending.usage(b"instcheck: fatal: instcheck", b"instcheck dir")
    home = os.path.abspath(home_dir(os.environ, os.fsdecode(argv[1]) if argv[1:] else None))
    try:
        os.stat(os.path.join(home, "."))
    except OSError as trouble:
        text = f"unable to switch to {home}: {oserrors.text(trouble.errno)}"
        raise ending.fatal(b"instcheck", os.fsencode(text)) from None
    for finding in checks.findings(home):
        text = "".join(letter if letter.isprintable() else "?" for letter in str(finding))
        ending.say(f"instcheck: warning: {text}".encode("utf-8", "backslashreplace"))
    return 0


def main() -> int:
    """Run the program."""
    return ending.run(work, __doc__)


if __name__ == "__main__":
    sys.exit(main())
