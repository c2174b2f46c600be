"""Group commit: all messages and removals that wait at one moment are made durable together.

A group takes these steps, and each relies on those before it:

1. the text and the envelope of every message, then the directories its text is in, are synced;
2. every envelope is renamed to intd/N and linked to todo/N, and the todo/ files that qmail-send is done with
   are taken away;
3. todo/ is synced: from here on the messages are ours, and the removals cannot be undone by a power cut;
4. every message whose text still exists is answered and announced;
5. texts that are not needed any more are taken away, and removals are answered.

If a sync fails the whole group is refused and its files are removed; nothing is synced a second time. Groups
form by themselves: while the process waits for a sync, what arrives makes the next group. A message alone
starts its group in the same turn of the reactor. Removals alone wait a moment for company.

What was taken away before a group began is clean for reuse when step 3 is done (see ``pool``).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from qtwisted.store.kinds.draft import FileDraft
    from qtwisted.store.kinds.files import FileIntake
    from qtwisted.store.kinds.syncing import Syncing

WRITE_ERROR = 53
MESS_TROUBLE = 64

#: how many messages make a group full
LARGEST = 200
#: how long removals of settled messages wait for a group to join, and how many at most
PATIENCE = 0.01
REMOVALS_MAX = 200
#: how many messages written by us are remembered, so that their files can be used again
REMEMBERED_MAX = 50000

DONE = b"+"
FAILED = b"!"


class Removal:
    """A wish of qmail-send: ``todo``, ``foop`` or ``done``, the message, and who is told the outcome."""

    __slots__ = ("answer", "number", "outcome", "verb")

    def __init__(self, verb: bytes, number: int, answer: Callable[[bytes], None]) -> None:
        """Expect success."""
        self.verb = verb
        self.number = number
        self.answer = answer
        self.outcome = DONE


class Groups:
    """Collects messages and removals and carries them out group by group."""

    def __init__(self, intake: FileIntake, clock: Any, syncing: Syncing) -> None:
        """Start with nothing to do."""
        self._intake = intake
        self._clock = clock
        self._syncing = syncing
        self._drafts: list[FileDraft] = []
        self._removals: list[Removal] = []
        self._call: Any = None
        self._is_urgent = False
        self._written: dict[int, tuple[int, int, int]] = {}
        #: told of every message that has become durable: number, size of the text, contents of todo/N if
        #: short
        self.announce: Callable[[int, int, bytes | None], None] = lambda number, size, record: None
        #: called when all answers of a group are given
        self.finished: Callable[[], None] = lambda: None

    def add(self, draft: FileDraft) -> None:
        """Let a complete message be part of the next group."""
        self._drafts.append(draft)
        self._schedule(urgent=True)

    def is_full(self) -> bool:
        """Should the group be carried out before more messages are taken? Each holds two descriptors."""
        return len(self._drafts) >= LARGEST

    def remove(self, verb: bytes, number: int, answer: Callable[[bytes], None]) -> None:
        """Carry out a wish of qmail-send.

        ``todo`` takes away intd/N and todo/N, ``foop`` intd/N and mess/N, ``done`` all three. The answer to
        ``todo`` and ``done`` comes when todo/ is durable without N. The caller promises that nobody reads
        mess/N any more and nobody will: its inode may get another message.
        """
        self._removals.append(Removal(verb, number, answer))
        self._schedule(urgent=verb != b"done" or len(self._removals) >= REMOVALS_MAX)

    def _schedule(self, urgent: bool) -> None:
        """Have the next group begin in the next turn or, if nothing is urgent, a moment later."""
        if self._call is not None:
            if not urgent or self._is_urgent:
                return
            self._call.cancel()
        self._is_urgent = urgent
        self._call = self._clock.callLater(0 if urgent else PATIENCE, self.run)

    def run(self) -> None:
        """Carry out one group: everything that waits now."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        drafts, self._drafts = self._drafts, []
        removals, self._removals = self._removals, []
        gone, gone_from = self._intake.pool.removed_so_far() if drafts else ([], set())
        ready = self._settle(drafts, gone_from)
        if drafts and not ready:
            self._intake.pool.voided(gone)
            gone = []
        linked = [draft for draft in ready if draft.link()]
        busy = {draft.number for draft in linked} if removals else set()
        for removal in removals:
            self._take_from_todo(removal, busy)
        if self._sync_todo(linked, removals):
            self._intake.pool.cleaned(gone)
            for draft in linked:
                self._accept(draft)
        else:
            self._intake.pool.voided(gone)
            for draft in linked:
                self._void(draft)
        for removal in removals:
            self._take_text(removal)
            removal.answer(removal.outcome)
        self.finished()

    # Step 1

    def _settle(self, drafts: list[FileDraft], gone_from: set[str]) -> list[FileDraft]:
        """Make texts and envelopes durable; give the messages to go on with: all or none."""
        if not drafts:
            return []
        fds = []
        directories = set(gone_from)
        for draft in drafts:
            assert draft.mess is not None and draft.intd is not None
            fds += [draft.mess.fd, draft.intd.fd]
            directories.add(self._intake.mess_dir(draft.number))
        try:
            self._syncing.settle(fds, directories)
        except OSError as error:
            self._intake.failed(WRITE_ERROR, error)
            for draft in drafts:
                draft.refuse(WRITE_ERROR)
            return []
        return drafts

    # Steps 2 and 3

    def _take_from_todo(self, removal: Removal, busy: set[int]) -> None:
        """Take away intd/N and, but for ``foop``, todo/N; a message of this very group cannot be meant."""
        number = removal.number
        written = self._written.get(number)
        try:
            if number in busy:
                removal.outcome = FAILED
                return
            self._intake.disk.discard(f"intd/{number}")
            if removal.verb == b"foop":
                return
            if written is None:
                self._intake.disk.discard(f"todo/{number}")
            else:
                self._intake.pool.retire(f"todo/{number}", written[0], written[1])
        except OSError:
            removal.outcome = FAILED

    def _sync_todo(self, linked: list[FileDraft], removals: list[Removal]) -> bool:
        """Make todo/ durable if this group changed it."""
        if not linked and all(removal.verb == b"foop" for removal in removals):
            return True
        try:
            self._intake.disk.fsync_dir("todo")
        except OSError as error:
            self._intake.failed(WRITE_ERROR, error)
            for removal in removals:
                if removal.verb != b"foop":
                    removal.outcome = FAILED
            return False
        return True

    # Steps 4 and 5

    def _accept(self, draft: FileDraft) -> None:
        """Answer for a durable message, unless somebody took its text away meanwhile."""
        assert draft.mess is not None and draft.intd is not None
        try:
            is_there = self._intake.disk.fstat(draft.mess.fd).st_nlink > 0
        except OSError as error:
            self._intake.failed(MESS_TROUBLE, error)
            is_there = False
        if not is_there:
            self._void(draft, MESS_TROUBLE)
            return
        number = draft.number
        if len(self._written) < REMEMBERED_MAX:
            self._written[number] = (draft.intd.number, draft.envelope_size(), draft.size)
        draft.accept()
        self.announce(number, draft.size, draft.record())

    def _void(self, draft: FileDraft, code: int = WRITE_ERROR) -> None:
        """Take a message back that was linked already."""
        self._intake.remove(f"todo/{draft.number}")
        draft.refuse(code)

    def _take_text(self, removal: Removal) -> None:
        """Take away mess/N for ``foop`` and ``done``."""
        if removal.verb == b"todo" or removal.outcome != DONE:
            return
        written = self._written.pop(removal.number, None)
        path = self._intake.mess(removal.number)
        try:
            if written is None:
                self._intake.disk.discard(path)
            else:
                self._intake.pool.retire(path, removal.number, written[2])
        except OSError:
            removal.outcome = FAILED
