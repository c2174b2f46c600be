"""qmail-getpw finds the account that an address belongs to."""

from __future__ import annotations

import errno
import io
import os
import pwd
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import getpw
from qtwisted.config.accounts import Account
from qtwisted.config.users import User, UserError

LONG = b"l" * 31

ACCOUNTS = {
    b"alias": Account(b"alias", 7790, 2108, b"/gone"),
    b"joe": Account(b"joe", 507, 100, b"/home/joe"),
    b"joe-x": Account(b"joe-x", 508, 100, b"/home/joe-x"),
    b"zero": Account(b"zero", 0, 0, b"/home/zero"),
    b"nohome": Account(b"nohome", 510, 100, b"/gone"),
    b"notown": Account(b"notown", 511, 100, b"/home/joe"),
    b"Bob": Account(b"Bob", 512, 100, b"/home/bob"),
    LONG: Account(LONG, 513, 100, b"/home/long"),
    LONG + b"l": Account(LONG + b"l", 514, 100, b"/home/longer"),
    b"stale": Account(b"stale", 515, 100, b"/nfs/stale"),
}

OWNERS = {
    b"/home/joe": 507,
    b"/home/joe-x": 508,
    b"/home/zero": 0,
    b"/home/bob": 512,
    b"/home/long": 513,
    b"/home/longer": 514,
}


def owner_of(directory: bytes) -> int:
    """Say whose a directory is; what is on NFS cannot be told."""
    if directory.startswith(b"/nfs/"):
        raise OSError(errno.ESTALE, "stale")
    if directory not in OWNERS:
        raise FileNotFoundError(errno.ENOENT, "gone")
    return OWNERS[directory]


def account_of(name: bytes) -> Account | None:
    """Look up an account; the directory service is down for one of them."""
    if name == b"tempfail":
        raise OSError(errno.ETXTBSY, "down")
    return ACCOUNTS.get(name)


class FindTests(SynchronousTestCase):
    """The rules of qmail-getpw."""

    def user(self, local: bytes, break_: bytes = b"-") -> User:
        """Find the user for an address."""
        return getpw.find(local, break_, b"alias", account_of, owner_of)

    def test_accounts(self) -> None:
        """The longest name that is an account which owns its home gets the mail, and the rest as extension."""
        for local, name, dash, ext in (
            (b"joe", b"joe", b"", b""),
            (b"JOE", b"joe", b"", b""),
            (b"Joe-Foo", b"joe", b"-", b"Foo"),
            (b"joe-x-y", b"joe-x", b"-", b"y"),
            (b"joe-y-z-", b"joe", b"-", b"y-z-"),
            (b"joe-", b"joe", b"-", b""),
            (LONG, LONG, b"", b""),
        ):
            account = ACCOUNTS[name]
            self.assertEqual(self.user(local), User(name, account.uid, account.gid, account.home, dash, ext), local)

    def test_alias(self) -> None:
        """Everything else is the alias user's, whose home is not looked at."""
        for local in (
            b"-joe",
            b"-",
            b"",
            b"zero-x",
            b"nohome-x",
            b"notown-x",
            b"bob",
            b"Bob",
            b"joe+x",
            LONG + b"l",
        ):
            self.assertEqual(self.user(local), User(b"alias", 7790, 2108, b"/gone", b"-", local), local)

    def test_another_break(self) -> None:
        """With another break character the dash is a hyphen all the same."""
        self.assertEqual(self.user(b"joe+A+b", b"+"), User(b"joe", 507, 100, b"/home/joe", b"-", b"A+b"))
        self.assertEqual(self.user(b"joe-x", b"+").name, b"joe-x")

    def test_no_break(self) -> None:
        """Without a break character only whole names are accounts."""
        self.assertEqual(self.user(b"joe", b"").name, b"joe")
        self.assertEqual(self.user(b"joe-foo", b"").name, b"alias")

    def test_long_names_are_not_looked_up(self) -> None:
        """A name of more than 31 bytes is never looked up; a shorter beginning of it is."""
        asked: list[bytes] = []

        def note(name: bytes) -> Account | None:
            """Take note of what is looked up."""
            asked.append(name)
            return ACCOUNTS.get(name)

        found = getpw.find(b"joe-" + b"X" * 900, b"-", b"alias", note, owner_of)
        self.assertEqual((found.name, found.ext), (b"joe", b"X" * 900))
        self.assertEqual(asked, [b"joe"])

    def test_trouble(self) -> None:
        """Trouble with the look-up is 118, trouble with a home 115, no alias user 116."""
        for local, accounts, code in (
            (b"tempfail", account_of, 118),
            (b"tempfail-x", account_of, 118),
            (b"stale-x", account_of, 115),
            (b"x", {}.get, 116),
        ):
            error = self.assertRaises(UserError, getpw.find, local, b"-", b"alias", accounts, owner_of)
            self.assertEqual(error.code, code, local)

    def test_trouble_with_the_alias_user(self) -> None:
        """If the alias user cannot be looked up now, that is no answer either."""
        error = self.assertRaises(UserError, getpw.find, b"x", b"-", b"tempfail", account_of, owner_of)
        self.assertEqual(error.code, 118)


class ProgramTests(SynchronousTestCase):
    """The program."""

    def setUp(self) -> None:
        """Make a home whose alias user is root, who exists everywhere."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/conf")
        with open(f"{self.home}/conf/conf-users", "w") as file:
            file.write(f"{pwd.getpwuid(0).pw_name}\n" * 8)
        self.patch(os, "environ", {"QMAILHOME": self.home})
        self.out = os.open(self.mktemp(), os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, self.out)

    def run_program(self, *words: str) -> tuple[int, bytes]:
        """Run the program; give its exit code and output."""
        code = getpw.main(["qmail-getpw", *words], self.out)
        return code, os.pread(self.out, 1000, 0)

    def test_output(self) -> None:
        """Six strings, each ended by a zero byte."""
        root = pwd.getpwuid(0)
        expected = f"{root.pw_name}\x000\x000\x00{root.pw_dir}\0-\0No-Such-User\0"
        self.assertEqual(self.run_program("No-Such-User"), (0, expected.encode()))

    def test_nobody_listens(self) -> None:
        """If the answer cannot be written whole, the mail waits."""
        full = os.open("/dev/full", os.O_WRONLY)
        self.addCleanup(os.close, full)
        self.assertEqual(getpw.main(["qmail-getpw", "x"], full), 118)

    def test_no_argument(self) -> None:
        """Without an address it says nothing and exits 100."""
        self.assertEqual(self.run_program(), (100, b""))

    def test_no_alias_user(self) -> None:
        """Without an alias user it exits 116."""
        with open(f"{self.home}/conf/conf-users", "w") as file:
            file.write("no such user\n" * 8)
        self.assertEqual(self.run_program("x"), (116, b""))

    def test_bad_settings(self) -> None:
        """Settings that make no sense are told, and the mail waits."""
        said = io.StringIO()
        self.patch(sys, "stderr", said)
        with open(f"{self.home}/conf/conf-users", "w") as file:
            file.write("\n")
        self.assertEqual(self.run_program("x"), (118, b""))
        self.assertIn("qmail-getpw: fatal: conf/conf-users", said.getvalue())
