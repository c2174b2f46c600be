"""Assignments decide whose the mail for a local address is."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import cdb
from qtwisted.config.newu import compiled
from qtwisted.config.users import User, UserError, find, lookup, parse

ASSIGN = b"""\
=Joe.Shmoe:joe:507:100:/home/joe:::
=joe:joe:507:100:/home/joe:::
+joe-:joe:507:100:/home/joe:-::
+joe-list-:joe:507:100:/home/joe:-:lists-:
+:alias:7790:2108:/var/qmail/alias:-::
.
"""


def joe(dash: bytes = b"", ext: bytes = b"") -> User:
    """Name the user joe."""
    return User(b"joe", 507, 100, b"/home/joe", dash, ext)


def alias(ext: bytes) -> User:
    """Name the alias user."""
    return User(b"alias", 7790, 2108, b"/var/qmail/alias", b"-", ext)


class FindTests(SynchronousTestCase):
    """Simple assignments and wildcards."""

    def test_table(self) -> None:
        """Any case matches, simple beats wildcard, longer beats shorter; the rest keeps its case."""
        table = cdb.Reader(cdb.make(compiled(ASSIGN)))
        for local, user in (
            (b"JOE.shmoe", joe()),
            (b"JOE", joe()),
            (b"joe-", joe(b"-")),
            (b"Joe-Foo", joe(b"-", b"Foo")),
            (b"joe-list-Bar-baz", joe(b"-", b"lists-Bar-baz")),
            (b"JOE-LIST-", joe(b"-", b"lists-")),
            (b"joe-list", joe(b"-", b"list")),
            (b"unknown", alias(b"unknown")),
            (b"a b", alias(b"a b")),
            (b"x@y", alias(b"x@y")),
            (b"", alias(b"")),
        ):
            self.assertEqual(find(table, local), user, local)

    def test_nobody_is_assigned(self) -> None:
        """Without a matching assignment there is no user."""
        table = cdb.Reader(cdb.make(compiled(b"=joe:joe:507:100:/home/joe:::\n.\n")))
        self.assertIsNone(find(table, b"joe-x"))
        self.assertIsNone(find(table, b""))

    def test_wildcard_that_ends_in_a_capital(self) -> None:
        """A wildcard ending in a capital letter matches like any other."""
        table = cdb.Reader(cdb.make(compiled(b"+BIGX:joe:507:100:/home/joe:-::\n.\n")))
        self.assertEqual(find(table, b"bigxyz"), joe(b"-", b"yz"))

    def test_table_of_the_original_with_such_a_wildcard(self) -> None:
        """The same holds for a table compiled by 1.02, which noted the capital."""
        records = dict(compiled(b"+BIGX:joe:507:100:/home/joe:-::\n.\n"))
        records[b""] = b"X"
        self.assertEqual(find(cdb.Reader(cdb.make(records.items())), b"BIGXyZ"), joe(b"-", b"yZ"))

    def test_first_of_equal_keys(self) -> None:
        """If two assignments are for the same address the first counts."""
        table = cdb.Reader(cdb.make(compiled(b"=a:joe:507:100:/home/joe:::\n=A:x:1:1:/:::\n.\n")))
        self.assertEqual(find(table, b"a"), joe())

    def test_long_address(self) -> None:
        """An address of the greatest length is looked up without fuss."""
        table = cdb.Reader(cdb.make(compiled(ASSIGN)))
        local = b"joe-" + b"-" * 990
        self.assertEqual(find(table, local), joe(b"-", b"-" * 990))


class ParseTests(SynchronousTestCase):
    """Records."""

    def code(self, record: bytes) -> int:
        """Give the code with which a record is refused."""
        return self.assertRaises(UserError, parse, record).code

    def test_record(self) -> None:
        """Six fields; a zero after the last and more fields do not count."""
        self.assertEqual(parse(b"joe\x00507\x00100\0/home/joe\0-\0x"), joe(b"-", b"x"))
        self.assertEqual(parse(joe(b"-", b"x").record()), joe(b"-", b"x"))

    def test_too_few_fields(self) -> None:
        """Fewer than six fields are code 112."""
        self.assertEqual(self.code(b"joe\x00507\x00100\0/home/joe\0-"), 112)
        self.assertEqual(self.code(b""), 112)

    def test_numbers(self) -> None:
        """The leading digits count; none are 0, which is root and refused later."""
        self.assertEqual(parse(b"x\x0012x\0y\0/\0\0")[1:3], (12, 0))

    def test_numbers_that_do_not_fit(self) -> None:
        """A number beyond the greatest uid, above all the one that means leave it, is code 112."""
        for number in (b"4294967295", b"4294967296", b"9" * 30):
            self.assertEqual(self.code(b"x\0%s\x001\0/\0\0" % number), 112)
            self.assertEqual(self.code(b"x\x001\0%s\0/\0\0" % number), 112)
        self.assertEqual(parse(b"x\x004294967294\x001\0/\0\0").uid, 4294967294)


class LookupTests(SynchronousTestCase):
    """users/cdb of a home."""

    def setUp(self) -> None:
        """Make a home without assignments."""
        self.home = self.mktemp()
        os.makedirs(f"{self.home}/users")

    def put(self, image: bytes) -> None:
        """Write users/cdb."""
        with open(f"{self.home}/users/cdb", "wb") as file:
            file.write(image)

    def code(self) -> int:
        """Give the code with which looking up fails."""
        return self.assertRaises(UserError, lookup, self.home, b"joe").code

    def test_found(self) -> None:
        """The user of the record is found."""
        self.put(cdb.make(compiled(ASSIGN)))
        self.assertEqual(lookup(self.home, b"Joe"), joe())

    def test_missing(self) -> None:
        """Without the file nobody is assigned."""
        self.assertIsNone(lookup(self.home, b"joe"))

    def test_damaged(self) -> None:
        """A file that is empty, has no record of wildcard ends, or is cut off is code 117."""
        image = cdb.make(compiled(ASSIGN))
        for damaged in (b"", bytes(2048), image[:2048], image[:100], cdb.make([(b"!joe\0", joe().record())])):
            self.put(damaged)
            self.assertEqual(self.code(), 117)

    def test_unreadable(self) -> None:
        """A file that cannot be opened or read is code 117."""
        os.mkdir(f"{self.home}/users/cdb")
        self.assertEqual(self.code(), 117)
        os.rmdir(f"{self.home}/users/cdb")
        os.symlink("cdb", f"{self.home}/users/cdb")
        self.assertEqual(self.code(), 117)

    def test_bad_record(self) -> None:
        """A record with too few fields is code 112."""
        self.put(cdb.make([(b"!joe\0", b"joe\x00507"), (b"", b"")]))
        self.assertEqual(self.code(), 112)
