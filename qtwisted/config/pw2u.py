"""qmail-pw2u - make a users/assign table from a passwd file

SYNOPSIS
========

::

    qmail-pw2u [ -/ohHuUC ] [ -c CHAR ] < passwd > assign

DESCRIPTION
===========

qmail-pw2u reads lines in passwd form and writes assignments for qmail-newu: for each user his own address, and every
extension of it. Addresses that belong to nobody go to the alias user, who must be among the users. Lines that are
not complete and users with uid 0 are passed over.

-o  Pass over users whose home is missing or not theirs (the default).
-h  Stop at a missing home; pass over users whose home is not theirs.
-H  Do not look at homes.
-U  Pass over users with capital letters in their name (the default).
-u  Take them.
-c CHAR
    Put CHAR between user and extension instead of conf-break.
-C  Write no assignments for extensions.

``-/``
    Let .qmail files be ``.qmail-/ext`` instead of ``.qmail-ext``.

EXIT CODES
==========

0 when the table is complete, which its last line, a dot, says; 100 for a wrong command line; 111 otherwise.

FILES
=====

users/include
    If it exists, only users listed there are taken.
users/exclude
    Users listed there are not taken.
users/mailnames
    Lines ``user:name1:name2`` give a user other names than his own.
users/subusers
    Lines ``sub:user:pre:`` give the addresses of sub to a user, whose .qmail files for them begin with pre.
users/append
    Copied to the end of the table.

SEE ALSO
========

qmail-newu(8), qmail-users(5), qmail-getpw(8)
"""

from __future__ import annotations

import os
import sys

from qtwisted.config import conf
from qtwisted.config.control import ControlError, leading_number, listed
from qtwisted.model.frozen import NamedTuple
from qtwisted.model.options import OptionError, getopt
from qtwisted.system.ending import NEVER, Ending, fatal, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = b"qmail-pw2u"

_PASSWD_COLONS = 6


class Wishes(NamedTuple):
    """What the command line asks for."""

    #: the character between user and extension; empty for no extensions
    break_: bytes
    dash: bytes = b"-"
    homes: bytes = b"o"
    capitals: bool = False


class Lists(NamedTuple):
    """The files that say which users are taken and by which names; None stands for a missing include."""

    include: frozenset[bytes] | None = None
    exclude: frozenset[bytes] = frozenset()
    mailnames: dict[bytes, bytes] = {}
    subusers: tuple[bytes, ...] = ()
    append: bytes = b""


class Account(NamedTuple):
    """One user of the passwd file."""

    name: bytes
    uid: bytes
    gid: bytes
    home: bytes

    def fields(self) -> bytes:
        """Write the part that every assignment to this user has."""
        return b":".join(self)


def accounts(passwd: Iterable[bytes]) -> Iterator[Account]:
    """Read the lines of a passwd file that make sense and are not root's."""
    for line in passwd:
        fields = line.rstrip(b"\n").split(b":", _PASSWD_COLONS)
        if len(fields) == _PASSWD_COLONS + 1 and b"\0" not in line and leading_number(fields[2]):
            yield Account(fields[0], fields[2], fields[3], fields[5])


def is_taken(account: Account, wishes: Wishes, lists: Lists) -> bool:
    """Does this user get mail? Raises Ending for a missing home that must not be missing."""
    if not wishes.capitals and account.name != account.name.lower():
        return False
    if lists.include is not None and account.name not in lists.include:
        return False
    if account.name in lists.exclude:
        return False
    return wishes.homes == b"H" or _has_home(account, wishes.homes == b"h")


def _has_home(account: Account, must_exist: bool) -> bool:
    """Does the user own his home?"""
    try:
        return os.stat(account.home).st_uid == leading_number(account.uid)
    except OSError as error:
        if must_exist or not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise fatal(NAME, b"unable to stat " + account.home) from error
        return False


def assignments(account: Account, alias: bytes, wishes: Wishes, lists: Lists) -> Iterator[bytes]:
    """Write the lines for one user."""
    user = account.fields()
    if account.name == alias:
        yield b"+:%s:%s::\n" % (user, wishes.dash)
    names = lists.mailnames.get(account.name)
    for name in [account.name] if names is None else names.split(b":"):
        if name:
            yield b"=%s:%s:::\n" % (name, user)
            if wishes.break_:
                yield b"+%s%s:%s:%s::\n" % (name, wishes.break_, user, wishes.dash)


def subuser(line: bytes, users: dict[bytes, Account], wishes: Wishes) -> Iterator[bytes]:
    """Write the lines for one entry of users/subusers."""
    fields = line.split(b":")
    if len(fields) < 4:
        return
    name, owner, prefix = fields[:3]
    if owner not in users:
        raise fatal(NAME, b"unable to find %s user for subuser" % owner)
    user = users[owner].fields()
    yield b"=%s:%s:%s:%s:\n" % (name, user, wishes.dash, prefix)
    if wishes.break_:
        yield b"+%s%s:%s:%s:%s-:\n" % (name, wishes.break_, user, wishes.dash, prefix)


def table(passwd: Iterable[bytes], alias: bytes, wishes: Wishes, lists: Lists) -> Iterator[bytes]:
    """Write the whole table, line by line."""
    users: dict[bytes, Account] = {}
    for account in accounts(passwd):
        if is_taken(account, wishes, lists):
            users[account.name] = account
            yield from assignments(account, alias, wishes, lists)
    if alias not in users:
        raise fatal(NAME, b"unable to find alias user")
    for line in lists.subusers:
        yield from subuser(line, users, wishes)
    yield lists.append
    yield b".\n"


def read_lists() -> Lists:
    """Read the files of users/; we are in the home."""
    mailnames = {}
    for entry in _entries("mailnames") or ():
        name, colon, names = entry.partition(b":")
        if colon:
            mailnames[name] = names
    include = _entries("include")
    return Lists(
        None if include is None else frozenset(include),
        frozenset(_entries("exclude") or ()),
        mailnames,
        tuple(_lines("subusers")),
        _text("append") or b"",
    )


def _entries(name: str) -> list[bytes] | None:
    """Read a list of users/; None where it is missing."""
    text = _text(name)
    return None if text is None else [entry for _, entry in listed(text)]


def _lines(name: str) -> list[bytes]:
    """Read the lines of a file of users/."""
    return (_text(name) or b"").split(b"\n")


def _text(name: str) -> bytes | None:
    """Read a file of users/; None where it is missing."""
    try:
        with open(f"users/{name}", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise fatal(NAME, b"unable to read controls") from error


def wishes_of(argv: list[bytes], break_: bytes) -> Wishes:
    """Read the command line; ``break_`` is what conf-break says."""
    try:
        options, _ = getopt(argv, b"/ohHuUCc:")
    except OptionError as error:
        raise Ending(NEVER, error.text.rstrip(b"\n")) from error
    wishes = Wishes(break_)
    for letter, value in options:
        if letter == b"/":
            wishes = wishes._replace(dash=b"-/")
        elif letter in b"ohH":
            wishes = wishes._replace(homes=letter)
        elif letter in b"uU":
            wishes = wishes._replace(capitals=letter == b"u")
        else:
            wishes = wishes._replace(break_=value[:1])
    return wishes


def pw2u(argv: list[bytes]) -> int:
    """Write the table."""
    home = conf.home_dir(os.environ)
    try:
        settings = conf.load(home)
    except ControlError as error:
        raise fatal(NAME, b"unable to read controls: " + os.fsencode(str(error))) from error
    wishes = wishes_of(argv, settings.break_)
    try:
        os.chdir(home)
    except OSError as error:
        raise fatal(NAME, b"unable to chdir") from error
    try:
        sys.stdout.buffer.writelines(
            table(_passwd(), settings.users["alias"].encode(), wishes, read_lists())
        )
        sys.stdout.buffer.flush()
    except OSError as error:
        raise fatal(NAME, b"unable to write output") from error
    return 0


def _passwd() -> Iterator[bytes]:
    """Read standard input."""
    try:
        yield from sys.stdin.buffer
    except OSError as error:
        raise fatal(NAME, b"unable to read input") from error


def main() -> int:
    """Run the program."""
    return run(pw2u, __doc__)
