"""What the original had compiled in, as far as it shows: users, conf-split, conf-patrn, conf-break, conf-spawn.

Users show by what they own, conf-split by the directories there are. For the rest the original's own qmail-showctl is
asked, as a user without rights; 1.02 does not tell, but there they are as they always were.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.adopt import DIFFERS, FINE, MUST, Finding
from qtwisted.config.conf import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.adopt import Place

GROUPS = ["qmail", "nofiles"]
NOBODY = 65534
SHOWCTL_WITHIN = 20
_SHOWN = (
    ("conf-break", re.compile(rb"user-ext delimiter: (.)\.$", re.M)),
    ("conf-patrn", re.compile(rb"paternalism \(in decimal\): (\d+)\.$", re.M)),
    ("conf-spawn", re.compile(rb"silent concurrency limit: (\d+)\.$", re.M)),
    ("conf-split", re.compile(rb"subdirectory split: (\d+)\.$", re.M)),
)
_USERS_1_02 = re.compile(rb"The uids and gids are ([\d, ]+)\.$", re.M)
_USERS_LATER = re.compile(rb"user ids: ([\d, ]+)\.$", re.M)
_GROUPS_LATER = re.compile(rb"group ids: ([\d, ]+)\.$", re.M)
_OWNED = {"alias": "alias", "qmailq": "queue/mess", "qmails": "queue/info", "qmailr": "queue/lock/tcpto"}
"""What a user of qmail owns, by which his number shows."""
_USUAL = {"conf-break": "-", "conf-patrn": "022", "conf-spawn": "120", "conf-split": "23"}


class Compiled(NamedTuple):
    """What was compiled in: numbers of users by role, of groups, and the settings as their files say them."""

    uids: dict[str, int]
    gids: dict[str, int]
    settings: dict[str, str]


def compiled(place: Place) -> Compiled:
    """Find out what was compiled in."""
    uids: dict[str, int] = {}
    gids: dict[str, int] = {}
    shown = showctl(place.home)
    numbers = _numbers(_USERS_LATER, shown)
    groups = _numbers(_GROUPS_LATER, shown)
    if not numbers and len(both := _numbers(_USERS_1_02, shown)) == 10:
        numbers, groups = both[:8], both[8:]
    if len(numbers) == len(ROLES) and len(groups) == 2:
        uids = dict(zip(ROLES, numbers, strict=True))
        gids = {"nofiles": groups[0], "qmail": groups[1]}
    for role, path in _OWNED.items():
        try:
            status = os.stat(f"{place.home}/{path}")
        except OSError:
            continue  # who is not root cannot see it
        uids[role] = status.st_uid
        if role == "qmailq":
            gids["qmail"] = status.st_gid
    return Compiled(uids, gids, _settings(place, shown))


def showctl(home: str) -> bytes:
    """What the original's qmail-showctl prints; nothing if there is none, or a script, which could be ours."""
    path = f"{home}/bin/qmail-showctl"
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                return b""
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": [NOBODY]} if os.geteuid() == 0 else {}
        done = subprocess.run([path], capture_output=True, timeout=SHOWCTL_WITHIN, cwd="/",  # type: ignore[call-overload]
                              env={}, stdin=subprocess.DEVNULL, **who)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    said: bytes = done.stdout
    return said


def _numbers(pattern: re.Pattern[bytes], text: bytes) -> list[int]:
    """The numbers in a line."""
    found = pattern.search(text)
    return [] if found is None else [int(number) for number in found.group(1).split(b",")]


def _settings(place: Place, shown: bytes) -> dict[str, str]:
    """The settings, as their files say them."""
    settings = {}
    for name, pattern in _SHOWN:
        found = pattern.search(shown)
        if found is not None:
            text = found.group(1).decode("latin-1")
            settings[name] = f"{int(text):03o}" if name == "conf-patrn" else text
    split = split_of(place.home)
    if split:
        settings["conf-split"] = str(split)
    return settings


def split_of(home: str) -> int:
    """How many directories queue/mess has; 0 if they are not those of a split queue."""
    try:
        names = {name for name in os.listdir(f"{home}/queue/mess") if name.isdigit()}
    except OSError:
        return 0
    return len(names) if names == {str(number) for number in range(len(names))} else 0


def reshape(home: str) -> tuple[str, ...]:
    """The commands that bring the queue into shape; qmail-upq must know how it was split."""
    split = split_of(home)
    if not split or str(split) == present(home).get("conf-split", _USUAL["conf-split"]):
        return (f"QMAILHOME={home} qmail-upq",)
    return f"mkdir -p {home}/conf && echo {split} > {home}/conf/conf-split", f"QMAILHOME={home} qmail-upq"


def look(place: Place) -> Iterator[Finding]:
    """Compare what was compiled in with what we would take without being told."""
    found = compiled(place)
    have = present(place.home)
    for name, usual in _USUAL.items():
        value = found.settings.get(name)
        if value is None:
            if name == "conf-split" and os.access(f"{place.home}/queue/mess", os.R_OK):
                yield Finding(MUST, "queue/mess", "has directories not numbered from 0 on: conf-split cannot be told")
            continue
        if value == have.get(name, usual):
            yield Finding(FINE, name, value)
        else:
            ours = have.get(name, usual)
            yield Finding(DIFFERS, name, f"is {value}, and not {ours}; adopt --start writes conf/{name}")
    yield from users(place.home, found)


def present(home: str) -> dict[str, str]:
    """The settings that HOME/conf has already."""
    found = {}
    for name in _USUAL:
        try:
            with open(f"{home}/conf/{name}", encoding="latin-1") as file:
                found[name] = file.readline().rstrip()
        except OSError:
            continue
    return found


def users(home: str, found: Compiled) -> Iterator[Finding]:
    """Compare the users."""
    if os.path.exists(f"{home}/conf/conf-users"):
        yield Finding(FINE, "conf-users", "is there already, and counts")
        return
    wanted = user_lines(found)
    missing = [role for role, name in zip(ROLES, wanted, strict=True) if not name]
    if missing:
        yield Finding(MUST, "users", f"there is no user {', '.join(missing)}",
                      tuple(f"useradd --system --gid nofiles --shell /bin/true {role}" for role in missing))
    elif wanted != list(ROLES):
        names = " ".join(wanted)
        yield Finding(DIFFERS, "conf-users", f"the users are {names}; adopt --start writes conf/conf-users")
    else:
        yield Finding(FINE, "users", "own what they should")
    yield from groups(group_lines(found))


def groups(lines: list[str]) -> Iterator[Finding]:
    """Compare the groups."""
    missing = [name for name, found in zip(GROUPS, lines, strict=True) if not found]
    if missing:
        yield Finding(MUST, "groups", f"there is no group {', '.join(missing)}",
                      tuple(f"groupadd --system {name}" for name in missing))
    elif lines != GROUPS:
        names = " ".join(lines)
        yield Finding(DIFFERS, "conf-groups", f"the groups are {names}; adopt --start writes conf/conf-groups")


def user_lines(found: Compiled) -> list[str]:
    """The lines of conf-users: for each role the name of the user, or his number; empty where there is none."""
    return [_user(role, found.uids.get(role)) for role in ROLES]


def _user(role: str, uid: int | None) -> str:
    """The name of the user with this number, rather the usual one; without a number the usual one, if he exists."""
    try:
        usual = pwd.getpwnam(role).pw_uid
    except KeyError:
        usual = None
    if uid is None:
        return role if usual is not None else ""
    if usual == uid:
        return role
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_lines(found: Compiled) -> list[str]:
    """The lines of conf-groups."""
    lines = []
    for name in GROUPS:
        gid = found.gids.get(name)
        try:
            usual = grp.getgrnam(name).gr_gid
        except KeyError:
            usual = None
        if gid is None or gid == usual:
            lines.append("" if usual is None else name)
            continue
        try:
            lines.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            lines.append(str(gid))
    return lines


def conf_files(place: Place) -> dict[str, str]:
    """The files that HOME/conf lacks so that we take what the original had compiled in."""
    found = compiled(place)
    have = present(place.home)
    files = {name: value + "\n" for name, value in found.settings.items() if value != have.get(name, _USUAL[name])}
    if not os.path.exists(f"{place.home}/conf/conf-users") and (names := user_lines(found)) != list(ROLES):
        files["conf-users"] = "".join(name + "\n" for name in names)
    if not os.path.exists(f"{place.home}/conf/conf-groups") and (names := group_lines(found)) != GROUPS:
        files["conf-groups"] = "".join(name + "\n" for name in names)
    return files
