"""qmail-upq - bring a queue into shape

Synopsis::

    qmail-upq

qmail-upq is for a queue that qmail-send would not find its way in:

* conf-split is not what it was when the messages came, or the queue is of a system that does not split its
  directories, or splits todo and intd as well;
* the queue was restored from a backup or copied, or lies on a file system that does not keep the numbers of inodes,
  so that messages have other numbers than the inodes of their texts.

It makes directories that are missing, moves every message to the directory and number where it belongs, and removes
split directories that are empty then and not needed. Messages keep their age, their recipients and what is done.
A queue that is in shape stays as it is.

The mail system must be stopped, qmail-smtpd and all that could hand in mail included; if it runs, qmail-upq refuses.
If qmail-upq is killed or the power fails no message is lost; run it again before anything else.

Only root can do it, or the only user of a home that has only one. To move a queue from one host to another: stop
qmail on both, copy HOME/queue, run qmail-upq, start.

Unlike 1.02: it was a script in the source directory, moved an unsplit queue only, and did not care whether anybody
used the queue. Numbers of inodes had to be put right by hand.

Exit codes:

| 0    the queue is in shape; what was moved is said on standard output
| 100  refused: the mail system is running
| 111  something failed, or some files were left where they cannot be used; standard error says which

Files: HOME/queue, HOME/conf/conf-split, HOME/queue/lock/sendmutex, HOME/run; HOME is $QMAILHOME or /var/qmail.

See also: qmail-send(8), qmail-qread(8)
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from qtwisted.admin.install import hier
from qtwisted.config import conf
from qtwisted.config.control import ControlError
from qtwisted.model import oserrors
from qtwisted.store.kinds.reshape import KINDS, SPLIT_KINDS, Reshape
from qtwisted.system import lock
from qtwisted.system.disk import Disk
from qtwisted.system.ending import LATER, NEVER, fatal, run, say
from qtwisted.system.sockets import lock_home

NAME = b"qmail-upq"

RUNNING = b"the mail system is running; stop it first"


class Locks:
    """Keeps everybody else from using the queue as long as this process lives."""

    def __init__(self, home: str) -> None:
        """Take the locks of the master and of qmail-send, or end the program."""
        self._held = []
        try:
            if os.path.isdir(f"{home}/run"):
                self._held.append(lock_home(f"{home}/run"))
            self._held.append(os.open(f"{home}/queue/lock/sendmutex", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            if not lock.try_exclusive(self._held[-1]):
                raise BlockingIOError
        except BlockingIOError:
            raise fatal(NAME, RUNNING, NEVER) from None


def parts(disk: Disk, kind: str) -> list[str]:
    """List the split directories of one kind, needed or not."""
    found = []
    for name, _ in disk.names(kind):
        if name.isdecimal() and stat.S_ISDIR(disk.stat(f"{kind}/{name}").st_mode):
            found.append(f"{kind}/{name}")
    return sorted(found)


def make_missing(home: str, settings: conf.Conf) -> None:
    """Make the directories that a queue of this split has."""
    ids = conf.ids(settings)
    for entry in hier.queue(settings.split):
        if entry.kind == hier.DIRECTORY and not os.path.lexists(f"{home}/{entry.path}"):
            hier.make(home, entry, ids, os.geteuid() == 0)


def remove_surplus(disk: Disk, split: int) -> bool:
    """Remove split directories that are not needed; say whether all of them were empty."""
    needed = {f"{kind}/{part}" for kind in SPLIT_KINDS for part in range(split)}
    is_clean = True
    for kind in KINDS:
        for directory in parts(disk, kind):
            if directory in needed:
                continue
            try:
                disk.rmdir(directory)
            except OSError as trouble:
                is_clean = False
                say(NAME + f": warning: {directory} stays: {oserrors.text(trouble.errno)}".encode())
    return is_clean


def upq(home: str) -> int:
    """Bring the queue of a home into shape."""
    try:
        settings = conf.load(home)
        disk = Disk(f"{home}/queue")
        locks = Locks(home)
        make_missing(home, settings)
        directories = {kind: [kind, *parts(disk, kind)] for kind in KINDS}
        work = Reshape(disk, settings.split, directories, lambda line: say(NAME + b": " + line.encode()))
        moved, renumbered = work.run()
        is_clean = remove_surplus(disk, settings.split)
    except ControlError as trouble:
        raise fatal(NAME, str(trouble).encode()) from None
    except OSError as trouble:
        raise fatal(NAME, _why(trouble)) from None
    del locks
    if moved:
        print(f"{moved} messages moved to the directories where they belong")
    if renumbered:
        print(f"{renumbered} messages renumbered")
    return 0 if is_clean else LATER


def _why(trouble: OSError) -> bytes:
    """Say what went wrong, and with which file."""
    place = f"{trouble.filename}: " if trouble.filename else ""
    hint = " (another file of that name is in the way)" if trouble.errno == errno.EEXIST else ""
    return os.fsencode(f"{place}{oserrors.text(trouble.errno)}{hint}")


def main() -> int:
    """Run the program."""
    os.umask(0)
    return run(lambda argv: upq(os.path.abspath(conf.home_dir(os.environ))), __doc__)


if __name__ == "__main__":
    sys.exit(main())
