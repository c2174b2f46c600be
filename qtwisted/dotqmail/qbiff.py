"""qbiff - tell a logged-in user about a new message, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |qbiff

DESCRIPTION
===========

qbiff writes the recipient, the sender, the subject and the beginning of the message to every terminal
where the user is logged in and has said ``biff y``. Whatever could command a terminal is shown as an
underscore or a slash.

EXIT CODES
==========

Always 0.

FILES
=====

/run/utmp

SEE ALSO
========

dot-qmail(5)
"""

from __future__ import annotations

import os
import stat

from qtwisted.dotqmail import delivery
from qtwisted.model.header import HeaderReader, HeaderTooLong, field_name
from qtwisted.system.ending import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

UTMP = "/run/utmp"

#: how much of subject and text is shown
_SHOWN = 78
#: struct utmp of Linux: its size, and where its type, line and user stand (utmp(5))
_RECORD = 384
_TYPE, _LINE, _USER = slice(0, 2), slice(8, 40), slice(44, 76)
_USER_PROCESS = 7

_UNPRINTABLE = bytes(byte for byte in range(256) if not 32 <= byte <= 126)
_TO_UNDERSCORES = bytes.maketrans(_UNPRINTABLE, b"_" * len(_UNPRINTABLE))
_TO_SLASHES = bytes.maketrans(_UNPRINTABLE, b"/" * len(_UNPRINTABLE))


def notice(local: bytes, sender: bytes, message: bytes) -> bytes:
    """Write what is shown; of ``message`` its beginning is enough."""
    reader = HeaderReader()
    try:
        reader.received(message)
        reader.finished()
    except HeaderTooLong:
        reader.body = b""
    subjects = [
        field.partition(b":")[2].lstrip(b" \t")
        for field in reader.fields()
        if field_name(field) == b"subject"
    ]
    text = b"".join([b"    ", *subjects, reader.body])[:_SHOWN].translate(_TO_SLASHES)
    title = (b"*** TO <%s> FROM <%s>" % (local, sender)).translate(_TO_UNDERSCORES)
    return b"\r\n\a%s\r\n%s\r\n" % (title, text)


def terminals(utmp: bytes, user: bytes) -> Iterator[bytes]:
    """Name the terminals on which ``user`` is logged in, according to the contents of the utmp file."""
    for at in range(0, len(utmp) - _RECORD + 1, _RECORD):
        record = utmp[at : at + _RECORD]
        kind, line, name = (record[part] for part in (_TYPE, _LINE, _USER))
        if int.from_bytes(kind, "little") != _USER_PROCESS or name.partition(b"\0")[0] != user[:32]:
            continue
        line = line.partition(b"\0")[0]
        if line and not line.startswith(b"/") and b"." not in line:
            yield line


def show(line: bytes, text: bytes) -> None:
    """Write to a terminal, if its owner is the one we run as and lets messages through."""
    try:
        terminal = os.open(b"/dev/" + line, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        status = os.fstat(terminal)
        wanted = status.st_uid == os.getuid() and status.st_mode & stat.S_IXUSR
        if wanted and stat.S_ISCHR(status.st_mode):
            os.write(terminal, text)
    except OSError:
        pass
    finally:
        os.close(terminal)


def qbiff(argv: list[bytes]) -> int:
    """Show the message wherever its recipient is logged in."""
    given = [os.environb.get(name) for name in (b"USER", b"LOCAL", b"SENDER")]
    user, local, sender = given
    if user is None or local is None or sender is None:
        return delivery.DONE
    try:
        with open(UTMP, "rb") as utmp:
            lines = list(terminals(utmp.read(), user))
        message = os.read(0, 65536) if lines else b""
    except OSError:
        return delivery.DONE
    for line in lines:
        show(line, notice(local, sender, message))
    return delivery.DONE


def main() -> int:
    """Run the program."""
    return run(qbiff, __doc__)
