"""qmail-qstat - summarize the mail queue

Synopsis::

    qmail-qstat

qmail-qstat prints how many messages are in the queue, and how many of these qmail-send has not preprocessed
yet::

    messages in queue: 12
    messages in queue but not yet preprocessed: 0

It counts names and looks into no message, and it may be run at any time. Only root and the group qmail may look into
the queue.

What cannot be counted is shown as -1.

Unlike 1.02: what could not be counted is said on standard error once for each of the two numbers, and the exit code
is 111 then.

Exit codes:

| 0    the numbers are right
| 111  something could not be read; standard error says what

Files: HOME/queue/mess, HOME/queue/todo; HOME is $QMAILHOME or /var/qmail.

See also: qmail-qread(8), qmail-send(8)
"""

from __future__ import annotations

import os
import sys

from qtwisted.config.conf import home_dir
from qtwisted.model import oserrors
from qtwisted.system.disk import Disk
from qtwisted.system.ending import LATER, run_printing, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.system.ending import Printing

MESSAGES = b"messages in queue: %d\n"
NEW = b"messages in queue but not yet preprocessed: %d\n"


def in_queue(disk: Disk) -> int:
    """Count the messages in any state: all names in the directories below mess/."""
    count = 0
    for name, _ in disk.names("mess"):
        try:
            count += sum(1 for _ in disk.names(f"mess/{name}"))
        except (FileNotFoundError, NotADirectoryError):
            continue
    return count


def not_preprocessed(disk: Disk) -> int:
    """Count the messages that qmail-send has not seen to yet: all names in todo/."""
    return sum(1 for _ in disk.names("todo"))


def qstat(home: str) -> Printing:
    """Print both numbers."""
    code = 0
    for line, count in ((MESSAGES, in_queue), (NEW, not_preprocessed)):
        number = _counted(home, count)
        code = LATER if number < 0 else code
        yield line % number
    return code


def _counted(home: str, count: Callable[[Disk], int]) -> int:
    """Count in the queue of a home; -1 where that cannot be done."""
    try:
        disk = Disk(f"{home}/queue")
        try:
            return count(disk)
        finally:
            disk.release()
    except OSError as trouble:
        place = trouble.filename if str(trouble.filename).startswith("/") else f"{home}/queue/{trouble.filename}"
        say(os.fsencode(f"qmail-qstat: warning: unable to read {place}: {oserrors.text(trouble.errno)}"))
        return -1


def main() -> int:
    """Run the program."""
    return run_printing(lambda argv: qstat(home_dir(os.environ)), __doc__)


if __name__ == "__main__":
    sys.exit(main())
