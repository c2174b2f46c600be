"""The files in control/: is each one known, and can those who need it read it?"""

from __future__ import annotations

import difflib
import os
import stat
from typing import TYPE_CHECKING

from qtwisted.admin.checks import UNKNOWN, UNREADABLE, Finding
from qtwisted.admin.checks.build import settings
from qtwisted.admin.install import reach
from qtwisted.config.declared import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.config.conf import Ids

COMPILED = ("morercpthosts.cdb",)
"""Files in control/ that a program of ours writes."""
READERS = {
    "qmail-smtpd": ("qmaild", "nofiles"), "qmail-qmtpd": ("qmaild", "nofiles"), "qmail-qmqpd": ("qmaild", "nofiles"),
    "qmail-popup": ("qmaild", "nofiles"), "qmail-queue": ("qmailq", "qmail"), "qmail-send": ("qmails", "qmail"),
    "qmail-remote": ("qmailr", "qmail"), "qmail-rspawn": ("qmailr", "qmail"),
}
"""As whom the readers of control files run; users run the others, or root does."""
BY_USERS = ("qmail-inject", "qmail-qmqpc")
ANYBODY = 65534


def check(home: str) -> Iterator[Finding]:
    """Look at every name in control/."""
    try:
        names = sorted(os.listdir(os.path.join(home, "control")))
    except OSError:
        return  # that it is missing or closed has been said
    found = settings(home)
    for name in names:
        path = os.path.join(home, "control", name)
        yield from known(path, name)
        if found is not None:
            yield from readable(path, name, found[1])


def known(path: str, name: str) -> Iterator[Finding]:
    """A file that no program reads: perhaps its name is spelt wrongly."""
    if name in COMPILED:
        return
    if name not in BY_NAME:
        near = difflib.get_close_matches(name, BY_NAME, 1, 0.8)
        hint = f"; is {near[0]} meant?" if near else ""
        yield Finding(UNKNOWN, path, None, f"no program knows this file{hint}")
    elif not os.path.isfile(path):
        yield Finding(UNKNOWN, path, None, "is not a file")


def readable(path: str, name: str, ids: Ids) -> Iterator[Finding]:
    """A file that one of its readers cannot read."""
    if name not in BY_NAME or not os.path.isfile(path):
        return
    for reader in BY_NAME[name].readers:
        who, uid, gid = reading(reader, ids)
        blocked = reach.obstacle(path, uid, [gid])
        if blocked is not None:
            place = "" if blocked == path else f" ({blocked} is closed)"
            yield Finding(UNREADABLE, path, None, f"{reader}, run by {who}, cannot read this file{place}")
            return


def reading(reader: str, ids: Ids) -> tuple[str, int, int]:
    """Who runs a program that reads control files: in words, and in numbers."""
    if reader in READERS:
        user, group = READERS[reader]
        return user, getattr(ids, user + "_uid"), getattr(ids, group + "_gid")
    return ("users", ANYBODY, ANYBODY) if reader in BY_USERS else ("root", 0, 0)


def is_open(path: str) -> bool:
    """Can everybody read this file?"""
    return bool(os.stat(path).st_mode & stat.S_IROTH)
