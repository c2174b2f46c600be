"""Install what was built; ``make setup`` runs this.

Synopsis::

    python -m qtwisted.admin.install.setup [--destdir DIR] [--mandir DIR] [--no-chown] [--create-users] BUILD

BUILD is what ``make it man`` has made. The home is that of etc/conf-qmail. What is missing there is made; programs
are replaced one by one, each in one step, also while the mail system runs; control/, users/ and what is in the queue
are left alone. Nothing is fetched from anywhere.

``--destdir DIR``
    put everything below DIR instead of the root, for a package; also without being root
``--mandir DIR``
    put the manual pages into DIR, such as /usr/local/share/man, instead of HOME/man
``--no-chown``
    leave owners as they are; instchown(8) sets them later. This is so without root anyway.
``--create-users``
    create the users and groups that are missing

Exit codes: 0 done; 100 refused, and nothing is installed; 111 trouble with the system.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import sys
from typing import TYPE_CHECKING

from qtwisted.admin.config import USERS, create_users
from qtwisted.admin.install import contents, environment, hier, manifest, reach
from qtwisted.admin.install.collecting import home_of, interpreter
from qtwisted.admin.install.putting import Place
from qtwisted.admin.refusal import Refused, attempt
from qtwisted.config import conf as build
from qtwisted.config.control import ControlError
from qtwisted.system.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qtwisted.admin.install.hier import Entry
    from qtwisted.config.conf import Conf, Ids

ANYBODY = 65534


class Installation:
    """One installation, on its way."""

    def __init__(self, source: str, destdir: str, mandir: str | None) -> None:
        """Install what is in *source*, below *destdir* if that is not empty."""
        self.source = source
        self.destdir = destdir
        self.mandir = mandir
        self.home = home_of(source)
        self.conf: Conf = build.load(source)._replace(home=self.home)
        with open(f"{source}/site.id", encoding="ascii") as file:
            self.name = file.read().strip()
        self.disk = Disk()

    @property
    def root(self) -> str:
        """Where the home is being made."""
        return self.destdir + self.home

    def check(self, owners: bool) -> Ids | None:
        """Refuse what cannot work; gives the numbers of the users if owners are to be set."""
        if os.geteuid() != 0 and not self.destdir:
            raise Refused("only root can install; to make a package, name a directory: make setup DESTDIR=...")
        if self.mandir is not None and not self.mandir.startswith("/"):
            raise Refused(f"MANDIR must be a full path, not {self.mandir}")
        self._check_reach()
        self._check_queue()
        self._check_users()
        if not owners:
            return None
        lacking = missing(self.conf)
        if lacking:
            raise Refused(lacking)
        return build.ids(self.conf)

    def _check_reach(self) -> None:
        """Can users get to the home, and run the interpreter?"""
        blocked = reach.obstacle(interpreter(), ANYBODY, [ANYBODY])
        environment.check_interpreter(interpreter(), blocked)
        there = self.home
        while not os.path.isdir(there):
            there = os.path.dirname(there)
        blocked = None if self.destdir else reach.obstacle(there, ANYBODY, [ANYBODY])
        # The mode of the home itself is about to be set.
        if blocked is not None and blocked != self.home:
            raise Refused(f"{self.home} cannot be the home: {blocked} is closed to users, and deliveries run as "
                          f"the recipient; put another directory into etc/conf-qmail")

    def _check_queue(self) -> None:
        """Is the queue that is there, if there is one, as conf-split says?"""
        mess = f"{self.root}/queue/mess"
        if not os.path.isdir(mess):
            return
        there = sum(name.isdigit() and os.path.isdir(f"{mess}/{name}") for name in os.listdir(mess))
        if there not in (0, self.conf.split):
            raise Refused(f"the queue in {self.home} is spread over {there} directories, but etc/conf-split says "
                          f"{self.conf.split}; nothing has been changed")

    def _check_users(self) -> None:
        """Do the users stay those of the last installation? Files in its queue are theirs."""
        if not os.path.exists(f"{self.root}/queue") or not os.path.exists(f"{self.root}/conf/conf-users"):
            return
        former = build.load(self.root)
        for name, was, now in (("conf-users", former.users, self.conf.users),
                               ("conf-groups", former.groups, self.conf.groups)):
            if was != now:
                raise Refused(f"{self.home}/conf/{name} names others than etc/{name}, and the files in the queue are "
                              f"theirs; nothing has been changed")

    def perform(self, ids: Ids | None) -> None:
        """Make everything, the manifest last."""
        os.makedirs(os.path.dirname(self.root), 0o755, exist_ok=True)
        place = Place(self.root, ids, self.disk)
        for entry in hier.home(self.conf):
            place.keep_or_make(entry)
        place.keep_or_make(hier.directory(environment.DIRECTORY, "root", 0o755))
        environment.make(f"{self.root}/{environment.DIRECTORY}", self.name, f"{self.source}/site", self.disk)
        entries = [*contents.directories(self.name), *contents.files(self.source, self.home, self.name)]
        if self.mandir is None:
            entries += contents.manual(self.source, "man")
        self._put(place, entries)
        former = self._former()
        place.put(contents.file(manifest.NAME, manifest.written(entries), 0o644))
        self._forget(former, entries)
        if self.mandir is not None:
            self._put(Place(self.destdir + self.mandir, None, self.disk), manual_elsewhere(self.source))
        # A program of the last version may be starting at this very moment, so that one stays.
        kept = {entry.path.rpartition("/")[2] for entry in former if entry.path.startswith(environment.DIRECTORY)}
        environment.remove_unused(f"{self.root}/{environment.DIRECTORY}", [self.name, *kept], self.home)
        environment.sync_home(self.root)

    def _put(self, place: Place, entries: Iterable[Entry]) -> None:
        """Put everything where it belongs."""
        for entry in entries:
            if entry.kind == hier.DIRECTORY:
                os.makedirs(os.path.dirname(place.path(entry)), 0o755, exist_ok=True)
                place.keep_or_make(entry)
            else:
                place.put(entry)

    def _former(self) -> list[Entry]:
        """What the last installation put here."""
        try:
            return manifest.read(self.root) or []
        except ControlError:
            return []

    def _forget(self, former: Iterable[Entry], entries: Iterable[Entry]) -> None:
        """Remove the files of the last installation that this one does not have."""
        now = {entry.path for entry in entries}
        for entry in former:
            if entry.kind == hier.FILE and entry.path not in now:
                self.disk.discard(f"{self.root}/{entry.path}")


def manual_elsewhere(source: str) -> list[Entry]:
    """The manual pages, seen from the directory they are to be in; who owns it is the system's business."""
    entries = list(contents.manual(source, "."))
    return [entry._replace(path=entry.path.removeprefix("./")) for entry in entries[1:]]


def missing(conf: Conf) -> str:
    """Which users and groups do not exist, and how to create them; empty if all do."""
    groups = [name for name in conf.groups.values() if not name.isdigit() and not known(grp.getgrnam, name)]
    users = [role for role, name in conf.users.items() if not name.isdigit() and not known(pwd.getpwnam, name)]
    if not groups and not users:
        return ""
    names = [f"group {name}" for name in groups] + [f"user {conf.users[role]}" for role in users]
    lines = [f"    groupadd --system {name}\n" for name in groups]
    for role in users:
        if role in USERS:
            home = f"{conf.home}/alias" if role == "alias" else conf.home
            lines.append(f"    useradd --system --no-create-home --home-dir {home} --gid {conf.groups[USERS[role]]} "
                         f"--shell /bin/true {conf.users[role]}\n")
    return (f"etc/conf-users and etc/conf-groups name what does not exist: {', '.join(names)}\n"
            f"Create them, or have them created with: make setup CREATE_USERS=yes\n{''.join(lines)}").rstrip()


def known(look_up: Callable[[str], object], name: str) -> bool:
    """Does a user or group exist?"""
    try:
        look_up(name)
    except KeyError:
        return False
    return True


def arguments() -> argparse.ArgumentParser:
    """What the command line may hold."""
    parser = argparse.ArgumentParser(prog="make setup")
    parser.add_argument("--destdir", default="")
    parser.add_argument("--mandir")
    parser.add_argument("--no-chown", action="store_true")
    parser.add_argument("--create-users", action="store_true")
    parser.add_argument("build")
    return parser


def install(options: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    destdir = os.path.abspath(options.destdir) if options.destdir else ""
    work = Installation(os.path.abspath(options.build), destdir, options.mandir or None)
    if options.create_users and not destdir and os.geteuid() == 0:
        create_users(work.conf, print)
    owners = os.geteuid() == 0 and not options.no_chown
    work.perform(work.check(owners))
    print(f"Installed into {work.root}." + ("" if owners else " Owners are not set; instchown does that."))


def main() -> int:
    """Run the program."""
    options = arguments().parse_args()
    os.umask(0o022)
    return attempt("make setup", lambda: install(options))


if __name__ == "__main__":
    sys.exit(main())
