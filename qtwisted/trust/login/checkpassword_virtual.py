"""qmail-checkpassword-virtual - let users log in who have no account of the system

Synopsis::

    qmail-checkpassword-virtual program [ arg … ]

A password program of the checkpassword interface, for qmail-popup(8) and the like. It reads a login name, a password
and a time stamp from descriptor 3, each followed by a zero byte, 512 bytes at most. If the table of qmail-passwd(8)
has the name and the password is right, it becomes the user of the system that the table names, changes to the home
directory, sets USER, HOME and SHELL, and runs *program*, with the user's group and no other.

The password may also be the digest of APOP, for users who were added with ``qmail-passwd -a``.

Entries with uid 0 and empty passwords are always refused, and so is everybody while others could read or change the
table. Without root only entries with the caller's own uid can log in.

Exit codes:

| 1    wrong name or password
| 2    called wrongly
| 111  the table cannot be used, or the home directory or *program* is missing
| else what *program* says

Files: HOME/users/passwords; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import sys

from qtwisted.config.conf import home_dir
from qtwisted.system.ending import helped
from qtwisted.trust.login import crypts, passwords
from qtwisted.trust.login.checkpassword import LATER, Credentials, Failed, User, serve


def check(credentials: Credentials) -> User | None:
    """Find the user if the password is his."""
    try:
        entry = passwords.find(passwords.read(home_dir(os.environ)), credentials.login)
        secret = None if entry is None else entry.secret
        is_right = passwords.matches(secret, credentials.password, credentials.stamp)
    except (passwords.TableError, crypts.NoCrypt):
        raise Failed(LATER) from None
    return User(entry.uid, entry.gid, entry.home) if entry is not None and is_right else None


def main() -> int:
    """Run the program."""
    if helped(__doc__):
        return 0
    return serve([os.fsencode(word) for word in sys.argv], check)


if __name__ == "__main__":
    raise SystemExit(main())
