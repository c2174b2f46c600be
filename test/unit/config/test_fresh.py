"""A value made from files follows them."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.fresh import fresh


class FreshTests(SynchronousTestCase):
    """When a value is loaded."""

    def setUp(self) -> None:
        """Make a value of two files that counts how often it is loaded."""
        self.paths = [self.mktemp(), self.mktemp()]
        self.loads = 0
        self.fault = ""
        self.value = fresh(self.paths, self.load)

    def load(self) -> int:
        """Load the value, or fail."""
        if self.fault:
            raise ValueError(self.fault)
        self.loads += 1
        return self.loads

    def put(self, at: int, text: bytes) -> None:
        """Put a new version of a file in place."""
        with open(self.paths[at] + ".tmp", "wb") as file:
            file.write(text)
        os.rename(self.paths[at] + ".tmp", self.paths[at])

    def test_unchanged_files_are_not_read_again(self) -> None:
        """The value is loaded at the first use and kept, missing files included."""
        self.assertEqual([self.value(), self.value()], [1, 1])

    def test_each_change_is_seen(self) -> None:
        """A file that appears, is replaced, is written in place, or goes away, brings a new value."""
        self.value()
        self.put(1, b"a")
        self.assertEqual(self.value(), 2)
        self.put(1, b"b")
        self.assertEqual(self.value(), 3)
        with open(self.paths[1], "ab") as file:
            file.write(b"c")
        self.assertEqual(self.value(), 4)
        os.unlink(self.paths[1])
        self.assertEqual([self.value(), self.value()], [5, 5])

    def test_failure_is_tried_again(self) -> None:
        """What loading raises is raised, and the next use loads again."""
        self.fault = "x"
        self.assertRaises(ValueError, self.value)
        self.assertRaises(ValueError, self.value)
        self.fault = ""
        self.assertEqual(self.value(), 1)
