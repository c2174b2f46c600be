"""What ``make it man`` makes, for homes of tests: the packages are collected once in each process."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from functools import cache

from qtwisted.admin.install import collecting, launchers


@cache
def collected() -> str:
    """A build for the usual home."""
    place = tempfile.mkdtemp(prefix="qtwisted-build-", dir="/var/tmp")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.chmod(place, 0o755)
    root = launchers.package_root()
    for name in ("etc", "docs", "setup.cfg", "README.rst"):
        os.symlink(f"{root}/{name}", f"{place}/{name}")
    collecting.collect(place, f"{place}/build")
    sys.path.insert(0, f"{root}/docs")
    try:
        import manpages  # type: ignore[import-not-found]
    finally:
        sys.path.remove(f"{root}/docs")
    manpages.main([f"{place}/build/man"])
    return f"{place}/build"


def build_for(place: str, home: str, **settings: str) -> str:
    """A build for another home, in *place*; *settings* are build settings without their ``conf-``."""
    found, target = collected(), f"{place}/build"
    os.mkdir(target)
    for name in ("site", "doc", "man"):
        os.symlink(f"{found}/{name}", f"{target}/{name}")
    shutil.copy(f"{found}/site.id", f"{target}/site.id")
    shutil.copytree(f"{found}/conf", f"{target}/conf")
    for name, text in {"qmail": home, **settings}.items():
        with open(f"{target}/conf/conf-{name}", "w", encoding="utf-8") as file:
            file.write(text + "\n")
    collecting.boot(f"{launchers.package_root()}/etc/boot", f"{target}/boot", home)
    return target
