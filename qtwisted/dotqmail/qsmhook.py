"""qsmhook - call a delivery program that was written for sendmail, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |qsmhook [ -DFlMmnPs ] [ -x prefix ] cmd [ arg ... ]

DESCRIPTION
===========

qsmhook runs cmd with a From_ line and the message on its standard input. In every arg ``%g`` stands for
the envelope sender, ``%h`` for the host, ``%u`` for the local part of the recipient and ``%%`` for a
percent sign; any other sequence stands for nothing.

-n  Leave out the From_ line.
-P  Write a Return-Path line.
-l  Write a Delivered-To line.
-x prefix
    Remove prefix from the local part, if it begins so.
-D, -F, -M, -m, -s
    Ignored.

EXIT CODES
==========

The exit code of cmd. 100 for a wrong command line, a missing variable of the delivery, or an unknown
cmd; 111 for temporary trouble, and when cmd was killed.

SEE ALSO
========

preline(1), dot-qmail(5), qmail-command(8)
"""

from __future__ import annotations

import errno
import os

from qtwisted.dotqmail import delivery
from qtwisted.model.options import OptionError, getopt
from qtwisted.system import children
from qtwisted.system.ending import NEVER, Ending, fatal, run

NAME = b"qsmhook"

_NEEDED = (b"DTLINE", b"RPLINE", b"UFLINE", b"LOCAL", b"HOST", b"SENDER")


def expand(word: bytes, values: dict[bytes, bytes]) -> bytes:
    """Replace each percent sequence in one argument; ``values`` maps the letter to what it stands for."""
    written, at = [], 0
    while (percent := word.find(b"%", at)) >= 0:
        written += [word[at:percent], values.get(word[percent + 1 : percent + 2], b"")]
        at = percent + 2
    return b"".join([*written, word[at:]])


def qsmhook(argv: list[bytes]) -> int:
    """Run the program with its arguments filled in."""
    try:
        options, command = getopt(argv, b"DFlMmnPsx:")
    except OptionError as error:
        raise Ending(NEVER, error.text.rstrip(b"\n")) from error
    given = {name: os.environb.get(name, b"") for name in _NEEDED}
    if not command or not all(name in os.environb for name in _NEEDED):
        raise fatal(NAME, b"incorrect usage", NEVER)
    letters = {letter for letter, _ in options}
    local = given[b"LOCAL"]
    for letter, prefix in options:
        if letter == b"x" and local.lower().startswith(prefix.lower()):
            local = local[len(prefix) :]
    values = {b"%": b"%", b"g": given[b"SENDER"], b"h": given[b"HOST"], b"u": local}
    head = b"" if b"n" in letters else given[b"UFLINE"]
    head += given[b"RPLINE"] if b"P" in letters else b""
    head += given[b"DTLINE"] if b"l" in letters else b""
    return _call([command[0], *(expand(word, values) for word in command[1:])], head)


def _call(command: list[bytes], head: bytes) -> int:
    """Run the program and turn trouble into qsmhook's own words."""
    try:
        return children.feed(command, head, delivery.pieces(NAME))
    except Ending:
        raise fatal(NAME, b"unable to read message") from None
    except FileNotFoundError:
        raise fatal(NAME, b"command not found", NEVER) from None
    except OSError as error:
        if error.errno in (errno.EACCES, errno.ENOEXEC, errno.ENOTDIR):
            raise fatal(NAME, b"command not found", NEVER) from error
        raise fatal(NAME, b"temporary problem") from error
    except children.Crashed:
        raise fatal(NAME, b"temporary problem") from None


def main() -> int:
    """Run the program."""
    return run(qsmhook, __doc__)
