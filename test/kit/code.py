"""The programs under test, in a place where every user can run them."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from functools import cache
from typing import NamedTuple

from qtwisted.admin.install import launchers, portable, reach

NOBODY = 65534


class Code(NamedTuple):
    """An interpreter, and where it finds our package."""

    executable: str
    path: str

    def environment(self) -> dict[str, str]:
        """What a program of ours needs in its environment, and nothing else."""
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONPATH": self.path,
                "PYTHONDONTWRITEBYTECODE": "1"}

    def module(self, name: str, *words: str) -> list[str]:
        """The command line that runs a module as a program."""
        return [self.executable, "-P", "-s", "-m", name, *words]

    def twistd(self, *words: str) -> list[str]:
        """The command line of twistd."""
        run = "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()"
        return [self.executable, "-P", "-s", "-c", run, "--pidfile=", *words]


@cache
def code() -> Code:
    """The checkout and our own interpreter, or readable copies if other users could not reach them."""
    root = launchers.package_root()
    if os.geteuid() != 0 or all(reach.obstacle(path, NOBODY, [NOBODY]) is None for path in reach.needed()):
        return Code(sys.executable, root)
    executable = portable.interpreter(NOBODY, [NOBODY])
    if executable is None:
        raise AssertionError(f"nobody but root can run {sys.executable}; use the python3 of the system")
    place = tempfile.mkdtemp(prefix="qtwisted-code-", dir="/var/tmp")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.chmod(place, 0o755)
    portable.copy(place)
    return Code(executable, place)
