"""preline - give a program the message with its UUCP and delivery lines in front, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |preline [ -frdFRD ] cmd [ arg ... ]

DESCRIPTION
===========

preline runs cmd with a From_ line, a Return-Path line and a Delivered-To line on its standard input,
and then the message. This is what many delivery programs, procmail among them, expect.

-f, -r, -d
    Leave out the From_ line, the Return-Path line, the Delivered-To line.
-F, -R, -D
    Do not leave it out (the default).

EXIT CODES
==========

The exit code of cmd. 100 for a wrong command line, when $UFLINE, $RPLINE or $DTLINE is not set, or when
cmd cannot be run; 111 when that may pass, when cmd was killed, or when it stopped reading before the
end of the message.

SEE ALSO
========

dot-qmail(5), qmail-command(8)
"""

from __future__ import annotations

import os

from qtwisted.dotqmail import delivery
from qtwisted.model import oserrors
from qtwisted.model.options import OptionError, getopt
from qtwisted.system import children
from qtwisted.system.ending import LATER, NEVER, fatal, run, say, usage

NAME = b"preline"

#: the lines in the order they are written, each with the letter that leaves it out
_LINES = ((b"f", b"UFLINE"), (b"r", b"RPLINE"), (b"d", b"DTLINE"))
_SYNOPSIS = b"preline cmd [ arg ... ]"


def preline(argv: list[bytes]) -> int:
    """Run the program on the longer message."""
    try:
        options, command = getopt(argv, b"frdFRD")
    except OptionError as error:
        say(error.text.rstrip(b"\n"))
        raise usage(NAME, _SYNOPSIS) from error
    left_out = {letter.lower(): letter.islower() for letter, _ in options}
    lines = {letter: os.environb.get(name) for letter, name in _LINES}
    if not command or None in lines.values():
        raise usage(NAME, _SYNOPSIS)
    head = b"".join(line for letter, line in lines.items() if line is not None and not left_out.get(letter))
    try:
        return children.feed(command, head, delivery.pieces(NAME))
    except children.Crashed:
        raise fatal(NAME, b"child crashed") from None
    except BrokenPipeError as error:
        raise fatal(NAME, b"unable to copy input: " + delivery.why(error)) from error
    except OSError as error:
        code = LATER if oserrors.is_temporary(error.errno or 0) else NEVER
        text = b"unable to run %s: %s" % (command[0], delivery.why(error))
        raise fatal(NAME, text, code) from error


def main() -> int:
    """Run the program."""
    return run(preline, __doc__)
