"""What the tests of programs that compile a file of a home have in common."""

from __future__ import annotations

import io
import os
import sys

from twisted.trial.unittest import SynchronousTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ProgramCase(SynchronousTestCase):
    """A home to run a program in, with its output caught."""

    def setUp(self) -> None:
        """Make the home, and restore afterwards what the program changes of the process."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/users")
        os.makedirs(f"{self.home}/control")
        self.patch(os, "environ", {"QMAILHOME": self.home})
        self.addCleanup(os.chdir, os.getcwd())
        self.addCleanup(os.umask, os.umask(0o22))

    def put(self, name: str, text: bytes) -> None:
        """Write a file of the home."""
        with open(f"{self.home}/{name}", "wb") as file:
            file.write(text)

    def get(self, name: str) -> bytes:
        """Read a file of the home."""
        with open(f"{self.home}/{name}", "rb") as file:
            return file.read()

    def run_program(self, main: Callable[[Sequence[str]], int], *words: str) -> tuple[int, str]:
        """Run a program; give its exit code and all it said."""
        said = io.StringIO()
        self.patch(sys, "stderr", said)
        self.patch(sys, "stdout", said)
        code = main(["program", *words])
        return code, said.getvalue()
