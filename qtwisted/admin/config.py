"""qmail-config -- make a home for the mail system.

Synopsis::

    qmail-config [--home DIR] [--user NAME] [--create-users] HOST

qmail-config makes DIR (default $QMAILHOME, else /var/qmail) with everything a mail system needs: the queue,
control files as config-fast writes them, and a launcher for each program in DIR/bin. HOST is the full name of
this host. Each step is printed.

Run by root, it makes a home whose processes run as the users alias, qmaild, qmaill, qmailp, qmailq, qmailr,
qmails and root, with the groups qmail and nofiles. They must exist, or be created by ``--create-users``
(groupadd and useradd). Mail for postmaster, mailer-daemon and root goes to the alias user.

Run by anybody else, or with ``--user NAME``, it makes a home of one user: every process runs as that user,
and mail for every local address arrives in DIR/mail/Maildir/. On 127.0.0.1 SMTP is received on port 2525 and QMTP
on port 2209.

Nothing that exists is overwritten: if DIR holds any part of a home already, qmail-config says so and does
nothing.

Unlike 1.02: config-fast wrote control files only, and overwrote them; users, directories and programs came
from the installation by hand.

Exit codes: 0 done; 100 wrong usage, or refused; 111 trouble with the system.

Files: DIR/control, DIR/queue, DIR/users, DIR/conf, DIR/bin, DIR/alias, DIR/run, and DIR/mail for a home of
one user.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.install import hier, launchers
from qtwisted.admin.naming.controls import (
    CHANGE_BOTH,
    NOW_REFUSES,
    can_be_host,
    default_domain,
    named_after,
)
from qtwisted.admin.refusal import Refused, attempt
from qtwisted.config import cdb, newu
from qtwisted.config import conf as build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtwisted.config.conf import Conf, Ids

USERS = {
    "alias": "nofiles", "qmaild": "nofiles", "qmaill": "nofiles", "qmailp": "nofiles",
    "qmailq": "qmail", "qmailr": "qmail", "qmails": "qmail",
}
"""The users that ``--create-users`` makes, with their groups (INSTALL.ids)."""

ALIASES = ("postmaster", "mailer-daemon", "root")
LISTEN = ("smtp tcp:2525:interface=127.0.0.1", "qmtp tcp:2209:interface=127.0.0.1")


class Single(NamedTuple):
    """The only user of a home that has only one."""

    name: str
    uid: int
    gid: int
    group: str


class Home:
    """A home in the making."""

    def __init__(self, path: str, host: str, single: Single | None, say: Callable[[str], None]) -> None:
        """It will be at *path*; nothing is made yet."""
        self.path = path
        self.host = host
        self.single = single
        self.say = say

    def refuse_existing(self) -> None:
        """Raise Refused if any part of a home is there already."""
        parts = [entry.path for entry in hier.top() if entry.path] + ["queue", "mail"]
        for part in parts:
            if os.path.lexists(os.path.join(self.path, part)):
                raise Refused(f"{self.path}/{part} exists already; nothing has been changed")
        if self.single is not None and any(byte in self.path for byte in ":\n"):
            raise Refused(f"{self.path} holds a colon or a line end, which users/assign cannot name")

    def make(self) -> None:
        """Make it."""
        conf, ids = self.settings()
        self.say(f"Your fully qualified host name is {self.host}.")
        for entry in hier.home(conf):
            hier.make(self.path, entry, ids, os.geteuid() == 0)
        self.write_conf()
        self.write_control()
        self.write_launchers()
        if self.single is None:
            self.write_aliases(ids)
        else:
            self.write_mail(self.single)

    def settings(self) -> tuple[Conf, Ids]:
        """The build settings and the numbers of the users."""
        conf = build.load(self.path)
        if self.single is not None:
            conf = conf._replace(users=dict.fromkeys(conf.users, self.single.name),
                                 groups=dict.fromkeys(conf.groups, self.single.group))
        return conf, build.ids(conf)

    def put(self, name: str, text: str) -> None:
        """Write a new file of *text* that everybody may read."""
        self.put_bytes(name, os.fsencode(text))

    def put_bytes(self, name: str, content: bytes) -> None:
        """Write a new file that everybody may read, for the user who owns the home."""
        path = os.path.join(self.path, name)
        hier.write(path, content, 0o644)
        self.give(path)

    def give(self, path: str) -> None:
        """Have *path* belong to the only user of the home, if there is one and we may."""
        if self.single is not None and os.geteuid() == 0:
            os.chown(path, self.single.uid, self.single.gid)

    def write_conf(self) -> None:
        """Say in conf/ that there is one user only."""
        if self.single is None:
            return
        self.say(f"Putting {self.single.name} into conf/conf-users and conf/conf-groups...")
        self.put("conf/conf-users", f"{self.single.name}\n" * len(build.ROLES))
        self.put("conf/conf-groups", f"{self.single.group}\n" * 2)

    def write_control(self) -> None:
        """Write the control files of config-fast, in its order and its words."""
        hosts = [self.host] if self.single is None else self.names_of_this_machine()
        for name, value in named_after(self.host):
            self.say(f"Putting {value} into control/{name}...")
            self.put(f"control/{name}", value + "\n")
        for name in ("locals", "rcpthosts"):
            for value in hosts:
                self.say(f"Putting {value} into control/{name}...")
            self.put(f"control/{name}", "".join(value + "\n" for value in hosts))
        self.say(NOW_REFUSES.format(" and ".join(hosts)))
        self.say(CHANGE_BOTH)
        if self.single is not None:
            for line in LISTEN:
                self.say(f"Putting {line} into control/listen...")
            self.put("control/listen", "".join(line + "\n" for line in LISTEN))

    def names_of_this_machine(self) -> list[str]:
        """The host, and localhost, each as it is and as qmail-inject completes it."""
        names = (self.host, "localhost")
        completed = [name if "." in name else f"{name}.{default_domain(self.host)}" for name in names]
        return list(dict.fromkeys((*names, *completed)))

    def write_launchers(self) -> None:
        """Write DIR/bin."""
        for name, module, function in launchers.programs():
            path = os.path.join(self.path, "bin", name)
            hier.write(path, launchers.script(self.path, module, function).encode(), 0o755)
            self.give(path)
        self.say(f"Putting the programs into {self.path}/bin...")

    def write_aliases(self, ids: Ids) -> None:
        """Have mail for those who must be reachable go to the alias user (INSTALL.alias)."""
        for name in ALIASES:
            self.say(f"Putting .qmail-{name} into alias...")
            path = os.path.join(self.path, "alias", f".qmail-{name}")
            hier.write(path, b"", 0o644)
            os.chown(path, ids.alias_uid, ids.qmail_gid)
        home = pwd.getpwuid(ids.alias_uid).pw_dir
        if os.path.realpath(home) != os.path.realpath(f"{self.path}/alias"):
            self.say(f"Note: the home of the alias user is {home}, and not {self.path}/alias.")

    def write_mail(self, single: Single) -> None:
        """Have every local address end in DIR/mail/Maildir/."""
        mail = os.path.join(self.path, "mail")
        for name in ("", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"):
            path = os.path.join(mail, name) if name else mail
            os.mkdir(path, 0o700)
            self.give(path)
        for name in (".qmail", ".qmaildefault"):  # without an extension, and with any (edge: dash is empty)
            self.put(f"mail/{name}", "./Maildir/\n")
        self.say(f"Mail for every local address will arrive in {mail}/Maildir/.")
        assign = f"+:{single.name}:{single.uid}:{single.gid}:{mail}:::\n.\n"
        self.put("users/assign", assign)
        self.put_bytes("users/cdb", cdb.make(newu.compiled(os.fsencode(assign))))


def single_user(name: str | None) -> Single | None:
    """Who is to be the only user of the home; None for a home of root's."""
    if name is None and os.geteuid() == 0:
        return None
    try:
        account = pwd.getpwuid(os.geteuid()) if name is None else pwd.getpwnam(name)
        found, uid, gid = account.pw_name, account.pw_uid, account.pw_gid
    except KeyError:
        if name is not None:
            raise Refused(f"there is no user {name}") from None
        found, uid, gid = str(os.geteuid()), os.geteuid(), os.getegid()  # a number without a name does as well
    if uid == 0:
        raise Refused("root cannot be the only user of a home, since nothing is ever delivered as root")
    if os.geteuid() not in (0, uid):
        raise Refused(f"only root can make a home for {found}")
    try:
        return Single(found, uid, gid, grp.getgrgid(gid).gr_name)
    except KeyError:
        return Single(found, uid, gid, str(gid))


def create_users(conf: Conf, say: Callable[[str], None]) -> None:
    """Create the users and groups that are missing."""
    for group in conf.groups.values():
        if not _known(grp.getgrnam, group):
            say(f"Creating the group {group}...")
            _run(["groupadd", "--system", group])
    for role, group in USERS.items():
        user = conf.users[role]
        if _known(pwd.getpwnam, user):
            continue
        say(f"Creating the user {user}...")
        home = f"{conf.home}/alias" if role == "alias" else conf.home
        _run(["useradd", "--system", "--no-create-home", "--home-dir", home, "--gid", conf.groups[group],
              "--shell", "/bin/true", user])


def _known(lookup: Callable[[str], object], name: str) -> bool:
    """Whether *lookup* finds *name*."""
    try:
        lookup(name)
    except KeyError:
        return False
    return True


def _run(words: Sequence[str]) -> None:
    """Run a program of the system that must succeed."""
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise Refused(f"{words[0]} is not installed") from None
    if done.returncode:
        raise Refused(f"{words[0]} failed: {done.stderr.strip()}")


def arguments() -> argparse.ArgumentParser:
    """What the command line may hold."""
    parser = argparse.ArgumentParser(prog="qmail-config", description="Make a home for the mail system.")
    parser.add_argument("--home", metavar="DIR", help="where [default: $QMAILHOME, else /var/qmail]")
    parser.add_argument("--user", metavar="NAME", help="make a home of this user alone")
    parser.add_argument("--create-users", action="store_true", help="create the users that are missing")
    parser.add_argument("host", metavar="HOST", help="the full name of this host")
    return parser


def say(line: str) -> None:
    """Print one line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def configure(options: argparse.Namespace) -> None:
    """Make the home that *options* ask for."""
    path = os.path.abspath(build.home_dir(os.environ, options.home))
    if not can_be_host(options.host):
        raise Refused(f"{options.host!r} is no host name")
    home = Home(path, options.host, single_user(options.user), say)
    home.refuse_existing()
    if home.single is None and options.create_users:
        create_users(build.load(path), say)
    os.umask(0o022)
    home.make()


def main() -> int:
    """Run the program."""
    parser = arguments()
    try:
        options = parser.parse_args()
    except SystemExit as usage:
        return 100 if usage.code else 0
    return attempt("qmail-config: fatal", lambda: configure(options))


if __name__ == "__main__":
    sys.exit(main())
