"""Accounts are looked up with two kinds of no."""

from __future__ import annotations

import pwd

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.accounts import Account, account


class AccountTests(SynchronousTestCase):
    """Accounts of this system."""

    def test_found(self) -> None:
        """What is found is what pwd says of everyone."""
        for entry in pwd.getpwall()[:20]:
            name = entry.pw_name.encode()
            self.assertEqual(account(name), Account(name, entry.pw_uid, entry.pw_gid, entry.pw_dir.encode(),
                                                    entry.pw_shell.encode()))

    def test_not_found(self) -> None:
        """A name that nobody has is no trouble, whatever bytes it holds."""
        for name in (b"no such user", b"", b"\xff\xfe", b"root:", b"root\0x", b"x" * 500, b"a\nb"):
            self.assertIsNone(account(name))
