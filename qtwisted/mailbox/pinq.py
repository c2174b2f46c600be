"""pinq - read the mail of a Maildir with pine

SYNOPSIS
========

::

    pinq [ arg ... ]

DESCRIPTION
===========

pinq moves the mail of $MAILDIR to the mbox file $MAIL with maildir2mbox, and then runs pine.

EXIT CODES
==========

Those of pine; 111 when the mail cannot be moved or pine cannot be run.

SEE ALSO
========

maildir2mbox(1)
"""

from __future__ import annotations

from qtwisted.mailbox.reader import read_with


def main() -> int:
    """Run the program."""
    return read_with(__doc__, b"pinq", b"pine")
