"""qail - read the mail of a Maildir with Mail

SYNOPSIS
========

::

    qail [ arg ... ]

DESCRIPTION
===========

qail moves the mail of $MAILDIR to the mbox file $MAIL with maildir2mbox, and then runs Mail.

EXIT CODES
==========

Those of Mail; 111 when the mail cannot be moved or Mail cannot be run.

SEE ALSO
========

maildir2mbox(1)
"""

from __future__ import annotations

from qtwisted.mailbox.reader import read_with


def main() -> int:
    """Run the program."""
    return read_with(__doc__, b"qail", b"Mail")
