"""Real file systems that lose power: root only.

A file system lies in an image file and is mounted in a private mount namespace, which ends with the test and takes
everything mounted along. What was not synced is not in the image, because the file systems are mounted so that they
write nothing of their own accord for minutes. So a copy of the image is the disk after a power cut at that moment;
``cut`` mounts the copy, for which the file system plays back its journal as it would after a real one.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from test.kit.homes import scratch
from test.kit.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twisted.trial.unittest import SynchronousTestCase


class Kind(NamedTuple):
    """One kind of file system: how its image is made, its size in MB, and how it and a copy of it are mounted."""

    make: Sequence[str]
    size: int
    options: str
    copy_options: str


KINDS = {
    "ext4": Kind(("mkfs.ext4", "-q", "-F"), 64, "loop,commit=300", "loop"),
    # A copy has the identity of the original, which is still mounted.
    "xfs": Kind(("mkfs.xfs", "-q", "-f"), 320, "loop", "loop,nouuid"),
}
_ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"}


def _done(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=_ENVIRONMENT)


class FileSystem:
    """A mounted image. ``inside`` runs programs that see it below ``name``; this process finds it below ``path``."""

    def __init__(self, test: SynchronousTestCase, kind: str) -> None:
        """Make and mount it; it is gone after the test."""
        self.kind = KINDS[kind]
        self.place = scratch(test)
        self.cuts = 0
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        test.addCleanup(self._holder.communicate)
        assert self._holder.stdout is not None and self._holder.stdout.readline() == b"ready\n"
        self.name, self._copied = f"{self.place}/disk", f"{self.place}/copied"
        for directory in (self.name, self._copied):
            os.mkdir(directory)
        self.path = self.seen(self.name)
        self._image, self._copy = f"{self.place}/image", f"{self.place}/image.copy"
        with open(self._image, "wb") as file:
            file.truncate(self.kind.size << 20)
        self._run(*self.kind.make, self._image)
        self._mount()
        os.chmod(self.path, 0o755)

    def inside(self, words: Sequence[str], user: int | None = None) -> list[str]:
        """The command line that runs *words* where the file system is mounted, as *user* if that is given."""
        line = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--"]
        if user is not None:
            line += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        return [*line, *words]

    def seen(self, name: str) -> str:
        """Where this process finds a file that programs inside call *name*."""
        return f"/proc/{self._holder.pid}/root{name}"

    def settle(self) -> None:
        """Make durable what is there now, like all that a test begins with."""
        self._run("sync", "--file-system", self.path)

    @contextmanager
    def cut(self) -> Iterator[str]:
        """What a power cut now would leave, mounted beside the original: the path for this process.

        Whoever writes to the file system must stand still while the copy is made.
        """
        self.snapshot()
        self._run(*self.inside(["mount", "-o", self.kind.copy_options, self._copy, self._copied]))
        try:
            yield self.seen(self._copied)
        finally:
            self._run(*self.inside(["umount", self._copied]))

    def snapshot(self) -> None:
        """Keep what a power cut now would leave."""
        self.cuts += 1
        self._run("cp", "--sparse=always", self._image, self._copy)

    def lose_power(self) -> None:
        """Go on with what ``snapshot`` has kept; whoever still uses the file system is waited for."""
        unmount = self.inside(["umount", self.name])
        wait_until(lambda: _done(unmount).returncode == 0, "nobody uses the file system")
        os.rename(self._copy, self._image)
        self._mount()

    def _mount(self) -> None:
        """Mount the image."""
        self._run(*self.inside(["mount", "-o", self.kind.options, self._image, self.name]))

    def _run(self, *words: str) -> None:
        """Run a program of the system; without loop devices there is no test of power cuts, which is a failure."""
        done = _done(words)
        if done.returncode != 0:
            raise AssertionError(
                f"power cuts cannot be tried on this machine: {' '.join(words)}: {done.stderr.strip()}")
