"""Tests: whom root becomes to start a mail system, and what it does not run."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import launch
from qtwisted.admin.install import launchers
from qtwisted.admin.refusal import Refused


class LaunchTests(SynchronousTestCase):
    """Homes of root and of others."""

    if os.geteuid():
        skip = "needs root, who has something to lose"

    def setUp(self) -> None:
        """Make a home."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(self.home, 0o755)
        self.script = f"{self.home}/rc"
        with open(self.script, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n")

    def test_owner(self) -> None:
        """The mail system of somebody else's home is started as him, its logger too."""
        self.assertEqual(launch.owner(self.home), {})
        os.chown(self.home, 65534, 65533)
        wanted = {"user": 65534, "group": 65533, "extra_groups": []}
        self.assertEqual((launch.owner(self.home), launch.log_user(self.home)), (wanted, wanted))

    def test_script(self) -> None:
        """Root runs no script of root's home that others can write."""
        os.chmod(self.script, 0o755)
        launch.check(self.script)
        for mode, uid in ((0o775, 0), (0o757, 0), (0o755, 65534)):
            os.chmod(self.script, mode)
            os.chown(self.script, uid, 0)
            self.assertRaises(Refused, launch.check, self.script)

    def test_another_qmail(self) -> None:
        """In a home that was adopted rc would start the qmail from before: it is not run, and what to run is said."""
        program = f"{self.home}/bin/qmail-start"
        os.mkdir(os.path.dirname(program))
        with open(program, "w", encoding="ascii") as file:
            file.write(launchers.script(self.home, "qtwisted.admin.start", "main"))
        launch.check_programs(self.home)
        with open(program, "wb") as binary:
            binary.write(b"\x7fELF\x02\x01\x01")
        trouble = self.assertRaises(Refused, launch.check_programs, self.home)
        self.assertIn(f"qmailctl --home {self.home} adopt --start", str(trouble))
