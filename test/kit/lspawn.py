"""qmail-lspawn as a process of its own: orders in, reports out."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import TYPE_CHECKING

from qtwisted.wire.spawn import Order, Report, ReportReader, order_bytes
from test.kit.code import code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twisted.trial.unittest import SynchronousTestCase

PATIENCE = 60.0
VARIABLES = frozenset((
    "USER", "HOME", "SHELL", "PATH", "HOST", "HOST2", "HOST3", "HOST4", "LOCAL", "EXT", "EXT2", "EXT3", "EXT4",
    "SENDER", "NEWSENDER", "RECIPIENT", "DTLINE", "RPLINE", "UFLINE"))
"""What a program in a .qmail file finds in its environment, DEFAULT aside."""

OF_THE_SHELL = frozenset(("PWD", "OLDPWD", "SHLVL", "_"))
"""What some shells add by themselves."""

MODULE = "qtwisted.deliver.lspawn"


class Lspawn:
    """A running qmail-lspawn; it ends with the test at the latest."""

    def __init__(self, test: SynchronousTestCase, home: str, words: Sequence[str], environment: Mapping[str, str],
                 **who: object) -> None:
        """Start it by these words for *home*, and read its greeting."""
        self.test = test
        self.home = home
        self.process = subprocess.Popen(  # type: ignore[call-overload]
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env={**environment, "QMAILHOME": home}, **who)
        test.addCleanup(self.end)
        self._reports: list[Report] = []
        self._reader = ReportReader()
        self._sent = 0
        self.slots = self._read()[0]

    def message(self, name: str, text: bytes, owner: tuple[int, int] | None = None) -> bytes:
        """Put a message into queue/mess; returns its messid."""
        path = f"{self.home}/queue/mess/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text)
        if owner is not None:
            os.chown(path, *owner)
        return name.encode()

    def write(self, data: bytes) -> None:
        """Write to its orders."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def order(self, delnum: int, messid: bytes, recipient: bytes, sender: bytes = b"s@t") -> None:
        """Give an order."""
        self.write(order_bytes(Order(delnum, messid, sender, recipient)))

    def deliver(self, messid: bytes, recipient: bytes, sender: bytes = b"s@t") -> bytes:
        """Give an order while nothing else is going on; returns the report."""
        self.order(0, messid, recipient, sender)
        return self.report(0)

    def report(self, delnum: int, patience: float = PATIENCE) -> bytes:
        """Wait for the report on a delivery."""
        limit = time.monotonic() + patience
        while True:
            for report in self._reports:
                if report.delnum == delnum:
                    self._reports.remove(report)
                    return report.text
            self._reports += self._reader.received(self._read(limit - time.monotonic()))

    def next_report(self) -> Report:
        """Wait for any report."""
        while not self._reports:
            self._reports += self._reader.received(self._read())
        return self._reports.pop(0)

    def has_reported(self) -> bool:
        """Is there a report already, on whatever delivery?"""
        assert self.process.stdout is not None
        return bool(self._reports or select.select([self.process.stdout], [], [], 0)[0])

    def _read(self, patience: float = PATIENCE) -> bytes:
        """Read what it writes, waiting for it."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], max(0.0, patience))[0]:
            self.test.fail("qmail-lspawn is silent")
        data = os.read(self.process.stdout.fileno(), 65536)
        if not data:
            self.test.fail(f"qmail-lspawn has ended: {self.process.wait()} {self.process.stderr.read()!r}")
        return data

    def close_orders(self) -> None:
        """Let it see the end of its orders."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> int:
        """End it; returns its exit code."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        end_below(os.path.dirname(self.home))
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            end_below(os.path.dirname(self.home))

    def children(self) -> list[int]:
        """The processes it is the parent of."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return [int(word) for word in file.read().split()]


def end_below(place: str) -> None:
    """End what users' programs have left running: whatever works in a directory below the test's own."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(place + "/"):
                os.kill(int(pid), 9)
        except OSError:
            continue


def program(default: str = "./Mailbox") -> list[str]:
    """The command line of the program."""
    return code().module(MODULE, default)
