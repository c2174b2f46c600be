"""The import contracts of setup.cfg hold: mail flows one way, and light and pure modules stay so."""

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install.launchers import package_root

HEAVY = ("twisted", "zope", "attr", "dataclasses", "typing", "re", "asyncio")
STARTED_PER_MESSAGE = ("qtwisted.accept.submit.inject", "qtwisted.accept.submit.sendmail", "qtwisted.store.queue",
                       "qtwisted.deliver.local")
LOAD = "import sys; sys.path.insert(0, {root!r}); import {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"


class ImportTests(SynchronousTestCase):
    """Who may import whom."""

    def test_contracts(self) -> None:
        """Every contract is kept."""
        program = os.path.join(os.path.dirname(sys.executable), "lint-imports")
        done = subprocess.run([program, "--no-cache"], cwd=package_root(), capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_light(self) -> None:
        """What is started once per message loads nothing that costs milliseconds."""
        for module in STARTED_PER_MESSAGE:
            script = LOAD.format(root=package_root(), module=module, heavy=HEAVY)
            done = subprocess.run([sys.executable, "-ISs", "-c", script], capture_output=True, text=True, check=False)
            self.assertEqual((done.stdout.strip(), done.stderr), ("", ""), module)
