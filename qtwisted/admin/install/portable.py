"""Copy our package, and those it is built on, to a place that every user can read.

For trying the system out as root from a private directory, and for tests: deliveries run under the uid of the
recipient, who must be able to read what he runs.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from qtwisted.admin.install import launchers, reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NEEDED = ("twisted", "pyopenssl", "service-identity", "dnspython")
OURS = ("qtwisted", "twisted/plugins/qmail_plugin.py", "setup.cfg")
PLACES = ("/usr/local/bin", "/usr/bin")


def distributions(names: Sequence[str] = NEEDED) -> Iterator[metadata.Distribution]:
    """The installed packages *names* and, each once, what they need."""
    waiting = list(names)
    seen = set()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # needed on other systems only
        yield found
        waiting += [_bare(need) for need in found.requires or () if "extra ==" not in need]


def _bare(requirement: str) -> str:
    """The name at the beginning of a requirement."""
    for number, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:number]
    return requirement


def copy(target: str) -> None:
    """Bring the copy in *target* up to date, readable by everybody."""
    former = os.umask(0o022)
    try:
        for distribution in distributions():
            for file in distribution.files or ():
                if ".." not in file.parts and not str(file).endswith(".pyc"):
                    _copy_file(str(distribution.locate_file(file)), os.path.join(target, file))
        root = launchers.package_root()
        for name in OURS:
            source = os.path.join(root, name)
            for path in [source] if os.path.isfile(source) else _files(source):
                _copy_file(path, os.path.join(target, os.path.relpath(path, root)))
    finally:
        os.umask(former)


def _files(directory: str) -> Iterator[str]:
    """Every source file below *directory*."""
    for here, below, names in os.walk(directory):
        below[:] = [name for name in below if name != "__pycache__"]
        yield from (os.path.join(here, name) for name in names)


def _copy_file(source: str, target: str) -> None:
    """Copy one file unless the copy is as new."""
    if os.path.exists(target) and os.stat(target).st_mtime == os.stat(source).st_mtime:
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source, target)
    os.chmod(target, 0o755 if os.stat(source).st_mode & 0o111 else 0o644)


def interpreter(uid: int, gids: Sequence[int]) -> str | None:
    """An interpreter of our own version that user *uid* can run, if there is one on this machine."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = getattr(sys, "_base_executable", None) or sys.executable
    for path in (base, *(f"{place}/{version}" for place in PLACES)):
        if os.path.exists(path) and reach.obstacle(path, uid, gids) is None:
            return str(path)
    return None
