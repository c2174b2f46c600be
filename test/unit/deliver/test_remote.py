"""Tests: qtwisted.deliver.remote, as far as it goes without a reactor; test.hostile runs the program."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver import remote
from qtwisted.deliver.host.reports import Report


class RunTests(SynchronousTestCase):
    """What the arguments lead to."""

    def setUp(self) -> None:
        """Have a home, and come back from it."""
        self.home = self.mktemp()
        os.mkdir(self.home)
        self.addCleanup(os.chdir, os.getcwd())

    def test_too_few_arguments(self) -> None:
        """Fewer than three arguments are refused, before anything else is looked at."""
        for arguments in ([], [b"host"], [b"host", b"sender"]):
            self.assertEqual(remote.run("/nonexistent", arguments).wire(),
                             b"DI (qmail-remote) was invoked improperly. (#5.3.5)\n\0")

    def test_no_home(self) -> None:
        """Without a home the mail waits."""
        self.assertEqual(remote.run("/nonexistent", [b"h", b"s", b"r"]).wire(),
                         b"ZUnable to switch to home directory. (#4.3.0)\n\0")

    def test_arguments(self) -> None:
        """The first argument is the host, the second the sender, the others are recipients."""
        given = []

        def deliver(*arguments: object) -> Report:
            """Take them."""
            given.append(arguments)
            return Report(b"Kok\n", (b"r",))

        self.patch(remote, "deliver", deliver)
        report = remote.run(self.home, [b"host", b"", b"r1@d", b"r2@d"])
        self.assertEqual(given, [(self.home, b"host", b"", [b"r1@d", b"r2@d"])])
        self.assertEqual(report.wire(), b"r\0Kok\n\0")
