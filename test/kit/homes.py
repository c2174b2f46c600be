"""Homes for tests: a scratch directory, made with qmail-config, served for one user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

from test.kit.code import NOBODY, code
from test.kit.running import Running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.trial.unittest import SynchronousTestCase

HOST = "test.example"
PORT = ("--smtp", "tcp:0:interface=127.0.0.1")


def scratch(test: SynchronousTestCase, owner: int | None = None) -> str:
    """A directory that every user can reach; it is removed after the test."""
    place = tempfile.mkdtemp(prefix="qtwisted-test-", dir="/var/tmp")
    test.addCleanup(shutil.rmtree, place, ignore_errors=True)
    os.chmod(place, 0o755)
    if owner is not None:
        os.chown(place, owner, owner)
    return place


class SingleHome:
    """A home of one user: of nobody if root runs the test, else of whoever does."""

    def __init__(self, test: SynchronousTestCase, host: str = HOST) -> None:
        """Make it."""
        self.test = test
        self.user = (NOBODY, NOBODY) if os.geteuid() == 0 else None
        self.place = scratch(test, NOBODY if self.user else None)
        self.path = os.path.join(self.place, "home")
        done = self.run(code().module("qtwisted.admin.config", "--home", self.path, host))
        test.assertEqual(done.returncode, 0, done.stderr)

    def run(self, words: Sequence[str], data: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
        """Run a program as the user of the home, with *more* in its environment."""
        who = {"user": self.user[0], "group": self.user[1], "extra_groups": []} if self.user else {}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            words, input=data, capture_output=True, cwd="/", timeout=120,
            env={**code().environment(), **more}, **who)

    def program(self, name: str) -> str:
        """The path of one of the programs in the home."""
        return f"{self.path}/bin/{name}"

    def control(self, name: str, text: str) -> None:
        """Write a control file."""
        with open(f"{self.path}/control/{name}", "w", encoding="latin-1") as file:
            file.write(text)

    def start(self, *words: str, twistd: Sequence[str] = (), **more: str) -> Running:
        """Start the mail system in the foreground; it is ended after the test at the latest."""
        line = code().twistd("-n", *twistd, "qmail", "--home", self.path, *words)
        running = Running(line, self.path, {**code().environment(), **more}, self.user)
        self.test.addCleanup(running.kill)
        return running

    def up(self, *words: str, **more: str) -> Running:
        """Start it with a free port and one front, and wait until it is ready."""
        running = self.start(*(words or (*PORT, "--fronts", "1")), **more)
        running.ready()
        return running

    def mailbox(self) -> list[bytes]:
        """The messages in the Maildir."""
        return [self.read(name) for name in self.names()]

    def names(self) -> list[str]:
        """The names of the messages in the Maildir."""
        return sorted(os.listdir(f"{self.path}/mail/Maildir/new"))

    def read(self, name: str) -> bytes:
        """One message in the Maildir."""
        with open(f"{self.path}/mail/Maildir/new/{name}", "rb") as file:
            return file.read()

    def files(self, *folders: str) -> list[str]:
        """The files in these folders of the queue, relative to the queue."""
        found = []
        for folder in folders:
            for here, _, names in os.walk(f"{self.path}/queue/{folder}"):
                found += [os.path.relpath(os.path.join(here, name), f"{self.path}/queue") for name in names]
        return sorted(found)

    def queued(self) -> list[str]:
        """What makes a message ours: while any of these files exists, something is still to be done."""
        return self.files("todo", "info", "local", "remote", "bounce")
