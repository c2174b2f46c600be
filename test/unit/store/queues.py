"""Makes intakes on a file system in memory, for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.task import Clock

from qtwisted.model.envelope import Envelope
from qtwisted.store.kinds.files import FileIntake
from qtwisted.store.kinds.syncing import Syncing
from test.kit.owners import NotingOwner
from test.kit.powercut import PowerCutDisk, empty_queue

if TYPE_CHECKING:
    from typing import Any

SPLIT = 2
SHORT = Envelope(b"s", (b"r",))


class MemoryQueue:
    """A queue on a disk in memory, its clock, and what it logged and announced."""

    def __init__(self, recycle: bool = True, mode: str = "fsync") -> None:
        """Make it empty."""
        self.disk: Any = PowerCutDisk(empty_queue(SPLIT), "ordered")
        self.clock: Any = Clock()
        self.wall = 1800000000.0
        self.warnings: list[str] = []
        self.announced: list[tuple[int, int, bytes | None]] = []
        self.intake = FileIntake(
            self.disk,
            self.clock,
            lambda: self.wall,
            lambda uid: b"by uid %d" % uid,
            Syncing(self.disk, mode, self.clock.seconds),
            split=SPLIT,
            recycle=recycle,
            warn=self.warnings.append,
        )
        self.intake.groups.announce = lambda *news: self.announced.append(news)

    def enqueue(self, text: bytes = b"hi\n", envelope: Envelope = SHORT) -> int:
        """Take one message and give its number."""
        owner = NotingOwner()
        draft = self.intake.begin(owner, 7)
        draft.write(text)
        draft.commit(envelope)
        self.clock.advance(0)
        assert owner.result.ok, owner.result
        return self.announced[-1][0]

    def remove(self, verb: bytes, number: int) -> bytes:
        """Carry out a removal and give its outcome."""
        outcomes: list[bytes] = []
        self.intake.groups.remove(verb, number, outcomes.append)
        self.clock.advance(1)
        (outcome,) = outcomes
        return outcome

    def files(self) -> list[str]:
        """All names, sorted."""
        return sorted(
            f"{directory}/{name}" for directory, names in self.disk.names_now.items() for name in names
        )

    def read(self, path: str) -> bytes:
        """Read a file."""
        content = self.disk.image().read(path)
        assert content is not None, path
        return bytes(content)

    def steps(self, *kinds: str) -> list[tuple[str, str]]:
        """The steps of those kinds so far."""
        return [step for step in self.disk.steps if step[0] in kinds]
