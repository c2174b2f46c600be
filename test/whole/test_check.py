"""``qmailctl check`` and ``qmailctl cdb`` on homes that are in order, and on homes that are not."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import SingleHome

if TYPE_CHECKING:
    import subprocess


class CommandCase(SynchronousTestCase):
    """Has a home of one user."""

    def setUp(self) -> None:
        """Make it."""
        self.home = SingleHome(self)

    def run_command(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run qmailctl on it."""
        return self.home.run(code().module("qtwisted.admin.qmailctl", "--home", self.home.path, *words))


class CheckTests(CommandCase):
    """Mistakes, each with its file and line."""

    def test_good(self) -> None:
        """Of a home that is in order nothing is said."""
        done = self.run_command("check")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_bad(self) -> None:
        """Each mistake is a line that begins with file and line number, and the exit code is 1."""
        self.home.control("tlsdestinations", "a.example:encrypt\nb.example:sometimes\n")
        self.home.control("maxrcpt", "many\n")
        self.home.control("unheard-of", "\n")
        done = self.run_command("check")
        self.assertEqual(done.returncode, 1, done.stderr)
        control = f"{self.home.path}/control"
        lines = done.stdout.decode().splitlines()
        for begin in (f"{control}/tlsdestinations:2: ", f"{control}/maxrcpt:1: ", f"{control}/unheard-of: "):
            self.assertTrue(any(line.startswith(begin) for line in lines), (begin, lines))

    def test_json(self) -> None:
        """For programs there is one JSON value a line."""
        self.home.control("helolines", "2\n")
        done = self.run_command("check", "--json")
        found, = map(json.loads, done.stdout.splitlines())
        self.assertEqual((found["path"], found["line"]), (f"{self.home.path}/control/helolines", 1))
        self.assertEqual(done.returncode, 1)

    def test_no_home(self) -> None:
        """A home that does not exist is refused."""
        done = self.home.run(code().module("qtwisted.admin.qmailctl", "--home", "/nonexistent", "check"))
        self.assertEqual(done.returncode, 100)


class CdbTests(CommandCase):
    """Tables that are compiled where that is due."""

    def setUp(self) -> None:
        """Write a source that has no table yet, and one that is newer than its table."""
        super().setUp()
        self.home.control("morercpthosts", "more.example\n")
        self.assign = f"{self.home.path}/users/assign"
        self.table = f"{self.home.path}/users/cdb"
        os.utime(self.table, (1000, 1000))

    def test_cdb(self) -> None:
        """What is missing or old is compiled, once; it is said what was done."""
        done = self.run_command("cdb")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"users/cdb: compiled from users/assign, ", done.stdout)
        self.assertIn(b"it was older than its source\n", done.stdout)
        self.assertIn(b"control/morercpthosts.cdb: compiled from control/morercpthosts, 1 records; it was missing\n",
                      done.stdout)
        self.assertIn(b"control/tcprules: is read as it is", done.stdout)
        again = self.run_command("cdb")
        self.assertTrue(again.stdout.startswith(
            b"users/cdb: up to date\ncontrol/morercpthosts.cdb: up to date\n"), again.stdout)
        self.assertEqual(self.run_command("check").returncode, 0)

    def test_mistake(self) -> None:
        """A mistake is named with file and line; what is right is compiled all the same, and the old table stays."""
        with open(self.table, "rb") as file:
            old = file.read()
        with open(self.assign, "w", encoding="ascii") as file:
            file.write("=broken:line\n.\n")
        done = self.run_command("cdb")
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith(f"{self.assign}:1: ".encode()), done.stderr)
        self.assertIn(b"control/morercpthosts.cdb: compiled", done.stdout)
        with open(self.table, "rb") as file:
            self.assertEqual(file.read(), old)
