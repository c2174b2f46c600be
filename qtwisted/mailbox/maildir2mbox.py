"""maildir2mbox - move mail from a Maildir to an mbox file

SYNOPSIS
========

::

    maildir2mbox

DESCRIPTION
===========

maildir2mbox moves every message of $MAILDIR, in the order of their arrival, to the end of the mbox file $MAIL. It
writes the new mbox as $MAILTMP, which must be on the same file system, and puts it in place of the old one. Mail
programs that read mbox files do not notice that the mail came by way of a Maildir.

The mbox is locked meanwhile. Nothing is removed from the Maildir before the new mbox is durable and in place.

EXIT CODES
==========

0 when all is moved, also when there was nothing; 111 when something is wrong, in which case the mbox is as it was.

Unlike 1.02: a last line that lacks its newline is moved like any other and gets one; 1.02 loses it.

SEE ALSO
========

maildirmake(1), qail(1), elq(1), pinq(1), maildir(5), mbox(5)
"""

from __future__ import annotations

import os
import time

from qtwisted.mailbox import contents
from qtwisted.mailbox.mbox import quoted
from qtwisted.model import date, oserrors
from qtwisted.system.disk import Disk
from qtwisted.system.ending import fatal, run, say
from qtwisted.system.lock import wait_exclusive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.mailbox.contents import Message

NAME = b"maildir2mbox"

_PIECE = 65536
#: the longest first line in which a Return-Path is looked for
_FIRST_LINE_MAX = 4096


def why(error: OSError) -> bytes:
    """Say what the system said, in qmail's words."""
    return oserrors.text(error.errno or 0).encode()


def given(name: bytes) -> bytes:
    """Give the value of a variable that is needed."""
    value = os.environb.get(name)
    if value is None:
        raise fatal(NAME, name + b" not set")
    return value


def sender_of(beginning: bytes) -> bytes:
    """Find the sender for the From_ line in the first line of a message."""
    line, newline, _ = beginning.partition(b"\n")
    if not line.startswith(b"Return-Path: <") or not newline:
        return b"XXX"
    address = line[len(b"Return-Path: <") : -1]
    return address.replace(b" ", b"-").replace(b"\t", b"-") or b"MAILER-DAEMON"


def pieces(fd: int) -> Iterator[bytes]:
    """Read a file from where it stands."""
    while piece := os.read(fd, _PIECE):
        yield piece


def append(disk: Disk, to: int, message: Message) -> None:
    """Write one message in mbox form; we are in the Maildir."""
    try:
        fd = contents.open_message(b".", message.path)
    except OSError as error:
        raise fatal(NAME, b"unable to read $MAILDIR/%s: %s" % (message.path, why(error))) from error
    try:
        beginning = os.pread(fd, _FIRST_LINE_MAX, 0)
        heading = b"From %s %s\n" % (sender_of(beginning), date.mbox(int(message.changed_at)))
        disk.write_all(to, heading)
        for piece in quoted(pieces(fd)):
            disk.write_all(to, piece)
    finally:
        os.close(fd)


def messages_in(maildir: bytes) -> list[Message]:
    """Go into the Maildir, clean it, and list its messages in order."""
    try:
        os.chdir(maildir)
    except OSError as error:
        raise fatal(NAME, b"unable to chdir to %s: %s" % (maildir, why(error))) from error
    now = time.time()
    contents.clean(b".", now)
    found = []
    for folder in (b"new", b"cur"):
        try:
            found += contents.scan(b".", folder, now)
        except OSError as error:
            raise fatal(NAME, b"unable to scan $MAILDIR/%s: %s" % (folder, why(error))) from error
    return contents.in_order(found)


def move(disk: Disk, messages: list[Message], mbox: bytes, scratch: bytes) -> None:
    """Put the messages at the end of the mbox and then remove them."""
    try:
        old = disk.open(mbox, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        wait_exclusive(old)
    except OSError as error:
        raise fatal(NAME, b"unable to lock %s: %s" % (mbox, why(error))) from error
    try:
        new = disk.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise fatal(NAME, b"unable to create %s: %s" % (scratch, why(error))) from error
    try:
        for piece in pieces(old):
            disk.write_all(new, piece)
        for message in messages:
            append(disk, new, message)
        disk.fsync(new)
    except OSError as error:
        raise fatal(NAME, b"unable to write to %s: %s" % (scratch, why(error))) from error
    try:
        disk.rename(scratch, mbox)
        disk.fsync_dir(os.path.dirname(mbox) or b".")
    except OSError as error:
        raise fatal(NAME, b"unable to move %s to %s: %s" % (scratch, mbox, why(error))) from error


def maildir2mbox(argv: list[bytes]) -> int:
    """Move the mail."""
    os.umask(0o077)
    mbox, scratch, maildir = (given(name) for name in (b"MAIL", b"MAILTMP", b"MAILDIR"))
    messages = messages_in(maildir)
    if not messages:
        return 0
    disk = Disk()
    move(disk, messages, mbox, scratch)
    for message in messages:
        try:
            disk.unlink(message.path)
        except OSError as error:
            say(b"%s: warning: $MAILDIR/%s will be delivered twice; unable to unlink: %s"
                % (NAME, message.path, why(error)))
    return 0


def main() -> int:
    """Run the program."""
    return run(maildir2mbox, __doc__)
