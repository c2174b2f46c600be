"""mailsubj - send mail with a subject line

SYNOPSIS
========

::

    mailsubj subject recip ...

DESCRIPTION
===========

mailsubj sends its standard input with the subject to every recipient, who all appear in the To field.

EXIT CODES
==========

Those of qmail-inject.

SEE ALSO
========

qmail-inject(8), datemail(1)
"""

from __future__ import annotations

import os

from qtwisted.config.conf import home_dir
from qtwisted.model import oserrors
from qtwisted.system import children
from qtwisted.system.ending import fatal, run, usage

NAME = b"mailsubj"


def mailsubj(argv: list[bytes]) -> int:
    """Run qmail-inject on the message with its two fields."""
    if len(argv) < 2:
        raise usage(NAME, b"mailsubj subject recip ...")
    subject = argv[1].replace(b"\n", b" ")
    head = b"Subject: %s\nTo: %s\n\n" % (subject, b" ".join(argv[2:]))
    inject = os.fsencode(home_dir(os.environ)) + b"/bin/qmail-inject"
    try:
        return children.feed([inject], head, iter(lambda: os.read(0, 65536), b""))
    except children.Crashed:
        raise fatal(NAME, b"qmail-inject crashed") from None
    except OSError as error:
        text = oserrors.text(error.errno or 0).encode()
        raise fatal(NAME, b"unable to run qmail-inject: " + text) from error


def main() -> int:
    """Run the program."""
    return run(mailsubj, __doc__)
