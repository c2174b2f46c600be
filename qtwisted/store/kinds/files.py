"""The intake of qmail's queue directories: pid/, mess/, intd/ and todo/, with qmail's formats, names and
modes.

A message is number N, the inode number of its text in mess/. Which files of that number exist is its state,
and these are the only rows anybody may ever see (INTERNALS of qmail, section 2):

====  ====  ====  ====  ====  =====================================================
row   mess  intd  todo  info  meaning
====  ====  ====  ====  ====  =====================================================
S1    no    no    no    no    there is no message N
S2    yes   no    no    no    being received or removed, or abandoned
S3    yes   yes   no    no    its envelope is being received, or abandoned
S4    yes   any   yes   any   queued: the message is ours
S5    yes   no    no    yes   planned by qmail-send, deliveries possible
====  ====  ====  ====  ====  =====================================================

A message comes in so: the text is written to a file in pid/, likewise the envelope. When both are complete
the text is renamed to mess/N, and both are made durable together with the directory mess/N is in. Then the
envelope is renamed to intd/N and linked to todo/N, and todo/ is made durable. Only then is the message stored
(see ``groups``, which does this for many messages at once).

Unlike 1.02: the text is renamed to mess/N when it is complete, not before it has content. So a message that
is abandoned or refused leaves nothing in mess/, and what a killed process leaves in pid/ is known to be
rubbish.

Unlike 1.02: every message that is refused is cleaned up at once, also when an address is too long (exit code
11), the envelope has a wrong format (91) or a link fails (65, 66); the original left its files for 36 hours.
"""

from __future__ import annotations

from qtwisted.store.kinds.draft import FileDraft
from qtwisted.store.kinds.groups import Groups
from qtwisted.store.kinds.pool import OWN, Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from qtwisted.store.interface import DraftOwner
    from qtwisted.store.kinds.syncing import Syncing
    from qtwisted.system.disk import Disk

#: qp numbers count milliseconds from here (2026-01-01), so that they are never used twice, restarts included
QP_BEGAN_AT = 1767225600
#: how long trouble of one kind is not mentioned again
QUIET_FOR = 60


class FileIntake:
    """The door's half of a queue on disk."""

    def __init__(
        self,
        disk: Disk,
        clock: Any,
        now: Callable[[], float],
        who: Callable[[int], bytes],
        syncing: Syncing,
        split: int = 23,
        recycle: bool = True,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Work in the directory that ``disk`` is on.

        ``clock`` schedules commits, ``now`` gives the wall time, ``who`` the words for a user in the Received
        line.
        """
        self.disk = disk
        self.now = now
        self.who = who
        self.split = split
        self.warn = warn
        self.pool = Pool(disk, now, self.is_taken, recycle)
        self.groups = Groups(self, clock, syncing)
        self._qp = 0
        self._warned_at: dict[int, float] = {}

    def begin(self, owner: DraftOwner, uid: int = 0) -> FileDraft:
        """Start a message handed in by the user ``uid``."""
        return FileDraft(self, owner, uid)

    def mess(self, number: int) -> str:
        """Name the file with the text of a message."""
        return f"mess/{number % self.split}/{number}"

    def mess_dir(self, number: int) -> str:
        """Name the directory that file is in."""
        return f"mess/{number % self.split}"

    def is_taken(self, number: int) -> bool:
        """Is there a message of that number, or a rest of one that a new message would bring back to life?"""
        return self.disk.exists(self.mess(number)) or self.disk.exists(f"todo/{number}")

    def next_qp(self) -> int:
        """Give a number that no message had before, as long as the clock is not put back over a restart."""
        self._qp = max(self._qp + 1, int((self.now() - QP_BEGAN_AT) * 1000))
        return self._qp

    def remove(self, path: str) -> None:
        """Take a name away if that is possible; what is left is found by its age."""
        try:
            self.disk.discard(path)
        except OSError as trouble:
            self.warn(f"warning: unable to remove {path}: {trouble.strerror}")

    def failed(self, code: int, cause: OSError) -> None:
        """Say why messages are refused, once a minute at most for each exit code."""
        now = self.now()
        if not 0 <= now - self._warned_at.get(code, 0.0) < QUIET_FOR:
            self._warned_at[code] = now
            self.warn(f"warning: unable to queue a message (exit code {code}): {cause.strerror}")

    def recover(self) -> None:
        """Bring the directories in order before the first message; the caller is the only door.

        What the last door left in pid/ is removed. Messages are not touched: S4 is qmail-send's to deliver,
        and a rest in state S2 or S3 may belong to a qmail-queue that is still running, or, as far as we may
        see, be a message in state S5 after a power cut; qmail-send has it removed when it is 36 hours old.
        """
        try:
            self.disk.syncfs()
        except OSError as trouble:
            self.warn(f"warning: unable to sync the queue: {trouble.strerror}")
        self.remove_own_rests()

    def close(self) -> None:
        """Make durable and answer what is complete, and leave nothing in pid/."""
        self.groups.run()
        self.pool.empty()

    def remove_own_rests(self) -> None:
        """Remove from pid/ what only a door can have made; ours is the only one."""
        for name, _ in list(self.disk.names("pid")):
            if name.isdecimal() or name.startswith(OWN):
                self.remove("pid/" + name)

    def check_numbers(self) -> Iterator[None]:
        """Say in the log how many messages have a number that is not that of their inode (a restored backup).

        They are delivered as they are; a new file that has the number of such a message steps aside. There
        may be a million names to look at, so this yields after each directory.
        """
        count = 0
        for part in range(self.split):
            try:
                for name, inode in self.disk.names(f"mess/{part}"):
                    count += name.isdecimal() and int(name) != inode
            except OSError as trouble:
                self.warn(f"warning: unable to read mess/{part}: {trouble.strerror}")
            yield
        if count:
            self.warn(f"warning: {count} messages have a number that is not that of their inode")
