"""qmail-getpw - find the account that gets the mail for a local address

Synopsis::

    qmail-getpw LOCAL

An address is controlled by the account whose name it is, or whose name it begins with before a break
character (``-`` unless conf-break says otherwise): ``joe-lists-x`` by ``joe-lists``, else by ``joe``, if
their accounts exist, are not those of root, and own their home directories. Every other address is
controlled by the alias user. Names are lower-cased before they are looked up; a name of more than 31 bytes
is nobody's.

qmail-getpw prints six strings, each followed by a zero byte: user, uid, gid, home directory, dash,
extension. For ``joe-lists-x`` and the account joe, dash is ``-`` and the extension is ``lists-x``.
qmail-lspawn asks it for addresses without an assignment in users/cdb.

Exit codes:

| 0    the six strings were printed
| 100  no address was given
| 115  a home directory cannot be looked at now
| 116  there is no alias user
| 118  accounts cannot be looked up now

Files: HOME/conf/conf-users, HOME/conf/conf-break; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import sys

from qtwisted.config import conf
from qtwisted.config.accounts import Account, account
from qtwisted.config.control import ControlError, fold
from qtwisted.config.users import User, UserError
from qtwisted.model import oserrors
from qtwisted.system.ending import occupy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: exit codes of qmail-lspawn's child (qlx.h)
NFS_TROUBLE = 115
NO_ALIAS = 116
SYSTEM_TROUBLE = 118

_NAME_MAX = 31


def find(
    local: bytes,
    break_: bytes,
    alias: bytes,
    account_of: Callable[[bytes], Account | None],
    owner_of: Callable[[bytes], int],
) -> User:
    """Find the account for a local address; raise UserError where that cannot be told or there is no alias
    user.

    ``account_of`` looks an account up, ``owner_of`` says whose a directory is; both raise OSError in trouble.

    Unlike 1.02: trouble with the look-up is told from an account that does not exist, and puts the mail off.
    """
    for length in _names(local, break_):
        found = _lookup(fold(local[:length]), account_of)
        if found is not None and found.uid and _owns_home(found, owner_of):
            rest = local[length:]
            # a hyphen whatever the break character is (qmail-getpw.c)
            return User(found.name, found.uid, found.gid, found.home, b"-" if rest else b"", rest[1:])
    found = _lookup(alias, account_of)
    if found is None:
        raise UserError(NO_ALIAS)
    return User(found.name, found.uid, found.gid, found.home, b"-", local)


def _names(local: bytes, break_: bytes) -> Iterator[int]:
    """Give the lengths of what may be an account's name: up to the end or up to a break, longest first."""
    for length in range(len(local), -1, -1):
        if length <= _NAME_MAX and (length == len(local) or local[length : length + 1] == break_):
            yield length


def _lookup(name: bytes, account_of: Callable[[bytes], Account | None]) -> Account | None:
    """Look up one account."""
    try:
        return account_of(name)
    except OSError:
        raise UserError(SYSTEM_TROUBLE) from None


def _owns_home(found: Account, owner_of: Callable[[bytes], int]) -> bool:
    """Does the account own its home directory? An account that does not is no mail user."""
    try:
        return owner_of(found.home) == found.uid
    except OSError as error:
        if oserrors.is_temporary(error.errno):
            raise UserError(NFS_TROUBLE) from None
        return False


def owner_of(directory: bytes) -> int:
    """Say whose a directory is, symbolic links followed."""
    return os.stat(directory).st_uid


def look_up(settings: conf.Conf, local: bytes) -> User:
    """Find the account for a local address in this system, as ``find`` does."""
    return find(local, settings.break_, os.fsencode(settings.users["alias"]), account, owner_of)


def main(argv: Sequence[str] | None = None, out: int = 1) -> int:
    """Run the program with descriptor ``out`` as its standard output."""
    arguments = (sys.argv if argv is None else argv)[1:]
    if not arguments:
        return 100
    occupy()
    try:
        user = look_up(conf.load(conf.home_dir(os.environ)), os.fsencode(arguments[0]))
    except UserError as error:
        return error.code
    except ControlError as error:
        print(f"qmail-getpw: fatal: {error}", file=sys.stderr)
        return SYSTEM_TROUBLE
    return _answer(out, user.record())


def _answer(out: int, record: bytes) -> int:
    """Print the strings. If that fails the mail waits: half an answer must not count, nor refuse the mail."""
    try:
        return 0 if os.write(out, record) == len(record) else SYSTEM_TROUBLE
    except OSError:
        return SYSTEM_TROUBLE


if __name__ == "__main__":
    sys.exit(main())
