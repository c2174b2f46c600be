"""The build settings in HOME/conf: can they be read, do they make sense, and do the users and groups exist?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.admin.checks import CONF, Finding
from qtwisted.config import conf as build
from qtwisted.config.control import ControlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.config.conf import Conf, Ids


def settings(home: str) -> tuple[Conf, Ids] | None:
    """The build settings of a home and the numbers of its users; None if they make no sense."""
    try:
        conf = build.load(home)
        return conf, build.ids(conf)
    except ControlError:
        return None


def check(home: str) -> Iterator[Finding]:
    """Tell what is wrong with the first setting that makes no sense; without it the others mean little."""
    try:
        ids = build.ids(build.load(home))
    except ControlError as trouble:
        yield Finding(CONF, os.path.join(home, trouble.file), trouble.line, trouble.why)
        return
    yield from elsewhere(home)
    yield from shared(home, ids)


def elsewhere(home: str) -> Iterator[Finding]:
    """A home that was moved: its programs still look for everything where it was built for."""
    path = os.path.join(home, "conf/conf-qmail")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            built_for = file.readline().rstrip()
    except OSError:
        return  # a home that was made by qmail-config has none
    if os.path.realpath(built_for) != os.path.realpath(home):
        yield Finding(CONF, path, 1, f"says {built_for}, but this home is {home}")


def shared(home: str, ids: Ids) -> Iterator[Finding]:
    """Users who are one and the same protect nobody from each other; a home of one user has only one, and says so."""
    numbers = [ids.alias_uid, ids.qmaild_uid, ids.qmaill_uid, ids.qmailp_uid, ids.qmailq_uid, ids.qmailr_uid,
               ids.qmails_uid]
    if len({*numbers, ids.root_uid}) == 1:
        return
    path = os.path.join(home, "conf/conf-users")
    if ids.root_uid in numbers:
        yield Finding(CONF, path, None, "has a user of mail who is the owner of the programs, too")
    elif len(set(numbers)) < len(numbers):
        yield Finding(CONF, path, None, "names users with the same number; nothing separates them")
    if ids.qmail_gid == ids.nofiles_gid:
        yield Finding(CONF, os.path.join(home, "conf/conf-groups"), None, "names two groups with the same number")
