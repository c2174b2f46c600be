"""Tests for qtwisted.admin.install.portable: the copy of our packages is complete and open to everybody."""

import os
import stat
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install import portable


class PortableTests(SynchronousTestCase):
    """A copy that anybody can run."""

    def test_complete(self) -> None:
        """With nothing but the copy the mail system and all it needs can be imported, and twistd knows it."""
        target = os.path.abspath(self.mktemp())
        portable.copy(target)
        script = ("import qtwisted.admin.running.master, qtwisted.deliver.remote, dns, OpenSSL, service_identity\n"
                  "from twisted.plugin import getPlugins; from twisted.application.service import IServiceMaker\n"
                  "print([one.tapname for one in getPlugins(IServiceMaker) if one.tapname == 'qmail'])\n")
        done = subprocess.run([sys.executable, "-S", "-P", "-s", "-c", script], capture_output=True, text=True,
                              check=False, env={"PYTHONPATH": target, "PYTHONDONTWRITEBYTECODE": "1"}, cwd="/")
        self.assertEqual((done.stdout, done.stderr), ("['qmail']\n", ""))
        modes = {stat.S_IMODE(os.stat(os.path.join(here, name)).st_mode)
                 for here, _, names in os.walk(target) for name in names}
        self.assertEqual(modes - {0o644, 0o755}, set())

    def test_again(self) -> None:
        """What has not changed is not copied a second time."""
        target = os.path.abspath(self.mktemp())
        portable.copy(target)
        before = os.stat(f"{target}/qtwisted/__init__.py").st_ino, os.stat(f"{target}/setup.cfg").st_ctime_ns
        portable.copy(target)
        after = os.stat(f"{target}/qtwisted/__init__.py").st_ino, os.stat(f"{target}/setup.cfg").st_ctime_ns
        self.assertEqual(before, after)

    def test_each_once(self) -> None:
        """What is needed by what we need is found, each package once."""
        names = [found.metadata["Name"].lower() for found in portable.distributions()]
        self.assertEqual(len(names), len(set(names)))
        for name in ("twisted", "zope.interface", "cryptography", "dnspython"):
            self.assertIn(name, names)

    def test_interpreter(self) -> None:
        """root can run some interpreter of our version."""
        self.assertIsNotNone(portable.interpreter(0, []))
