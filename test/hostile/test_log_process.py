"""Anybody can start a process that looks as if it carried the log; root does not read what it names."""

from __future__ import annotations

import subprocess

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.logs import sources
from qtwisted.admin.refusal import Refused
from test.kit.code import NOBODY, code
from test.kit.homes import scratch
from test.kit.world import NOT_ROOT


class ForgedCarrierTests(SynchronousTestCase):
    """A command line is believed only of those who may carry the log."""

    skip = NOT_ROOT

    def carrier(self, home: str, log: str, **who: object) -> None:
        """Start a process whose command line says that the log of *home* goes to *log*."""
        words = [code().executable, "-c", "print(flush=True); input()", "/x/qtwisted/system/start.py", "log",
                 f"home={home}", f"command=tee {log}"]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **who)  # type: ignore[call-overload]
        self.addCleanup(process.communicate)
        process.stdout.readline()

    def test_stranger(self) -> None:
        """One of a user who has nothing to do with the mail system is not asked; one of root's is."""
        home = scratch(self)
        log = f"{home}/log"
        with open(log, "wb"):
            pass
        self.carrier(home, log, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
        self.assertRaises(Refused, sources.found, home)
        self.carrier(home, log)
        self.assertEqual(sources.found(home).files, (log,))
