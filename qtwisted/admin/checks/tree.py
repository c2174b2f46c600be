"""Every directory and file that a home must have: is it there, is it whose and what it should be? (instcheck.c)"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from qtwisted.admin.checks import CONF, GROUP, MISSING, OWNER, PERMISSIONS, TYPE, UNREACHED, Finding
from qtwisted.admin.checks.build import settings
from qtwisted.admin.install import hier, manifest
from qtwisted.config.control import ControlError
from qtwisted.model import oserrors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.install.hier import Entry
    from qtwisted.config.conf import Ids

_TYPES = {hier.DIRECTORY: stat.S_ISDIR, hier.FIFO: stat.S_ISFIFO, hier.FILE: stat.S_ISREG}


def check(home: str) -> Iterator[Finding]:
    """Compare what is there with what must be."""
    found = settings(home)
    if found is None:
        return
    conf, ids = found
    for entry in hier.home(conf):
        yield from compare(home, entry, ids)
    try:
        installed = manifest.read(home)
    except ControlError as trouble:
        yield Finding(CONF, os.path.join(home, trouble.file), trouble.line, trouble.why)
        return
    if installed is None and os.path.exists(os.path.join(home, "conf/conf-qmail")):
        yield Finding(MISSING, os.path.join(home, manifest.NAME), None, "does not exist")
    for entry in installed or ():
        yield from compare(home, entry, ids)


def compare(home: str, entry: Entry, ids: Ids) -> Iterator[Finding]:
    """Look at one thing: owner, group, permissions, type, in this order."""
    path = os.path.join(home, entry.path) if entry.path else home
    try:
        status = os.stat(path)
    except FileNotFoundError:
        yield Finding(MISSING, path, None, "does not exist")
        return
    except PermissionError:
        if os.geteuid() == 0:
            yield Finding(UNREACHED, path, None, oserrors.text(13))
        return
    except OSError as trouble:
        yield Finding(UNREACHED, path, None, oserrors.text(trouble.errno or 0))
        return
    uid, gid = hier.numbers(entry, ids)
    if status.st_uid != uid:
        yield Finding(OWNER, path, None, "has wrong owner")
    if status.st_gid != gid:
        yield Finding(GROUP, path, None, "has wrong group")
    if stat.S_IMODE(status.st_mode) != entry.mode:
        yield Finding(PERMISSIONS, path, None, "has wrong permissions")
    if not _TYPES[entry.kind](status.st_mode):
        yield Finding(TYPE, path, None, "has wrong type")
