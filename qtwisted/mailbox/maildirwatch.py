"""maildirwatch - look for new mail in a Maildir

SYNOPSIS
========

::

    maildirwatch

DESCRIPTION
===========

maildirwatch shows the new mail in $MAILDIR on a terminal that understands VT100 sequences: who it is from and to,
the From field, the subject and the beginning of the text. It looks again every 30 seconds and never ends by itself.

EXIT CODES
==========

111 when $MAILDIR is not set or cannot be read.

SEE ALSO
========

maildirmake(1), maildir2mbox(1), maildir(5)
"""

from __future__ import annotations

import os
import time

from qtwisted.mailbox import contents
from qtwisted.model import oserrors
from qtwisted.model.header import HeaderReader, HeaderTooLong, field_name
from qtwisted.system.ending import fatal, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.mailbox.contents import Message

NAME = b"maildirwatch"

#: seconds between two looks
PAUSE_FOR = 30

_CLEAR = b"\033[;H\033[;J"
_BOLD, _PLAIN = b"\033[1m", b"\033[0m"
#: how much of subject and text is shown, two lines of a terminal less their ends
_SHOWN = 158
_UNPRINTABLE = bytes(byte for byte in range(256) if not 32 <= byte <= 126)
_TO_QUESTIONS = bytes.maketrans(_UNPRINTABLE, b"?" * len(_UNPRINTABLE))
_TO_SLASHES = bytes.maketrans(_UNPRINTABLE, b"/" * len(_UNPRINTABLE))


def value(field: bytes) -> bytes:
    """Give what follows the name of a field."""
    return field.partition(b":")[2].strip(b" \t\n")


def describe(beginning: bytes) -> bytes:
    """Write what is shown of a message, given its beginning."""
    reader = HeaderReader()
    try:
        reader.received(beginning)
        reader.finished()
    except HeaderTooLong:
        reader.body = b""
    sender, recipient, author, subjects = b"?", b"?", b"", b""
    for field in reader.fields():
        name = field_name(field)
        if name == b"return-path":
            sender = value(field).translate(_TO_QUESTIONS)
        elif name == b"delivered-to":
            recipient = value(field).translate(_TO_QUESTIONS)
        elif name == b"from":
            author = value(field).translate(_TO_QUESTIONS)
        elif name == b"subject":
            subjects += field.partition(b":")[2]
    text = (subjects + reader.body)[:_SHOWN].translate(_TO_SLASHES)
    shown_author = _BOLD + author + _PLAIN + b"\n" if author else b""
    return b"FROM %s TO <%s>\n%s%s\n\n" % (sender, recipient, shown_author, text)


def screen(messages: list[Message]) -> bytes:
    """Write the whole screen; a message that has gone meanwhile is passed over."""
    shown = [_CLEAR]
    for message in messages:
        try:
            fd = contents.open_message(b".", message.path)
        except OSError:
            continue
        try:
            shown.append(describe(os.read(fd, 65536)))
        finally:
            os.close(fd)
    return b"".join(shown)


def look() -> bytes:
    """Clean the Maildir we are in and show its new mail."""
    now = time.time()
    contents.clean(b".", now)
    try:
        return screen(contents.in_order(contents.scan(b".", b"new", now)))
    except OSError as error:
        raise fatal(NAME, b"unable to scan $MAILDIR/new: " + oserrors.text(error.errno or 0).encode()) from error


def maildirwatch(argv: list[bytes]) -> int:
    """Look again and again."""
    maildir = os.environb.get(b"MAILDIR")
    if maildir is None:
        raise fatal(NAME, b"MAILDIR not set")
    try:
        os.chdir(maildir)
    except OSError as error:
        text = oserrors.text(error.errno or 0).encode()
        raise fatal(NAME, b"unable to chdir to %s: %s" % (maildir, text)) from error
    while True:
        os.write(1, look())
        time.sleep(PAUSE_FOR)


def main() -> int:
    """Run the program."""
    return run(maildirwatch, __doc__)
