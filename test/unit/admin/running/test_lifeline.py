"""Tests for qtwisted.admin.running.lifeline: the end of everything that a unit began is noticed."""

import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.running.lifeline import Lifeline
from test.kit.running import wait_until


class Reactor:
    """Remembers who wants to be told of what can be read."""

    def __init__(self) -> None:
        """Nobody does."""
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        """One does."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """He does no more."""
        self.readers.remove(reader)


class LifelineTests(SynchronousTestCase):
    """A pipe that nobody writes to."""

    def setUp(self) -> None:
        """Make one, with another process (so to speak) that holds it."""
        self.reactor = Reactor()
        self.ended: list[bool] = []
        self.lifeline = Lifeline(self.reactor, lambda: self.ended.append(True))
        self.other = os.dup(self.lifeline.write_end)
        self.lifeline.handed_over()

    def test_end(self) -> None:
        """When the last holder lets go, that is told once, and nothing stays open."""
        self.assertEqual(self.reactor.readers, [self.lifeline])
        os.close(self.other)
        self.reactor.readers[0].doRead()
        self.lifeline.connectionLost(None)
        self.assertEqual((self.ended, self.reactor.readers, self.lifeline.fileno()), ([True], [], -1))

    def test_forks(self) -> None:
        """Whoever runs under one of the given command lines can be found by number."""
        os.close(self.other)
        self.lifeline.doRead()
        words = ["sleep", "61.25"]
        self.assertEqual(self.lifeline.forks([words]), [])
        pid = os.posix_spawn("/bin/sleep", words, {})
        try:
            wait_until(lambda: Path(f"/proc/{pid}/cmdline").read_bytes(), "its words")
            self.assertEqual(self.lifeline.forks([["sleep"], words]), [pid])
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    def test_holders(self) -> None:
        """Whoever else holds it can be found by number."""
        self.assertEqual(self.lifeline.holders(), [])
        pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], {}, file_actions=[
            (os.POSIX_SPAWN_DUP2, self.other, 60)])
        try:
            self.assertEqual(self.lifeline.holders(), [pid])
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            os.close(self.other)
            self.lifeline.doRead()
