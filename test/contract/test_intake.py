"""Every intake passes the same tests: the queue directories, the memory, and the feeder that speaks to a door."""

from __future__ import annotations

import errno

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope
from qtwisted.store.caller import Caller
from qtwisted.store.feeder import DoorLine, Feeder
from qtwisted.store.kinds.memory import MemoryIntake
from test.contract.intake import IntakeContract
from test.unit.store.queues import SPLIT, MemoryQueue
from test.unit.store.rooms import make_door


class MemoryTests(IntakeContract, SynchronousTestCase):
    """The intake that keeps messages in a list."""

    def setUp(self) -> None:
        """Make it."""
        self.intake = self.memory = MemoryIntake()

    def settle(self) -> None:
        """Nothing is ever due."""

    def stored(self) -> list[tuple[Envelope, bytes, int]]:
        """Look into the list."""
        return [(message.envelope, message.text, message.qp) for message in self.memory.messages]

    def is_clean(self) -> bool:
        """No draft is open."""
        return self.memory.open_drafts == 0

    def break_down(self) -> None:
        """Refuse as a full disk does."""
        self.memory.refusal = 53

    def mend(self) -> None:
        """Refuse no more."""
        self.memory.refusal = 0


class FilesTests(IntakeContract, SynchronousTestCase):
    """The queue directories."""

    def setUp(self) -> None:
        """Make them."""
        self.queue = MemoryQueue()
        self.intake = self.queue.intake

    def settle(self) -> None:
        """Let the group happen."""
        self.queue.clock.advance(0)

    def stored(self) -> list[tuple[Envelope, bytes, int]]:
        """Read todo/ and mess/."""
        found = []
        for number in self.queue.disk.names_now["todo"]:
            _, pid, sender, *recipients = self.queue.read(f"todo/{number}").split(b"\0")[:-1]
            envelope = Envelope(sender[1:], tuple(recipient[1:] for recipient in recipients))
            text = self.queue.read(f"mess/{int(number) % SPLIT}/{number}").partition(b"\n")[2]
            found.append((envelope, text, int(pid[1:])))
        return found

    def is_clean(self) -> bool:
        """Apart from the pool there are only the files of messages that are stored."""
        numbers = sorted(self.queue.disk.names_now["todo"])
        texts = sorted(name for part in range(SPLIT) for name in self.queue.disk.names_now[f"mess/{part}"])
        envelopes = sorted(self.queue.disk.names_now["intd"])
        return envelopes == texts == numbers and not self.queue.disk.open_descriptors()

    def break_down(self) -> None:
        """The disk is full."""
        self.queue.disk.fails = lambda step, what: errno.ENOSPC if step == "write" else 0

    def mend(self) -> None:
        """There is space again."""
        self.queue.disk.fails = lambda step, what: 0


class FeederTests(FilesTests):
    """A feeder, wired to a door on queue directories."""

    def setUp(self) -> None:
        """Wire a feeder's line to a caller of the door; bytes pass when the test settles."""
        super().setUp()
        self.door = make_door(self.queue)
        self.feeder = FedFeeder(self.queue.clock, "/nonexistent", {})
        self.line = DoorLine(self.feeder)
        self.caller = Caller(self.door, 7, None, False)
        self.there, self.back = StringTransport(), StringTransport()
        self.line.makeConnection(self.there)
        self.caller.makeConnection(self.back)
        self.intake = self.feeder  # type: ignore[assignment]

    def settle(self) -> None:
        """Carry bytes to and fro until both are silent."""
        clock = self.queue.clock
        while (
            self.there.value()
            or self.back.value()
            or any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls())
        ):
            for transport, receiver in ((self.there, self.caller), (self.back, self.line)):
                data = transport.value()
                transport.clear()
                if data:
                    receiver.dataReceived(data)
            clock.advance(0)


class FedFeeder(Feeder):
    """A feeder that makes no connections; its line is given to it."""

    def _connect(self) -> None:
        """Wait for the test."""
