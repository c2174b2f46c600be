"""qmail-queue -- queue a mail message for delivery

Synopsis::

    qmail-queue < message 1< envelope

qmail-queue reads a message from descriptor 0 to its end and then an envelope from descriptor 1. It hands both
to the door of the queue and exits 0 when the message would survive a power cut.

The envelope is the letter F, the sender and a zero byte; for each recipient the letter T, the recipient and a
zero byte; and a last zero byte. The sender may be empty, recipients may be none. Whatever follows is not
read. Without the last zero byte nothing is queued: a caller that has changed its mind just ends the envelope
early.

Nothing is ever written to any descriptor. The door puts a Received line in front of the message that says by
which user qmail-queue was invoked; it asks the kernel for that user, not this program.

Unlike 1.02: the program has no rights of its own (Linux does not heed the set-uid bit of scripts); the door
writes the queue, and removes what it wrote when this program dies or gives up, in whatever way.

Unlike 1.02: the user in the queue is the effective user at the time of the connection, not the real one.

Unlike 1.02: one user may hand in 64 MB at a time, so that nobody can fill the disk with messages that are never
complete; control/userbytes changes that.

Exit codes:

| 0    the message is queued
| 11   an address has more than 1002 bytes
| 51   out of memory
| 52   not finished within 24 hours
| 53   write error, such as a full disk; or the user has more on its way than control/userbytes allows
| 54   unable to read the message or the envelope, or the envelope ends early
| 61   trouble in the home directory
| 62   there is no queue directory
| 63, 64, 65, 66   trouble with pid/, mess/, intd/ or todo/
| 71   the door cannot be reached for half a minute
| 72   the door does not answer
| 74   the connection to the door was lost; the message may or may not be queued
| 81   a bug, or a signal that stands for one
| 91   the envelope has a wrong format

Files: HOME/queue, HOME/run/queue.sock; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import sys

from qtwisted.model.envelope import EnvelopeError
from qtwisted.store.client import DoorCall
from qtwisted.system.ending import helped
from qtwisted.system.signals import signal
from qtwisted.wire.door import EnvelopeReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

PIECE = 65536
#: qmail's DEATH: no qmail-queue lives longer
DEATH = 86400

NO_MEMORY = 51
TIMED_OUT = 52
READ_ERROR = 54
HOME_TROUBLE = 61
QUEUE_TROUBLE = 62
BUG = 81

_IGNORED = ("PIPE", "VTALRM", "PROF", "QUIT", "INT", "HUP", "XCPU", "XFSZ")
_BUGS = ("ILL", "ABRT", "FPE", "BUS", "SEGV", "SYS")


def prepare_signals() -> None:
    """Let nobody interrupt us half-way but by TERM and KILL, which are safe (qmail-queue.c sigalrm, sigbug)."""

    def die(number: int, frame: FrameType | None) -> None:
        """Exit at once; the door cleans up."""
        os._exit(TIMED_OUT if number == signal.SIGALRM else BUG)

    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for name in _IGNORED:
        signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)
    for name in ("ALRM", *_BUGS):
        signal.signal(getattr(signal, "SIG" + name), die)
    signal.alarm(DEATH)


def look_at_home(home: str) -> int:
    """Check that there is a queue, as far as its own users may see it; 0 or an exit code."""
    try:
        os.chdir(home)
    except OSError:
        return HOME_TROUBLE
    try:
        os.stat("queue/.")
    except PermissionError:
        return 0  # the directory is there, and it is not ours to enter
    except OSError:
        return QUEUE_TROUBLE
    return 0


def queue(call: DoorCall) -> int:
    """Hand over the message from descriptor 0 and the envelope from descriptor 1; give the exit code."""
    try:
        while piece := os.read(0, PIECE):
            call.piece(piece)
        reader = EnvelopeReader()
        while not reader.is_complete:
            part = os.read(1, PIECE)
            if not part:
                return READ_ERROR
            records = reader.received(part)
            call.envelope(records + b"\0" if reader.is_complete else records)
    except EnvelopeError as error:
        return error.code
    except MemoryError:
        return NO_MEMORY
    except OSError:
        return READ_ERROR
    return call.answer()[0]


def main() -> NoReturn:
    """Run the program."""
    from qtwisted.config.conf import home_dir

    if helped(__doc__):
        sys.exit(0)
    prepare_signals()
    home = os.path.abspath(home_dir(os.environ))
    sys.exit(look_at_home(home) or queue(DoorCall(home)))


if __name__ == "__main__":
    main()
