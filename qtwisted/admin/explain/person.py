"""The third stage of local mail: whose it is, by users/cdb, else by the accounts of the system.

users/cdb is read as qmail-lspawn reads it. Accounts are looked up as user qmailp, who may not see every home.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.explain.story import Step
from qtwisted.config import accounts, cdb, getpw, newu, users

if TYPE_CHECKING:
    from typing import Any

    from qtwisted.config.accounts import Account
    from qtwisted.config.conf import Conf
    from qtwisted.config.users import User

STAGE = "user"


class Assigned(NamedTuple):
    """What users/cdb says: the steps, and the user if there is an assignment; ``code`` is an exit code of qlx.h."""

    steps: list[Step]
    user: User | None
    code: int = 0


def assigned(home: str, local: bytes) -> Assigned:
    """Look into users/cdb."""
    try:
        user = users.lookup(home, local)
    except users.UserError as error:
        return Assigned([Step(STAGE, "the table cannot be used", "users/cdb")], None, error.code)
    if user is None:
        there = os.path.exists(f"{home}/users/cdb")
        return Assigned([Step(STAGE, f"nobody is assigned to {shown(local)}", "users/cdb")] if there else [], None)
    with cdb.Reader.open(f"{home}/users/cdb") as table:
        found = users.assignment(table, local)
    key = b"" if found is None else found[0]
    line, is_same = source(home, key, b"" if found is None else found[1])
    steps = [Step(STAGE, f"{_matched(key, local)} to {who(user)}", "users/assign" if line else "users/cdb", line)]
    if line is None or not is_same:
        steps.append(Step(STAGE, "users/assign says something else: qmail-newu has not been run since", "users/cdb"))
    return Assigned(steps, user)


def source(home: str, key: bytes, record: bytes) -> tuple[int | None, bool]:
    """The line of users/assign that has made a record of users/cdb, and whether it would make the same again."""
    try:
        with open(f"{home}/users/assign", "rb") as file:
            text = file.read()
    except OSError:
        return None, True
    for at, line in enumerate(text.split(b"\n"), 1):
        try:
            made = next(newu.compiled(line + b"\n.\n"))
        except newu.AssignError:
            continue
        if made[0] == key:
            return at, record.startswith(made[1])
    return None, False


def _matched(key: bytes, local: bytes) -> str:
    """How an assignment fits a local part."""
    if key.endswith(b"\0"):
        return f"{shown(local)} is assigned"
    return f"{shown(local)} begins with {shown(key[1:])}, which is assigned" if key[1:] else "everybody is assigned"


def who(user: User) -> str:
    """A user, in words."""
    ext = f", extension {shown(user.ext)}" if user.dash else ""
    return f"{shown(user.name)}, uid {user.uid}, gid {user.gid}, home {shown(user.home)}{ext}"


class Accounts:
    """Looks accounts up as qmail-getpw does, and remembers what was found."""

    def __init__(self) -> None:
        """Nobody is known yet."""
        self.steps: list[Step] = []
        self._known: dict[bytes, Account] = {}

    def account_of(self, name: bytes) -> Account | None:
        """Look up one account."""
        found = accounts.account(name)
        if found is None:
            if name:
                self.steps.append(Step(STAGE, f"there is no account {shown(name)}"))
        elif found.uid == 0:
            self.steps.append(Step(STAGE, f"{shown(name)} is root, who gets no mail"))
        else:
            self._known[found.home] = found
        return found

    def owner_of(self, directory: bytes) -> int:
        """Say whose a home is."""
        found = self._known[directory]
        try:
            owner = getpw.owner_of(directory)
        except OSError as trouble:
            self._strange(found, f"whose home {shown(directory)} cannot be looked at ({trouble.strerror})")
            raise
        if owner != found.uid:
            self._strange(found, f"who does not own the home {shown(directory)}, so it is nobody's")
        return owner

    def _strange(self, found: Account, why: str) -> None:
        """Say what is wrong with an account."""
        self.steps.append(Step(STAGE, f"there is the account {shown(found.name)}, {why}"))


def looked_up(conf: Conf, local: bytes) -> dict[str, Any]:
    """Ask the accounts: the steps, and the record of the user or an exit code of qlx.h."""
    seen = Accounts()
    alias = os.fsencode(conf.users["alias"])
    try:
        user = getpw.find(local, conf.break_, alias, seen.account_of, seen.owner_of)
    except users.UserError as error:
        return {"steps": seen.steps, "code": error.code, "record": ""}
    text = f"it is nobody's own, so the alias user has it: {who(user)}" if user.name == alias else who(user)
    return {"steps": [*seen.steps, Step(STAGE, text)], "code": 0, "record": user.record().decode("latin-1")}
