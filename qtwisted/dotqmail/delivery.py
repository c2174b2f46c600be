"""What the programs called from a .qmail line share: how they are called, run others, forward, and end.

qmail-local calls them with the message on descriptor 0, rewound, and with the delivery in the
environment. They end as qmail-command wants: 0 go on, 99 go on but skip the lines after this one, 100
never, 111 later."""

from __future__ import annotations

import os

from qtwisted.config.conf import home_dir
from qtwisted.model import oserrors
from qtwisted.model.envelope import Envelope
from qtwisted.store.client import open_submission
from qtwisted.system import children
from qtwisted.system.ending import LATER, NEVER, fatal, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qtwisted.model.submission import Result

DONE = 0
SKIP_THE_REST = 99

_PIECE = 65536


def needed(name: bytes, program: bytes) -> bytes:
    """Give a variable of the delivery that the program cannot do without."""
    value = os.environb.get(name)
    if value is None:
        raise fatal(program, name + b" not set", NEVER)
    return value


def why(error: OSError) -> bytes:
    """Say what the system said, in qmail's words."""
    return oserrors.text(error.errno or 0).encode()


def rewind() -> None:
    """Go back to the beginning of the message; one that cannot be rewound is read from where it stands."""
    try:
        os.lseek(0, 0, os.SEEK_SET)
    except OSError:
        pass


def pieces(program: bytes) -> Iterable[bytes]:
    """Read the message from where descriptor 0 stands."""
    try:
        while piece := os.read(0, _PIECE):
            yield piece
    except OSError as error:
        raise fatal(program, b"unable to read message: " + why(error)) from error


def ask(program: bytes, argv: Sequence[bytes]) -> int:
    """Run a program that judges the message on descriptor 0, and give its exit code.

    One that cannot be started counts as having exited 111 where trying again may help, else 100. A killed
    one, and one that exits 111, end the caller.
    """
    try:
        code = children.finish(children.start(argv))
    except children.Crashed:
        raise fatal(program, b"child crashed") from None
    except OSError as error:
        code = LATER if oserrors.is_temporary(error.errno or 0) else NEVER
    if code == LATER:
        raise fatal(program, b"temporary child error")
    return code


def submit(envelope: Envelope, message: Iterable[bytes]) -> Result:
    """Hand a new message to the queue."""
    submission = open_submission(home_dir(os.environ), os.environ)
    try:
        for piece in message:
            submission.write(piece)
    except BaseException:
        submission.abandon()
        raise
    return submission.commit(envelope)


def marked(program: bytes, mark: bytes) -> Iterable[bytes]:
    """Give the message as it travels on: with a Delivered-To line in front, so that it cannot go in circles."""
    yield mark
    yield from pieces(program)


def redirect(program: bytes, sender: bytes, recipients: Sequence[bytes]) -> None:
    """Send the message on, marked with our Delivered-To line, and say its number."""
    mark = needed(b"DTLINE", program)
    result = submit(Envelope(sender, tuple(recipients)), marked(program, mark))
    if not result.ok:
        raise fatal(program, result.problem[1:], NEVER if result.is_permanent else LATER)
    say(b"%s: qp %d" % (program, result.qp))
