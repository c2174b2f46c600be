"""Makes many small changes of the ledger durable together.

Whoever changed files hands over their descriptors and the directories whose names changed. Everything that
waits is synced in one go, each directory once, and while that goes on the next group forms by itself. The
syncing runs where the caller wants it to: in a thread in the real system, so that nothing else waits for the
disk, or at once in a test.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    from qtwisted.system.disk import Disk

    Done = Callable[[bool], None]
    Results = list[bool]
    Work = Callable[[], Results]
    Run = Callable[[Work, Callable[[Results], None]], None]

    class Call(Protocol):
        """Something the clock will do."""

        def cancel(self) -> None:
            """Have it not done."""

        def active(self) -> bool:
            """Say whether it is still to be done."""

    class Clock(Protocol):
        """The part of a reactor that tells the time and keeps appointments."""

        def seconds(self) -> float:
            """Tell the time, counted from anywhere."""

        def callLater(self, delay: float, call: Callable[..., object], *arguments: object) -> Call:
            """Have something done after *delay* seconds, in a turn of its own."""


class Change:
    """One change: its open files, its directories, and who wants to hear whether it is durable."""

    __slots__ = ("directories", "done", "fds")

    def __init__(self, fds: Sequence[int], directories: Sequence[str], done: Done) -> None:
        """Take over the descriptors; they are closed when the change is durable or has failed."""
        self.fds = fds
        self.directories = directories
        self.done = done


def at_once(work: Work, done: Callable[[Results], None]) -> None:
    """Run the syncs here and now."""
    done(work())


class GroupSync:
    """Collects changes and makes them durable, one group at a time; ``finished`` is called after each."""

    #: more changes than this do not wait for company
    FULL = 64

    def __init__(self, disk: Disk, clock: Clock, run: Run = at_once) -> None:
        """Sync through *disk*; *run* carries out the work and gives its result back in the caller's thread."""
        self._disk = disk
        self._clock = clock
        self._run = run
        self._waiting: list[Change] = []
        self._names: dict[str, int] = {}
        self._running: list[Change] | None = None
        self._timer: Call | None = None
        self._due_at = 0.0
        self.finished: Callable[[], None] = lambda: None

    @property
    def is_idle(self) -> bool:
        """Is everything durable that was handed over?"""
        return self._running is None and not self._waiting

    def open_file(self, name: str) -> int | None:
        """Give the descriptor under which a file waits for its sync already: what is written now is included."""
        return self._names.get(name)

    def add_file(self, name: str, fd: int, done: Done, within: float) -> None:
        """Make the contents of one file durable, which may change further until its sync begins."""
        self._names[name] = fd
        self.add([fd], (), done, within)

    def add(self, fds: Sequence[int], directories: Iterable[str], done: Done, within: float = 0.0) -> None:
        """Make one change durable, no later than *within* seconds from now if the disk allows it.

        *done* is told whether that succeeded. A failed sync is final: nobody knows what the disk holds then.
        """
        self._waiting.append(Change(fds, tuple(directories), done))
        if self._running is not None:
            return
        now = self._clock.seconds()
        due_at = now if len(self._waiting) >= self.FULL else now + within
        if self._timer is not None and self._timer.active():
            if due_at >= self._due_at:
                return
            self._timer.cancel()
        self._due_at = due_at
        self._timer = self._clock.callLater(due_at - now, self._begin)

    def hurry(self) -> None:
        """Begin with what waits now."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
            self._begin()

    def _begin(self) -> None:
        """Sync everything that waits."""
        group, self._waiting = self._waiting, []
        self._names = {}
        self._running = group
        self._run(lambda: self._sync(group), self._finish)

    def _sync(self, group: list[Change]) -> Results:
        """Do the syncs, files before directories; say of each change whether all of its own succeeded."""
        synced = [[self._synced(self._disk.fsync, fd) for fd in change.fds] for change in group]
        wanted = dict.fromkeys([directory for change in group for directory in change.directories])
        durable = {directory: self._synced(self._disk.fsync_dir, directory) for directory in wanted}
        return [
            all(ok) and all(durable[directory] for directory in change.directories)
            for ok, change in zip(synced, group, strict=True)
        ]

    @staticmethod
    def _synced(sync: Callable[..., None], what: int | str) -> bool:
        """Do one sync; say whether it succeeded."""
        try:
            sync(what)
        except OSError:
            return False
        return True

    def _finish(self, results: Results) -> None:
        """Close the files, tell everybody, and go on with the group that has formed meanwhile."""
        group = self._running or []
        for change in group:
            for fd in change.fds:
                self._disk.close(fd)
        for change, ok in zip(group, results, strict=True):
            change.done(ok)
        self._running = None
        self.finished()
        if self._waiting:
            self._timer = self._clock.callLater(0, self._begin)
            self._due_at = self._clock.seconds()
