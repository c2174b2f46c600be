"""What both spawners do alike: open the message that an order names (spawn.c docmd, its second half)."""

from __future__ import annotations

import errno
import os
import stat

UNOPENED = b"Zqmail-spawn unable to open message. (#4.3.0)\n"
UNKNOWN = b"Zqmail-spawn unable to fstat message. (#4.3.0)\n"
WRONG_TYPE = b"ZSorry, message has wrong type. (#4.3.5)\n"
WRONG_OWNER = b"ZSorry, message has wrong owner. (#4.3.5)\n"
NO_PIPE = b"Zqmail-spawn unable to create pipe. (#4.3.0)\n"
GIVEN_UP = b"ZThe mail system is ending, and gave this delivery up. (#4.3.2)\n"
NO_FORK = b"Zqmail-spawn unable to fork. (#4.3.0)\n"

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unusable(Exception):
    """The message cannot be delivered; ``report`` is the report text that says why."""

    def __init__(self, report: bytes) -> None:
        """Keep the report."""
        super().__init__(report)
        self.report = report


def open_message(messid: bytes, owner: int) -> int:
    """Open a message for reading, by its name below queue/mess, the current directory; raises Unusable.

    What is not a regular file of uid *owner* is not a message, whatever its name says. Nothing is waited for and no
    link is followed, in case whoever may write there is not to be trusted.
    """
    try:
        fd = os.open(messid, _FLAGS)
    except OSError as trouble:
        raise Unusable(WRONG_TYPE if trouble.errno == errno.ELOOP else UNOPENED) from trouble
    try:
        found = os.fstat(fd)
    except OSError as trouble:
        os.close(fd)
        raise Unusable(UNKNOWN) from trouble
    wrong = b"" if stat.S_ISREG(found.st_mode) else WRONG_TYPE
    if not wrong and found.st_uid != owner:
        wrong = WRONG_OWNER
    if wrong:
        os.close(fd)
        raise Unusable(wrong)
    return fd
