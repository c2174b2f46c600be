"""Tests for qtwisted.deliver.user.programs: what begins in the worst moment ends with us all the same."""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install.launchers import package_root
from test.kit.running import wait_until

TOLD_TOO_SOON = """\
import os, signal
from qtwisted.deliver.user import programs
spawn = os.posix_spawn

def told(*words, **more):
    pid = spawn(*words, **more)
    os.kill(os.getpid(), signal.SIGTERM)
    print(pid, flush=True)
    return pid

os.posix_spawn = told
programs.end_with_us(signal.SIGTERM)
programs.run(b"exec sleep 3600", {}, os.open("/dev/null", os.O_RDONLY), None)
"""


def is_over(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked for its status yet."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] == b"Z"
    except OSError:
        return True


class EndTests(SynchronousTestCase):
    """Programs do not outlive the delivery."""

    def test_told_while_it_starts(self) -> None:
        """A signal that comes when the program has begun, and we do not know it yet, ends the program as well."""
        words = [sys.executable, "-c", TOLD_TOO_SOON]
        done = subprocess.run(words, cwd=package_root(), capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        wait_until(lambda: is_over(int(done.stdout)), "the end of the program")
