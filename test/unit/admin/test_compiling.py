"""Tables, and when and how they are compiled."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin import compiling
from qtwisted.admin.compiling import ALL, CURRENT, MISSING, NO_SOURCE, OLDER, UNUSED, Mistake, Table
from qtwisted.config import cdb


class CompilingCase(SynchronousTestCase):
    """Has a home."""

    def setUp(self) -> None:
        """Make it."""
        self.home = os.path.abspath(self.mktemp())
        for name in ("users", "control", "alias", "etc"):
            os.makedirs(f"{self.home}/{name}")
        self.write("control/me", "test.example\n")
        self.users, self.hosts, aliases = ALL
        self.aliases = aliases._replace(target=f"{self.home}/etc/aliases.cdb", source=f"{self.home}/etc/aliases")

    def write(self, name: str, text: str, at: int | None = None) -> None:
        """Write a file, with a time if given."""
        with open(f"{self.home}/{name}", "w", encoding="latin-1") as file:
            file.write(text)
        if at is not None:
            os.utime(f"{self.home}/{name}", (at, at))

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Look into a table."""
        with cdb.Reader.open(os.path.join(self.home, table.target)) as reader:
            return reader.get(key)

    def mistake(self, table: Table) -> str:
        """Why a table cannot be compiled."""
        return str(self.assertRaises(Mistake, table.make, self.home))


class StateTests(CompilingCase):
    """Which tables are wanted."""

    def test_states(self) -> None:
        """A table is missing, older than its source, or up to date; without a source nothing is done."""
        self.assertEqual(compiling.state(self.users, self.home), NO_SOURCE)
        self.write("users/assign", ".\n", 1000)
        self.assertEqual(compiling.state(self.users, self.home), MISSING)
        self.write("users/cdb", "", 999)
        self.assertEqual(compiling.state(self.users, self.home), OLDER)
        self.write("users/cdb", "", 1000)
        self.assertEqual(compiling.state(self.users, self.home), CURRENT)
        os.unlink(f"{self.home}/users/assign")
        self.assertEqual(compiling.state(self.users, self.home), "there, but users/assign is not")

    def test_aliases_in_use(self) -> None:
        """/etc/aliases is ours only where a .qmail file looks into its table, or the table is there."""
        self.write("etc/aliases", "root: me\n")
        self.assertEqual(compiling.state(self.aliases, self.home), UNUSED)
        os.mkfifo(f"{self.home}/alias/.qmail-fifo")
        self.assertEqual(compiling.state(self.aliases, self.home), UNUSED)
        self.write("alias/.qmail-default", "| fastforward -d /etc/aliases.cdb\n")
        self.assertEqual(compiling.state(self.aliases, self.home), MISSING)

    def test_wanted(self) -> None:
        """What is up to date is compiled only if that is asked for."""
        states = (MISSING, OLDER, CURRENT, NO_SOURCE, UNUSED)
        self.assertEqual([compiling.is_wanted(found, False) for found in states], [True, True, False, False, False])
        self.assertTrue(compiling.is_wanted(CURRENT, True))


class MakeTests(CompilingCase):
    """What comes of it."""

    def test_users(self) -> None:
        """Assignments are found, and counted."""
        self.write("users/assign", "=a:joe:1:2:/h:-:e:\n.\n")
        self.assertEqual(self.users.make(self.home), 2)
        self.assertEqual(self.get(self.users, b"!a\0"), b"joe\x001\x002\0/h\0-\0e")
        self.assertEqual(sorted(os.listdir(f"{self.home}/users")), ["assign", "cdb"])

    def test_users_mistake(self) -> None:
        """A mistake has its line, and the old table stays."""
        self.write("users/cdb", "old")
        self.write("users/assign", "=a:joe:1:2:/h:-:e:\n=b:joe:1\n.\n")
        self.assertTrue(self.mistake(self.users).startswith(f"{self.home}/users/assign:2: "))
        self.write("users/assign", "=a:joe:1:2:/h:-:e:\n")
        self.assertTrue(self.mistake(self.users).startswith(f"{self.home}/users/assign:2: "))
        with open(f"{self.home}/users/cdb", encoding="ascii") as file:
            self.assertEqual(file.read(), "old")

    def test_hosts(self) -> None:
        """More hosts are found."""
        self.write("control/morercpthosts", "# more\nA.example\n")
        self.assertEqual(self.hosts.make(self.home), 1)
        self.assertEqual(self.get(self.hosts, b"a.example"), b"")

    def test_aliases(self) -> None:
        """Aliases are found, and a mistake has its line."""
        self.write("etc/aliases", "# all\nroot: me, joe@x.example\nmany: a,\n  b\n")
        self.assertEqual(self.aliases.make(self.home), 2)
        self.assertIsNotNone(self.get(self.aliases, b":root@"))
        self.write("etc/aliases", "# all\nroot: me\nmany: a,\n  b\n\nbad: ((\n")
        self.assertIn("/etc/aliases:6: ", self.mistake(self.aliases))

    def test_not_writable(self) -> None:
        """A table that cannot be written is a mistake that names it."""
        self.write("users/assign", ".\n")
        os.mkdir(f"{self.home}/users/cdb.tmp")
        self.assertIn(f"{self.home}/users/cdb: cannot be written", self.mistake(self.users))
