"""qmail-passwd - manage users who can log in without an account of the system

Synopsis::

    qmail-passwd [ -a ] add login user [ home ]
    qmail-passwd [ -a ] set login
    qmail-passwd delete login
    qmail-passwd list

``add`` adds a login name, ``set`` gives it another password, ``delete`` removes it, and ``list`` prints all of them
with uid, gid and home directory, but no passwords. qmail-checkpassword-virtual(8) lets these users log in.

The password is the first line of standard input, at most 256 bytes; at a terminal it is asked for twice and not
shown. It is never an argument, since others can see those.

*user* is the user of the system who owns the mail: an account's name, or ``UID:GID``; never root. Several logins may
share one. *home* is where his Maildir lies, by default the account's home directory.

With ``-a`` the password can be used for APOP. For that it must be kept as it is, and not only a hash of it.

A change is complete or has not happened, whatever becomes of the machine meanwhile; two at a time wait for each
other. The table can be read by its owner only, and qmail-passwd refuses one that others can read or change.

Exit codes:

| 0    done
| 100  called wrongly: no such login, it exists already, or what was given cannot be used
| 111  the table cannot be read or written

Files: HOME/users/passwords; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import sys

from qtwisted.config.accounts import account
from qtwisted.config.conf import home_dir
from qtwisted.config.replace import ReplaceError, replace
from qtwisted.model import oserrors
from qtwisted.model.options import OptionError, getopt
from qtwisted.system.ending import NEVER, fatal, run, usage
from qtwisted.system.lock import wait_exclusive
from qtwisted.trust.login import passwords
from qtwisted.trust.login.passwords import Entry, TableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., None]

PROGRAM = b"qmail-passwd"
SYNOPSIS = b"qmail-passwd [ -a ] add login user [ home ] | set login | delete login | list"
#: with a name and a stamp it must fit into what a password program reads
PASSWORD_MAX = 256

_ID_MAX = 0xFFFFFFFE


def password() -> bytes:
    """Get the password."""
    if os.isatty(0):
        import getpass

        text = os.fsencode(getpass.getpass("Password: "))
        if os.fsencode(getpass.getpass("Again: ")) != text:
            raise fatal(PROGRAM, b"that was not the same", NEVER)
    else:
        text = sys.stdin.buffer.readline().rstrip(b"\r\n")
    if not text or len(text) > PASSWORD_MAX or b"\0" in text or text.startswith(b" "):
        # RFC 1939 cannot say one that begins with a blank: commands.c drops it
        raise fatal(PROGRAM, b"a password has 1 to 256 bytes and does not begin with a blank", NEVER)
    return text


def owner(word: bytes, home: bytes | None) -> tuple[int, int, bytes]:
    """Find uid, gid and home directory of a user of the system."""
    uid, colon, gid = word.partition(b":")
    if colon:
        if not (uid.isdigit() and gid.isdigit()) or not 0 < int(uid) <= _ID_MAX or int(gid) > _ID_MAX or not home:
            raise fatal(PROGRAM, b"with UID:GID both must be numbers, and the home directory must be given", NEVER)
        return int(uid), int(gid), home
    found = account(word)
    if found is None:
        raise fatal(PROGRAM, b"there is no user " + word, NEVER)
    return found.uid, found.gid, home or found.home


class Table:
    """The table while it is being changed, by nobody else."""

    def __init__(self, home: str) -> None:
        """Lock it."""
        self._home = home
        self._path = passwords.path(home)
        self._directory = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY)
        wait_exclusive(self._directory)
        self.entries: dict[bytes, Entry] = {}

    def __enter__(self) -> Table:
        """Give it."""
        return self

    def __exit__(self, *trouble: object) -> None:
        """Let others at it."""
        os.close(self._directory)

    def read(self) -> None:
        """Read it."""
        self.entries = {entry.login: entry for entry in passwords.entries(passwords.read(self._home))}

    def write(self) -> None:
        """Put the changed table in place."""
        os.umask(0o077)
        replace(self._path + ".tmp", self._path, b"".join(entry.line() for entry in self.entries.values()))

    def known(self, login: bytes) -> Entry:
        """Give the entry of a login name that must exist."""
        if login not in self.entries:
            raise fatal(PROGRAM, b"there is no login " + login, NEVER)
        return self.entries[login]


def add(table: Table, secret: Callable[[], bytes], login: bytes, user: bytes, home: bytes | None = None) -> None:
    """Add a login name."""
    if not passwords.is_name(login):
        raise fatal(PROGRAM, b"a login name has no blanks and no colon", NEVER)
    if login in table.entries:
        raise fatal(PROGRAM, b"there is a login %s already" % login, NEVER)
    uid, gid, place = owner(user, home)
    if not uid:
        raise fatal(PROGRAM, b"nobody logs in as root", NEVER)
    if not place.startswith(b"/") or b":" in place or b"\n" in place:
        raise fatal(PROGRAM, b"a home directory begins with a slash and has no colon", NEVER)
    table.entries[login] = Entry(login, secret(), uid, gid, place)
    table.write()


def change(table: Table, secret: Callable[[], bytes], login: bytes) -> None:
    """Give a login name another password."""
    table.entries[login] = table.known(login)._replace(secret=secret())
    table.write()


def delete(table: Table, secret: Callable[[], bytes], login: bytes) -> None:
    """Remove a login name."""
    del table.entries[table.known(login).login]
    table.write()


def show(table: Table, secret: Callable[[], bytes]) -> None:
    """Print all login names."""
    for entry in table.entries.values():
        sys.stdout.buffer.write(b"%s %d:%d %s\n" % (entry.login, entry.uid, entry.gid, entry.home))
    sys.stdout.buffer.flush()


#: what to do, and how many arguments that takes
COMMANDS: dict[bytes, tuple[Command, int, int]] = {
    b"add": (add, 2, 3), b"set": (change, 1, 1), b"delete": (delete, 1, 1), b"list": (show, 0, 0),
}


def work(argv: list[bytes]) -> int:
    """Run the program."""
    try:
        options, words = getopt(argv, b"a")
    except OptionError:
        raise usage(PROGRAM, SYNOPSIS) from None
    if not words or words[0] not in COMMANDS:
        raise usage(PROGRAM, SYNOPSIS)
    command, least, most = COMMANDS[words[0]]
    if not least <= len(words) - 1 <= most:
        raise usage(PROGRAM, SYNOPSIS)
    make = passwords.kept if options else passwords.hashed
    try:
        with Table(home_dir(os.environ)) as table:
            table.read()
            command(table, lambda: make(password()), *words[1:])
    except TableError as trouble:
        raise fatal(PROGRAM, os.fsencode(str(trouble))) from None
    except ReplaceError as trouble:
        raise fatal(PROGRAM, b"cannot %s users/passwords: %s" % (
            trouble.step.encode(), oserrors.text(trouble.errno or 0).encode())) from None
    except OSError as trouble:
        raise fatal(PROGRAM, oserrors.text(trouble.errno or 0).encode()) from None
    return 0


def main() -> int:
    """Run the program as the console script does."""
    return run(work, __doc__)


if __name__ == "__main__":
    raise SystemExit(main())
