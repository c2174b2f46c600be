"""qmail-qstat counts."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store.qstat import qstat
from test.kit.queue_files import QueueFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.system.ending import Printing


def printed(pieces: Printing) -> tuple[bytes, int]:
    """Give all that is printed, and the exit code."""
    text = b""
    while True:
        try:
            text += next(pieces)
        except StopIteration as end:
            return text, end.value


class QstatTests(SynchronousTestCase):
    """Two lines."""

    def setUp(self) -> None:
        """Make a queue."""
        self.home = os.path.abspath(self.mktemp())
        self.files = QueueFiles(self.home)

    def test_planned(self) -> None:
        """Eight messages that wait, none of them new (ADM-01)."""
        for number in range(100, 108):
            self.files.message(number, local=b"Tjoe@x\0")
        expected = b"messages in queue: 8\nmessages in queue but not yet preprocessed: 0\n"
        self.assertEqual(printed(qstat(self.home)), (expected, 0))

    def test_any_state_counts(self) -> None:
        """Messages of all states are in the queue, and those in todo are among them, whatever the names are."""
        self.files.put("mess", 1, b"")
        self.files.put("mess", 2, b"")
        self.files.put("intd", 2, b"")
        self.files.put("todo", 2, b"")
        with open(f"{self.files.queue}/mess/5/a b\nc", "wb"):
            pass
        expected = b"messages in queue: 3\nmessages in queue but not yet preprocessed: 1\n"
        self.assertEqual(printed(qstat(self.home)), (expected, 0))

    def test_no_queue(self) -> None:
        """What cannot be counted is -1, as it always was; the exit code tells."""
        expected = b"messages in queue: -1\nmessages in queue but not yet preprocessed: -1\n"
        self.assertEqual(printed(qstat(f"{self.home}/nowhere")), (expected, 111))
