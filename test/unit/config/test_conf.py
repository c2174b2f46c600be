"""The settings of a home are 1.02's unless its conf directory says otherwise."""

from __future__ import annotations

import grp
import os
import pwd

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.conf import ROLES, home_dir, ids, load
from qtwisted.config.control import ControlError


class ConfCase(SynchronousTestCase):
    """A home whose conf files a test writes."""

    def setUp(self) -> None:
        """Make a home with an empty conf directory."""
        self.home = self.mktemp()
        os.makedirs(f"{self.home}/conf")

    def put(self, name: str, text: str) -> None:
        """Write a conf file."""
        with open(f"{self.home}/conf/{name}", "w") as file:
            file.write(text)


class ConfTests(ConfCase):
    """Reading conf files."""

    def problem(self) -> str:
        """Say why the settings cannot be loaded."""
        return str(self.assertRaises(ControlError, load, self.home))

    def test_defaults(self) -> None:
        """Without files everything is as qmail 1.02 was shipped."""
        conf = load(self.home)
        self.assertEqual((conf.split, conf.spawn, conf.break_, conf.patrn), (23, 120, b"-", 0o022))
        self.assertEqual(conf.users, {role: role for role in ROLES})
        self.assertEqual(conf.groups, {"qmail": "qmail", "nofiles": "nofiles"})

    def test_files(self) -> None:
        """Each file replaces its default; only first lines and the lines needed count."""
        self.put("conf-split", "7\nnumber of subdirectories\n")
        self.put("conf-spawn", "255\n")
        self.put("conf-break", "+\n")
        self.put("conf-patrn", "002\n")
        self.put("conf-users", "".join(f"u{role}\n" for role in ROLES) + "\nthe users\n")
        self.put("conf-groups", "g1\ng2\n")
        conf = load(self.home)
        self.assertEqual((conf.split, conf.spawn, conf.break_, conf.patrn), (7, 255, b"+", 0o002))
        self.assertEqual(conf.users["qmails"], "uqmails")
        self.assertEqual(conf.groups, {"qmail": "g1", "nofiles": "g2"})

    def test_empty_break(self) -> None:
        """An empty conf-break means that no character separates extensions."""
        self.put("conf-break", "\n")
        self.assertEqual(load(self.home).break_, b"")

    def test_recycling_can_be_turned_off(self) -> None:
        """conf-recycle is 1 unless it says 0."""
        self.assertTrue(load(self.home).recycle)
        self.put("conf-recycle", "0\n")
        self.assertFalse(load(self.home).recycle)

    def test_nonsense_is_told(self) -> None:
        """A value that makes no sense is an error with its file and line."""
        self.put("conf-spawn", "10001\n")
        self.assertEqual(self.problem(), "conf/conf-spawn line 1: is out of range (1 to 10000)")
        self.put("conf-spawn", "many\n")
        self.assertEqual(self.problem(), "conf/conf-spawn line 1: is not a number")
        self.put("conf-spawn", "1\n")
        self.put("conf-break", "--\n")
        self.assertEqual(self.problem(), "conf/conf-break line 1: must be one character or none")
        self.put("conf-break", "-\n")
        self.put("conf-users", "alias\n\n" + "x\n" * 6)
        self.assertEqual(self.problem(), "conf/conf-users line 2: is empty")
        self.put("conf-users", "alias\nqmaild\n")
        self.assertEqual(self.problem(), "conf/conf-users line 2: has too few lines, 8 are needed")
        os.unlink(f"{self.home}/conf/conf-users")
        os.mkdir(f"{self.home}/conf/conf-users")
        self.assertEqual(self.problem(), "conf/conf-users: is a directory")


class IdsTests(ConfCase):
    """Looking up users and groups."""

    def test_one_user_for_all(self) -> None:
        """A home whose roles are all one user has no separation."""
        me = pwd.getpwuid(0)
        self.put("conf-users", f"{me.pw_name}\n" * 8)
        self.put("conf-groups", f"{grp.getgrgid(0).gr_name}\n" * 2)
        found = ids(load(self.home))
        self.assertEqual((found.alias_uid, found.qmails_uid, found.root_uid, found.qmail_gid), (0, 0, 0, 0))
        self.assertFalse(found.separated)

    def test_eight_users(self) -> None:
        """A home whose roles are eight different users is separated."""
        users = {account.pw_uid: account.pw_name for account in pwd.getpwall()}
        self.put("conf-users", "".join(f"{users[uid]}\n" for uid in sorted(users)[:8]))
        self.put("conf-groups", f"{grp.getgrgid(0).gr_name}\n" * 2)
        self.assertTrue(ids(load(self.home)).separated)

    def test_missing_names(self) -> None:
        """A user or group that does not exist is an error with its line."""
        root = pwd.getpwuid(0).pw_name
        self.put("conf-users", f"{root}\n" * 5 + "no such user\n" + f"{root}\n" * 2)
        error = self.assertRaises(ControlError, ids, load(self.home))
        self.assertEqual(str(error), "conf/conf-users line 6: there is no user no such user")
        self.put("conf-users", f"{root}\n" * 8)
        self.put("conf-groups", "no such group\nx\n")
        error = self.assertRaises(ControlError, ids, load(self.home))
        self.assertEqual(str(error), "conf/conf-groups line 1: there is no group no such group")


class HomeTests(SynchronousTestCase):
    """Which home is meant."""

    def test_order(self) -> None:
        """The argument comes before $QMAILHOME, which comes before /var/qmail."""
        self.assertEqual(home_dir({"QMAILHOME": "/h"}, "/a"), "/a")
        self.assertEqual(home_dir({"QMAILHOME": "/h"}), "/h")
        self.assertEqual(home_dir({"QMAILHOME": ""}), "/var/qmail")
        self.assertEqual(home_dir({}), "/var/qmail")
