"""What qmail fixed when it was built: home, users, groups and a few numbers.

The files are those of qmail's source directory, read from HOME/conf: ``conf-users`` and ``conf-groups`` (one
name a line, in qmail's order), ``conf-split``, ``conf-spawn``, ``conf-break`` and ``conf-patrn`` (first
line). A file that is missing stands for the value qmail 1.02 came with. One file is ours: ``conf-recycle``, 0
to have every queue file made anew instead of using inodes again.

Unlike 1.02: these settings are read when a program starts, from the home, instead of being compiled in;
users and groups are looked up by name then.
"""

from __future__ import annotations

import grp
import os
import pwd
import sys

from qtwisted.config.control import ControlError
from qtwisted.model import oserrors
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_HOME = "/var/qmail"

#: the users in the order of conf-users
ROLES = ("alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails")

_GROUPS = ("qmail", "nofiles")

# Unlike 1.02: conf-spawn may be more than 255, which counts for remote deliveries; local ones are 255 at most.
SPAWN_MAX = 10000

#: as names of users are given to the system
_ENCODING = sys.getfilesystemencoding()


class Conf(NamedTuple):
    """The settings of one home."""

    home: str
    users: Mapping[str, str]
    groups: Mapping[str, str]
    split: int
    spawn: int
    break_: bytes
    patrn: int
    recycle: bool = True


class Ids(NamedTuple):
    """The numbers of a home's users and groups; ``separated``: is each user really another one?"""

    alias_uid: int
    qmaild_uid: int
    qmaill_uid: int
    qmailp_uid: int
    qmailq_uid: int
    qmailr_uid: int
    qmails_uid: int
    qmail_gid: int
    nofiles_gid: int
    separated: bool
    root_uid: int = 0


def home_dir(environ: Mapping[str, str], argument: str | None = None) -> str:
    """Say which home to use: the argument, else $QMAILHOME, else /var/qmail."""
    return argument or environ.get("QMAILHOME") or DEFAULT_HOME


def load(home: str) -> Conf:
    """Read the settings of a home; raise ControlError with file and line where one makes no sense."""
    break_ = os.fsencode((_lines(home, "conf-break") or ["-"])[0])
    if len(break_) > 1:
        raise ControlError("conf/conf-break", 1, "must be one character or none")
    return Conf(
        home=home,
        users=_names(home, "conf-users", ROLES),
        groups=_names(home, "conf-groups", _GROUPS),
        split=_number(home, "conf-split", 23, 10, 1, 1 << 20),
        spawn=_number(home, "conf-spawn", 120, 10, 1, SPAWN_MAX),
        break_=break_,
        patrn=_number(home, "conf-patrn", 0o022, 8, 0, 0o7777),
        recycle=_number(home, "conf-recycle", 1, 10, 0, 1) == 1,
    )


def ids(conf: Conf) -> Ids:
    """Look up the numbers of a home's users and groups; raise ControlError for one that does not exist."""
    uids = {}
    for at, role in enumerate(ROLES, 1):
        try:
            uids[role] = _number_of(conf.users[role], lambda name: pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise ControlError("conf/conf-users", at, f"there is no user {conf.users[role]}") from None
    gids = {}
    for at, role in enumerate(_GROUPS, 1):
        try:
            gids[role] = _number_of(conf.groups[role], lambda name: grp.getgrnam(name).gr_gid)
        except KeyError:
            raise ControlError("conf/conf-groups", at, f"there is no group {conf.groups[role]}") from None
    return Ids(
        alias_uid=uids["alias"],
        qmaild_uid=uids["qmaild"],
        qmaill_uid=uids["qmaill"],
        qmailp_uid=uids["qmailp"],
        qmailq_uid=uids["qmailq"],
        qmailr_uid=uids["qmailr"],
        qmails_uid=uids["qmails"],
        qmail_gid=gids["qmail"],
        nofiles_gid=gids["nofiles"],
        separated=len(set(uids.values())) == len(ROLES),
        root_uid=uids["root"],
    )


def _number_of(name: str, look_up: Callable[[str], int]) -> int:
    """Look up the number of a user or group; a name of digits alone that nobody has is a number itself.

    Unlike 1.02: conf-users and conf-groups may hold numbers, for machines where the user has no name, as in many
    containers.
    """
    try:
        return look_up(name)
    except KeyError:
        if name.isdecimal() and name.isascii():
            return int(name)
        raise


def _lines(home: str, name: str) -> list[str]:
    """Read the lines of one file without their trailing blanks; no lines where it is missing."""
    try:
        with open(os.path.join(home, "conf", name), encoding=_ENCODING, errors="surrogateescape") as file:
            return [line.rstrip() for line in file] or [""]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ControlError(f"conf/{name}", None, oserrors.text(error.errno)) from None


def _names(home: str, name: str, roles: tuple[str, ...]) -> dict[str, str]:
    """Read one name for each role; without a file each role has its own name."""
    names = _lines(home, name) or list(roles)
    if len(names) < len(roles):
        raise ControlError(f"conf/{name}", len(names), f"has too few lines, {len(roles)} are needed")
    for at, found in enumerate(names[: len(roles)], 1):
        if not found:
            raise ControlError(f"conf/{name}", at, "is empty")
    return dict(zip(roles, names, strict=False))


def _number(home: str, name: str, default: int, base: int, least: int, most: int) -> int:
    """Read a number that must lie between two others."""
    lines = _lines(home, name)
    if not lines:
        return default
    try:
        number = int(lines[0], base)
    except ValueError:
        raise ControlError(f"conf/{name}", 1, "is not a number") from None
    if not least <= number <= most:
        raise ControlError(f"conf/{name}", 1, f"is out of range ({least} to {most})")
    return number
