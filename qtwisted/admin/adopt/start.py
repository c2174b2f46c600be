"""Starts our mail system on the home of another qmail, and writes what it needs to know about it into HOME/conf.

Nothing else is written, and nothing that is there is changed: without HOME/conf and HOME/run all is as it was.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from time import monotonic
from typing import TYPE_CHECKING

from qtwisted.admin.adopt import build, callers
from qtwisted.admin.install import launchers
from qtwisted.admin.refusal import Refused
from qtwisted.admin.running import serving, takeover
from qtwisted.config.replace import ReplaceError, replace
from qtwisted.model import oserrors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qtwisted.admin.adopt import Place

READY_WITHIN = 60.0
TWISTD = "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()"
KEPT = ("PATH", "TZ", "QMAILQUEUE")
"""Variables of our environment that the mail system gets."""


def write_settings(place: Place) -> Iterator[str]:
    """Write the settings that the original had compiled in, safe on disk, and give their paths."""
    files = build.conf_files(place)
    if not files:
        return
    folder = f"{place.home}/conf"
    os.makedirs(folder, 0o755, exist_ok=True)
    os.umask(0o022)
    for name, text in files.items():
        path = f"{folder}/{name}"
        if os.path.lexists(path):
            raise Refused(f"{path} is there already, and says something else")
        try:
            replace(f"{path}.tmp", path, text.encode("utf-8", "surrogateescape"))
        except ReplaceError as trouble:
            raise Refused(f"{path} cannot be written: {oserrors.text(trouble.errno)}") from None
        yield path
    sync(place.home)


def sync(folder: str) -> None:
    """Have a directory's names safe on disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def start(place: Place, words: Sequence[str]) -> int:
    """Start the mail system in the background, and wait until it has the queue; gives its process number."""
    default = callers.told_delivery(place)
    if default is not None and "--default-delivery" not in words:
        words = ["--default-delivery", default, *words]
    line = [sys.executable, "-P", "-s", "-c", TWISTD, "--pidfile=", "qmail", "--home", place.home, *words]
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment["PYTHONPATH"] = ":".join(launchers.import_path())
    done = subprocess.run(line, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        why = done.stderr.decode("utf-8", "backslashreplace").strip().rpartition("\n")[2]
        raise Refused(f"the mail system has not started: {why}")
    return wait(place.home)


def wait(home: str) -> int:
    """Wait until the scheduler holds the queue; gives the number of the master."""
    until = monotonic() + READY_WITHIN
    while monotonic() < until:
        master = serving.master(home)
        if master is not None and takeover.is_sending(home):
            return master
        select.select([], [], [], 0.05)
    raise Refused(f"the mail system has been started, but does not hold the queue after {READY_WITHIN:.0f} seconds; "
                  "look into its log")
