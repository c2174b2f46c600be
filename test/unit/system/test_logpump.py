"""Tests for qtwisted.system.logpump: lines reach their output, and never hold anything up."""

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.logpump import AT_ONCE, Backlog


def drained(backlog: Backlog) -> bytes:
    """Everything that waits in *backlog*."""
    out = b""
    while backlog:
        head = backlog.head()
        out += head
        backlog.written(len(head))
    return out


class BacklogTests(SynchronousTestCase):
    """What waits is bounded, consists of whole lines, and nothing is lost without a word."""

    def test_passes(self) -> None:
        """Lines come out as they went in, however they were cut."""
        data = b"new msg 1\nend msg 1\n\nx\n"
        for cut in range(len(data)):
            backlog = Backlog()
            backlog.add(data[:cut])
            backlog.add(data[cut:])
            self.assertEqual(drained(backlog), data)

    def test_half_line_waits(self) -> None:
        """A line is passed on when it is complete."""
        backlog = Backlog()
        backlog.add(b"new ms")
        self.assertFalse(backlog)
        backlog.add(b"g 1\n")
        self.assertEqual(drained(backlog), b"new msg 1\n")

    def test_last_line_is_completed(self) -> None:
        """When the pipe ends in the middle of a line, the line gets its end."""
        backlog = Backlog()
        backlog.add(b"half")
        backlog.finish()
        self.assertEqual(drained(backlog), b"half\n")

    def test_drops_and_counts(self) -> None:
        """Lines for which there is no room are dropped whole; later a line tells how many."""
        backlog = Backlog(room=100)
        backlog.add(b"123456789\n" * 15)
        self.assertEqual(drained(backlog), b"123456789\n" * 10)
        backlog.add(b"later\n")
        self.assertEqual(drained(backlog), b"warning: 5 log lines lost\nlater\n")

    def test_keeps_counting(self) -> None:
        """As long as there is no room, the count goes on."""
        backlog = Backlog(room=100)
        backlog.add(b"123456789\n" * 10)
        for _ in range(3):
            backlog.add(b"lost\n")
        drained(backlog)
        backlog.add(b"later\n")
        self.assertEqual(drained(backlog), b"warning: 3 log lines lost\nlater\n")

    def test_endless_line(self) -> None:
        """A line that never ends is not collected for ever."""
        backlog = Backlog()
        backlog.add(b"x" * (AT_ONCE + 1))
        self.assertTrue(backlog)

    def test_dressed(self) -> None:
        """Where lines are to be written in another way, all are, the one about lost lines, too."""
        backlog = Backlog(room=100, dress=lambda lines, at: lines.upper())
        backlog.add(b"new ms")
        backlog.add(b"g 1\n" + b"123456789\n" * 9)
        backlog.add(b"lost\nlost too\n")
        self.assertEqual(drained(backlog)[:10], b"NEW MSG 1\n")
        backlog.add(b"later\n")
        self.assertEqual(drained(backlog), b"WARNING: 2 LOG LINES LOST\nLATER\n")

    def test_head_is_small(self) -> None:
        """What is written at once is no more than any pipe takes without making us wait."""
        backlog = Backlog()
        backlog.add(b"123456789\n" * 5000)
        self.assertEqual(len(backlog.head()), AT_ONCE)
