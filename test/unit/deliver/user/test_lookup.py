"""What is remembered about whose mail it is."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import cdb, users
from qtwisted.config.users import User, UserError
from qtwisted.deliver.user.lookup import HOLDS_FOR, Lookup

JOE = User(b"joe", 1001, 1001, b"/home/joe", b"", b"")


class LookupTests(SynchronousTestCase):
    """When an answer holds."""

    def setUp(self) -> None:
        """A home without assignments."""
        self.home = self.mktemp()
        os.makedirs(self.home + "/users")
        self.clock = Clock()
        self.lookup = Lookup(self.home, self.clock.seconds)

    def assign(self, *names: bytes) -> None:
        """Write users/cdb, with a simple assignment for each name."""
        records = [(b"", b"-")] + [(b"!" + name + b"\0", JOE._replace(name=name).record()) for name in names]
        with open(self.home + "/users/new", "wb") as file:
            file.write(cdb.make(records))
        os.rename(self.home + "/users/new", self.home + "/users/cdb")

    def test_unknown(self) -> None:
        """Without an assignment qmail-getpw has to be asked."""
        self.assertIsNone(self.lookup.find(b"joe"))
        self.assign(b"ann")
        self.assertIsNone(self.lookup.find(b"joe"))

    def test_assigned(self) -> None:
        """An assignment is found, and not read again while the file stays."""
        self.assign(b"joe")
        self.assertEqual(self.lookup.find(b"joe"), JOE)
        self.patch(users, "lookup", lambda home, local: self.fail("asked again"))
        self.clock.advance(10**6)
        self.assertEqual(self.lookup.find(b"joe"), JOE)

    def test_new_assignments(self) -> None:
        """A new file counts at once, whatever was known before."""
        self.assign(b"joe")
        self.lookup.find(b"joe")
        self.assign(b"ann")
        self.assertIsNone(self.lookup.find(b"joe"))
        self.lookup.learn(b"joe", JOE)
        self.assign(b"joe")
        self.assertEqual(self.lookup.find(b"joe"), JOE)

    def test_learnt(self) -> None:
        """What qmail-getpw said holds for a few seconds."""
        self.lookup.learn(b"joe", JOE)
        self.assertEqual(self.lookup.find(b"joe"), JOE)
        self.clock.advance(HOLDS_FOR)
        self.assertIsNone(self.lookup.find(b"joe"))

    def test_case_is_kept(self) -> None:
        """Answers are remembered for the exact local part: extensions keep their case."""
        self.lookup.learn(b"joe-A", JOE._replace(dash=b"-", ext=b"A"))
        self.assertIsNone(self.lookup.find(b"joe-a"))

    def test_damaged(self) -> None:
        """A damaged file is trouble each time, until it is mended (SPN-18, L39)."""
        for damage in (b"", bytes(2048), b"x" * 100):
            with open(self.home + "/users/cdb", "wb") as file:
                file.write(damage)
            for _ in range(2):
                self.assertEqual(self.assertRaises(UserError, self.lookup.find, b"joe").code, 117)
        self.assign(b"joe")
        self.assertEqual(self.lookup.find(b"joe"), JOE)

    def test_bounded(self) -> None:
        """Memory does not grow with the number of addresses."""
        from qtwisted.deliver.user import lookup

        self.patch(lookup, "REMEMBERED_MAX", 100)
        for number in range(1000):
            self.lookup.learn(b"%d" % number, JOE)
        self.assertLessEqual(len(self.lookup._memory()), 100)
