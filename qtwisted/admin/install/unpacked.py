"""Make a mail system of what a package has unpacked: users, queue, and on a host that had none, its configuration.

Synopsis::

    python -m qtwisted.admin.install.unpacked [DIR]

A package runs this as root whenever its files have been unpacked into the home DIR (default $QMAILHOME, else
/var/qmail). It asks nothing:

* users and groups that are missing are created, as by ``qmail-config --create-users``;
* directories and the queue are made, and everything gets its owner, as by instchown(8);
* if control/me does not exist, the host has had no qmail, and is configured: control files as config-fast writes them
  for the name in /etc/mailname, else for the name that the host gives itself; SMTP on port 25, for the host's own
  addresses and ``localhost`` only; and aliases for root, postmaster and mailer-daemon.

Nothing that exists is overwritten. Where control/me exists, control/, users/ and alias/ stay as they are.

Mail for root goes to whom /etc/aliases names for him, if these are plain addresses. Otherwise it goes to
/var/mail/root, where mail programs look for it. Nothing is delivered as root: users/assign gives root's address to
the alias user with the group mail, which may write there, and to instructions that only root can change,
users/.qmail-root. Mail for postmaster and mailer-daemon goes where root's goes.

Exit codes: 0 done; 100 refused, with the reason; 111 trouble with the system.

Files: DIR/control, DIR/users/assign, DIR/users/cdb, DIR/users/.qmail-root, DIR/alias/.qmail-*; /etc/mailname;
/etc/aliases.
"""

from __future__ import annotations

import grp
import os
import re
import socket
import stat
import sys

from qtwisted.admin.config import create_users
from qtwisted.admin.install import hier, instchown
from qtwisted.admin.naming.controls import named_after
from qtwisted.admin.refusal import attempt
from qtwisted.config import cdb, newu
from qtwisted.config import conf as build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAILNAME = "/etc/mailname"
ALIASES = "/etc/aliases"
MAILBOX = "/var/mail/root"
GROUP = "mail"
"""Who may write to /var/mail."""
FORWARDED = ("postmaster", "mailer-daemon")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_ROOT = re.compile(r"root\s*:\s*(\S.*)", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(@[A-Za-z0-9.-]+)?")


def host_name(mailname: str = MAILNAME) -> str:
    """The name of this host for its mail: never empty, and never without a dot, since qmail would complete it."""
    try:
        with open(mailname, encoding="ascii", errors="replace") as file:
            names = [file.readline().strip()]
    except OSError:
        names = []
    names += [socket.getfqdn(), socket.gethostname()]
    usable = [name for name in names if _NAME.fullmatch(name) and not name.startswith("localhost")]
    best = next((name for name in usable if "." in name), usable[0] if usable else "localhost")
    return (best if "." in best else f"{best}.localdomain").lower()


def control(host: str) -> dict[str, str]:
    """The control files of a fresh host, ``me`` last: while it is missing, the host is not configured."""
    files = {name: f"{value}\n" for name, value in named_after(host)}
    hosts = f"{host}\nlocalhost\nlocalhost.{files['defaultdomain']}"
    files.update(locals=hosts, rcpthosts=hosts, listen="smtp tcp:25\n")
    me = files.pop("me")
    return {**files, "me": me}


def root_recipients(aliases: str = ALIASES) -> list[str]:
    """Who gets root's mail by /etc/aliases; nobody if that says nothing, or something other than addresses."""
    try:
        with open(aliases, encoding="latin-1") as file:
            entries = [found[1] for line in file if (found := _ROOT.fullmatch(line.strip()))]
    except OSError:
        return []
    words = re.split(r"[\s,]+", entries[0].strip()) if len(entries) == 1 else []
    plain = all(_ADDRESS.fullmatch(word) for word in words)
    return words if plain and "root" not in map(str.lower, words) else []


def instructions(recipients: Iterable[str]) -> str:
    """What is done with root's mail."""
    return "".join(f"&{recipient}\n" for recipient in recipients) or f"{MAILBOX}\n"


class Host:
    """A host that has had no qmail."""

    def __init__(self, home: str, name: str) -> None:
        """Its home, and its name."""
        self.home = home
        self.name = name
        self._ids = build.ids(build.load(home))

    def put(self, name: str, content: bytes, user: str = "root") -> None:
        """Write a file unless it is there."""
        path = f"{self.home}/{name}"
        if not os.path.lexists(path):
            hier.write(path, content, 0o644)
            hier.own(path, hier.Entry(hier.FILE, name, user, "qmail", 0o644), self._ids)

    def configure(self) -> None:
        """Write what is missing."""
        self._alias()
        self._root()
        for name, text in control(self.name).items():
            self.put(f"control/{name}", text.encode())
        print(f"qtwisted: this host is {self.name}; see {self.home}/control")

    def _alias(self) -> None:
        """Mail for those who must be reachable; .qmail-root counts if users/assign should lose its line."""
        self.put("alias/.qmail-root", b"")
        for name in FORWARDED:
            self.put(f"alias/.qmail-{name}", b"&root\n")

    def _root(self) -> None:
        """Mail for root, if no users are assigned yet."""
        if os.path.lexists(f"{self.home}/users/assign") or os.path.lexists(f"{self.home}/users/cdb"):
            return
        recipients = root_recipients()
        try:
            gid = self._ids.nofiles_gid if recipients else grp.getgrnam(GROUP).gr_gid
        except KeyError:
            return  # no such group, no such mailbox: root's mail stays with the alias user
        self.put("users/.qmail-root", instructions(recipients).encode())
        assign = f"=root:alias:{self._ids.alias_uid}:{gid}:{self.home}/users:-:root:\n.\n".encode()
        self.put("users/assign", assign)
        self.put("users/cdb", cdb.make(newu.compiled(assign)))
        if not recipients:
            open_mailbox(MAILBOX, gid)


def open_mailbox(path: str, gid: int) -> None:
    """Let group *gid* write to a mailbox that somebody else has left; one that is not there is made as needed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode):
            os.fchown(fd, -1, gid)
            os.fchmod(fd, stat.S_IMODE(status.st_mode) | 0o060)
    finally:
        os.close(fd)


def prepare(home: str) -> None:
    """Do everything."""
    create_users(build.load(home), print)
    instchown.own(home)
    if not os.path.lexists(f"{home}/control/me"):
        Host(home, host_name()).configure()


def main() -> int:
    """Run the program."""
    home = os.path.abspath(build.home_dir(os.environ, sys.argv[1] if sys.argv[1:] else None))
    os.umask(0o022)
    return attempt("qtwisted", lambda: prepare(home))


if __name__ == "__main__":
    sys.exit(main())
