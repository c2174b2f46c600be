"""The types hold."""

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install.launchers import package_root


class TypeTests(SynchronousTestCase):
    """mypy has nothing to say."""

    timeout = 600

    def test_strict(self) -> None:
        """Every module is checked strictly and clean."""
        cache = os.path.abspath(self.mktemp())
        done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", cache], cwd=package_root(),
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
