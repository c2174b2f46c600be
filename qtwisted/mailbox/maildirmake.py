"""maildirmake - make a Maildir

SYNOPSIS
========

::

    maildirmake name

DESCRIPTION
===========

maildirmake makes the directory name with tmp, new and cur in it, all of them closed to others. Mail goes there
when a .qmail file says ``name/``.

EXIT CODES
==========

0 when it is made; 100 for a wrong command line; 111 when it cannot be made, for example because it exists.

SEE ALSO
========

maildir2mbox(1), dot-qmail(5), maildir(5)
"""

from __future__ import annotations

import os

from qtwisted.model import oserrors
from qtwisted.system.ending import fatal, run, usage

NAME = b"maildirmake"


def maildirmake(argv: list[bytes]) -> int:
    """Make the four directories."""
    if len(argv) < 2:
        raise usage(NAME, b"maildirmake name")
    os.umask(0o077)
    name = argv[1]
    for path in (name, *(os.path.join(name, part) for part in (b"tmp", b"new", b"cur"))):
        try:
            os.mkdir(path, 0o700)
        except OSError as error:
            text = oserrors.text(error.errno or 0).encode()
            raise fatal(NAME, b"unable to mkdir %s: %s" % (path, text)) from error
    return 0


def main() -> int:
    """Run the program."""
    return run(maildirmake, __doc__)
