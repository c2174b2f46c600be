"""elq - read the mail of a Maildir with elm

SYNOPSIS
========

::

    elq [ arg ... ]

DESCRIPTION
===========

elq moves the mail of $MAILDIR to the mbox file $MAIL with maildir2mbox, and then runs elm.

EXIT CODES
==========

Those of elm; 111 when the mail cannot be moved or elm cannot be run.

SEE ALSO
========

maildir2mbox(1)
"""

from __future__ import annotations

from qtwisted.mailbox.reader import read_with


def main() -> int:
    """Run the program."""
    return read_with(__doc__, b"elq", b"elm")
