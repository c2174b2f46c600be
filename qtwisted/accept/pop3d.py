"""qmail-pop3d - serve a Maildir via POP3

Synopsis::

    qmail-pop3d maildir

qmail-pop3d gives the messages in *maildir* to a client on descriptors 0 and 1 who has logged in. A password program,
started by qmail-popup(8), becomes the user, changes to his home directory and starts qmail-pop3d; the first line of
the session is the answer to the password. ``twistd qmail --pop3`` does it in the same way.

Messages are listed in the order of their times; the list, with the sizes, is made once. A file changed in this second
and a name that begins with a dot do not count. Files in ``tmp/`` that nobody has read for 36 hours are removed. At
QUIT the messages that were deleted are removed, and those left in ``new/`` move to ``cur/``. Without QUIT nothing
changes.

Commands: STAT, LIST, UIDL, RETR, TOP, DELE, RSET, LAST, NOOP, QUIT.

Unlike 1.02: qmail-pop3d refuses to run as root.

Exit codes:

| 0    the session has ended, however it did
| 1    it was started as root

Files: ``maildir/new``, ``maildir/cur``, ``maildir/tmp``.
"""

from __future__ import annotations

import os
import time

from qtwisted.accept.channel import Channel, Gone
from qtwisted.mailbox import contents
from qtwisted.mailbox.listing import Listing
from qtwisted.system.disk import Disk
from qtwisted.system.ending import Ending, run
from qtwisted.wire.dialogue import CLOSE, DATA
from qtwisted.wire.pop3 import Mailbox, Request

#: seconds a client may take for each step (qmail-pop3d.c)
IDLE_FOR = 1200
#: bytes of a message that are in memory at a time
PIECE = 32 * 1024

_INPUT = 4096
_HERE = b"."


class Maildir:
    """The current directory, as the keeper of the messages that were listed in it."""

    def __init__(self, messages: Listing, disk: Disk) -> None:
        """Take the list, and what removes and moves files."""
        self._messages = messages
        self._disk = disk
        self._file = -1

    def open(self, at: int) -> bool:
        """Open a message in the place of the last one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        try:
            self._file = contents.open_message(_HERE, self._messages.path(at))
        except OSError:
            return False
        return True

    def read(self) -> bytes:
        """Give the next piece of the open message; half a message must not look like a whole one."""
        try:
            return os.read(self._file, PIECE)
        except OSError as error:
            raise Gone from error

    def leave(self, deleted: bytearray) -> int:
        """Remove the deleted messages and move the new ones to ``cur``; count those that could not be removed."""
        failures = 0
        for at in range(len(self._messages)):
            path = self._messages.path(at)
            try:
                if deleted[at]:
                    self._disk.unlink(path)
                elif path.startswith(b"new/"):
                    self._disk.rename(path, b"cur/" + path[4:] + b":2,")
            except OSError:
                failures += deleted[at]
        return failures


def converse(core: Mailbox, keeper: Maildir, channel: Channel) -> None:
    """Hold the dialogue to its end; raise Gone where the client does not."""
    while True:
        event = core.next()
        if isinstance(event, Request):
            core.answer(event.put_to(keeper))
            continue
        channel.write(core.take())
        if event is CLOSE:
            return
        if event is DATA:
            core.received(channel.read(_INPUT))


def serve(maildir: bytes, channel: Channel, now: float) -> None:
    """Serve the client; raise Gone where it does not stay to the end."""
    try:
        os.chdir(maildir)
    except OSError:
        channel.write(b"-ERR this user has no $HOME/Maildir\r\n")
        return
    contents.clean(_HERE, now)
    try:
        messages = Listing(_HERE, now)
    except OSError:
        channel.write(b"-ERR unable to scan $HOME/Maildir\r\n")
        return
    converse(Mailbox(messages), Maildir(messages, Disk()), channel)


def work(argv: list[bytes]) -> int:
    """Run the program."""
    if not os.getuid():
        raise Ending(1, b"qmail-pop3d invoked as uid 0, terminating")
    try:
        serve(b"".join(argv[1:2]), Channel(0, 1, IDLE_FOR), time.time())
    except Gone:
        pass
    return 0


def main() -> int:
    """Run the program as the console script does."""
    return run(work, __doc__)


if __name__ == "__main__":
    raise SystemExit(main())
