"""Logs longer than memory are read as a stream."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code

LINES = (b"Nov 30 04:45:%02d host qmail: 1796013901.%06d new msg %d\n"
         b"Nov 30 04:45:%02d host qmail: 1796013901.%06d info msg %d: bytes 999 from <a%d@x.example> qp %d uid 5\n"
         b"Nov 30 04:45:%02d host qmail: 1796013901.%06d starting delivery %d: msg %d to remote b%d@x.example\n"
         b"Nov 30 04:45:%02d host qmail: 1796013901.%06d delivery %d: deferral: Try_later,_%d/\n"
         b"Nov 30 04:45:%02d host qmail: 1796013901.%06d end msg %d\n")
PART = 2_000_000


def part(first: int) -> tuple[bytes, int]:
    """A part of a log, and the number after its last message."""
    def messages() -> Iterator[bytes]:
        """The lines of each message."""
        size, at = 0, first
        while size < PART:
            at += 1
            now = (at % 60, at % 1_000_000)
            text = LINES % (*now, at, *now, at, at % 1000, at, *now, at, at, at % 1000, *now, at, at, *now, at)
            size += len(text)
            yield text

    pieces = list(messages())
    return b"".join(pieces), first + len(pieces)


def peak(pid: int) -> int:
    """The most memory that a process has had, in kilobytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


class MemoryTests(SynchronousTestCase):
    """Ten megabytes need no more memory than four."""

    def grows(self, *words: str) -> int:
        """Feed a command with a log; returns by how many kilobytes it has grown after the second part."""
        line = code().module("qtwisted.admin.qmailctl", *words, "--log", "-")
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=code().environment())
        self.addCleanup(process.kill)
        assert process.stdin is not None
        at, early = 0, 0
        for number in range(5):
            text, at = part(at)
            process.stdin.write(text)
            process.stdin.flush()
            if number == 1:
                early = peak(process.pid)
        late = peak(process.pid)
        out, errors = process.communicate()
        self.assertEqual((process.returncode, errors), (0, b""))
        self.assertTrue(out)
        return late - early

    def test_summary(self) -> None:
        """summary has its tables, and no more."""
        self.assertLess(self.grows("summary"), 12_000)

    def test_trace(self) -> None:
        """trace has what is open, what was a while ago, and no more."""
        self.assertLess(self.grows("trace", "qp", "77"), 12_000)
