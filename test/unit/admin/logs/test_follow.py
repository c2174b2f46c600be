"""What is added to a log is read, through rotation."""

from __future__ import annotations

import gzip
import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.logs.follow import Follower
from qtwisted.admin.logs.sources import Place
from qtwisted.model.logreading import LONGEST
from qtwisted.model.logstamps import Line


class FollowTests(SynchronousTestCase):
    """A file that grows."""

    def setUp(self) -> None:
        """Make a log that has a past."""
        self.path = os.path.abspath(self.mktemp())
        self.add(b"new msg 1\n")
        self.follower = Follower(Place((self.path,)))
        self.addCleanup(self.follower.close)

    def add(self, data: bytes) -> None:
        """Append to the log."""
        with open(self.path, "ab") as file:
            file.write(data)

    def told(self) -> list[bytes]:
        """What the new lines say."""
        lines: list[Line] = self.follower.new()
        return [line.event.line() for line in lines]

    def test_grows(self) -> None:
        """Only what is new is given, whole lines only."""
        self.assertEqual(self.told(), [])
        self.add(b"new msg 2\nnew m")
        self.assertEqual(self.told(), [b"new msg 2"])
        self.add(b"sg 3\n")
        self.assertEqual(self.told(), [b"new msg 3"])

    def test_renamed(self) -> None:
        """A log that goes on in a new file is followed there; the last lines of the old one are not missed."""
        self.add(b"new msg 2\n")
        os.rename(self.path, self.path + ".1")
        self.assertEqual(self.told(), [b"new msg 2"])
        self.assertEqual(self.told(), [])
        self.add(b"new msg 3\n")
        self.assertEqual(self.told(), [b"new msg 3"])

    def test_emptied(self) -> None:
        """A log that is emptied in its place is read from its beginning."""
        self.add(b"new msg 2 is a long line\n")
        self.told()
        os.truncate(self.path, 0)
        self.add(b"new msg 3\n")
        self.assertEqual(self.told(), [b"new msg 3"])

    def test_endless(self) -> None:
        """A line without end is not collected for ever."""
        for _ in range(5):
            self.add(b"x" * LONGEST)
            self.told()
        self.assertLessEqual(len(self.follower._rest), LONGEST)

    def test_refused(self) -> None:
        """What cannot be followed says so."""
        packed = self.path + ".gz"
        with open(packed, "wb") as file:
            file.write(gzip.compress(b""))
        for files in ((packed,), ("-",), (), (self.path + ".none",)):
            self.assertRaises(OSError, Follower, Place(files))
