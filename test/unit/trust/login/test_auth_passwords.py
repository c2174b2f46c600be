"""The table of virtual users, its secrets, and what manages it."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.ending import Ending
from qtwisted.trust.login import checkpassword_virtual, crypts, passwd, passwords
from qtwisted.trust.login.checkpassword import Credentials, Failed, User
from qtwisted.trust.login.passwords import Entry, TableError

STAMP = b"<1.2@pop.host>"


class SecretTests(SynchronousTestCase):
    """What is kept of a password, and what matches it."""

    def test_hash(self) -> None:
        """A hash matches its password and no other, and two hashes of one password differ."""
        secret = passwords.hashed(b"se cret")
        self.assertTrue(secret.startswith(b"$scrypt$ln=14,r=8,p=1$"))
        self.assertTrue(passwords.matches(secret, b"se cret", STAMP))
        for wrong in (b"se cret ", b"", b"Se cret", secret):
            self.assertFalse(passwords.matches(secret, wrong, STAMP))
        self.assertNotEqual(secret, passwords.hashed(b"se cret"))

    def test_known_hash(self) -> None:
        """The hash is the scrypt of RFC 7914, written as others write it."""
        made = hashlib.scrypt(b"pw", salt=b"salt", n=1 << 14, r=8, p=1, dklen=32)
        secret = passwords.hashed(b"pw", b"salt")
        self.assertEqual(secret.split(b"$")[3], b"c2FsdA")
        self.assertEqual(passwords._bytes(secret.split(b"$")[4]), made)

    def test_every_byte(self) -> None:
        """A password may hold any bytes."""
        password = bytes(range(1, 256))
        self.assertTrue(passwords.matches(passwords.hashed(password), password, STAMP))
        self.assertTrue(passwords.matches(passwords.kept(password), password, STAMP))

    def test_apop(self) -> None:
        """A secret kept as it is matches the digest of APOP with this stamp only, and the password itself."""
        secret = passwords.kept(b"tanstaaf")
        digest = b"c4c9334bac560ecc979e58001b3e22fb"  # the example of RFC 1939 7
        self.assertTrue(passwords.matches(secret, digest, b"<1896.697170952@dbc.mtview.ca.us>"))
        self.assertFalse(passwords.matches(secret, digest, STAMP))
        self.assertFalse(passwords.matches(secret, digest.upper(), b"<1896.697170952@dbc.mtview.ca.us>"))
        self.assertTrue(passwords.matches(secret, b"tanstaaf", STAMP))

    def test_hashes_of_the_system(self) -> None:
        """A hash of crypt(3) works as well; one that is locked or empty matches nothing."""
        secret = (b"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4"
                  b"OTLiBFdcbYEdFCoEOfaS35inz1")
        self.assertTrue(passwords.matches(secret, b"Hello world!", STAMP))
        self.assertFalse(passwords.matches(secret, b"Hello world", STAMP))
        for locked in (b"", b"*", b"!", b"!" + secret, b"*0", b"x"):
            self.assertFalse(crypts.matches(b"Hello world!", locked))
            self.assertFalse(crypts.matches(locked, locked))

    def test_nobody(self) -> None:
        """Without a secret the same work is done, and the answer is no."""
        asked: list[bytes] = []
        self.patch(passwords, "_scrypt", lambda password, *rest: asked.append(password) or b"")
        self.assertFalse(passwords.matches(None, b"pw", STAMP))
        self.assertEqual(asked, [b"pw"])

    def test_nonsense(self) -> None:
        """A secret that makes no sense is the operator's trouble and not a wrong password."""
        for secret in (b"$scrypt$", b"$scrypt$ln=99,r=8,p=1$AAAA$AAAA", b"$scrypt$ln=x,r=8,p=1$AAAA$AAAA",
                       b"$scrypt$ln=14$AAAA$AAAA", b"$scrypt$ln=14,r=8,p=1$A$AAAA"):
            self.assertRaises(TableError, passwords.matches, secret, b"pw", STAMP)


class TableCase(SynchronousTestCase):
    """A home with a table."""

    def setUp(self) -> None:
        """Make the home, and restore what the programs change of the process."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/users")
        self.path = passwords.path(self.home)
        self.patch(os, "environ", {"QMAILHOME": self.home})
        self.addCleanup(os.umask, os.umask(0o022))

    def put(self, text: bytes, mode: int = 0o600) -> None:
        """Write the table."""
        with open(self.path, "wb") as file:
            file.write(text)
        os.chmod(self.path, mode)


class TableTests(TableCase):
    """Reading the table."""

    def test_find(self) -> None:
        """A login is found by its whole name."""
        table = Entry(b"joe@x", b"s1", 7, 8, b"/h").line() + Entry(b"joe", b"s2", 9, 10, b"/i").line()
        self.assertEqual(passwords.find(table, b"joe"), Entry(b"joe", b"s2", 9, 10, b"/i"))
        self.assertEqual(passwords.find(table, b"joe@x"), Entry(b"joe@x", b"s1", 7, 8, b"/h"))
        for login in (b"", b"jo", b"oe", b"JOE", b"joe:s2", b"joe\n", b"x:s1:7:8:/h\njoe", b"s1"):
            self.assertIsNone(passwords.find(table, login))

    def test_missing(self) -> None:
        """Without a table there is nobody."""
        self.assertEqual(passwords.read(self.home), b"")

    def test_open_to_others(self) -> None:
        """A table that others can read or change is not believed; its group may read it."""
        for mode in (0o644, 0o604, 0o602, 0o620, 0o660, 0o601):
            self.put(b"", mode)
            self.assertRaises(TableError, passwords.read, self.home)
        self.put(b"x", 0o640)
        self.assertEqual(passwords.read(self.home), b"x")

    def test_no_file(self) -> None:
        """A FIFO or a symbolic link in its place is not read, and nobody waits."""
        os.mkfifo(self.path, 0o600)
        self.assertRaises(TableError, passwords.read, self.home)
        os.unlink(self.path)
        os.symlink("/etc/passwd", self.path)
        self.assertRaises(TableError, passwords.read, self.home)

    def test_bad_lines(self) -> None:
        """A line that is no entry is told with its number."""
        for line in (b"joe", b"joe:s:1:2", b"joe:s:x:2:/h", b"joe:s:1::/h", b"joe:s:1:2:/h:x"):
            table = b"ann:s:1:2:/h\n" + line + b"\n"
            trouble = self.assertRaises(TableError, list, passwords.entries(table))
            self.assertIn("line 2", str(trouble))
            self.assertRaises(TableError, passwords.find, table, b"joe") if b":" in line else None


class CheckTests(TableCase):
    """Who is let in by qmail-checkpassword-virtual."""

    def check(self, login: bytes, password: bytes) -> User | None:
        """Try to log in."""
        return checkpassword_virtual.check(Credentials(login, password, STAMP))

    def test_users(self) -> None:
        """The right password gives the user of the table, anything else nobody."""
        self.put(Entry(b"joe", passwords.hashed(b"pw"), 7, 8, b"/h").line())
        self.assertEqual(self.check(b"joe", b"pw"), User(7, 8, b"/h"))
        for login, password in ((b"joe", b"x"), (b"ann", b"pw"), (b"", b"pw"), (b"joe", b"")):
            self.assertIsNone(self.check(login, password))

    def test_trouble(self) -> None:
        """While the table cannot be used, it cannot be told."""
        self.put(b"joe:s:1:2:/h\n", 0o644)
        trouble = self.assertRaises(Failed, self.check, b"joe", b"pw")
        self.assertEqual(trouble.code, 111)


class ProgramTests(TableCase):
    """qmail-passwd."""

    def run_program(self, *words: str, typed: bytes = b"pw\n") -> int:
        """Run it with this on standard input; give the exit code."""
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
        output = io.BytesIO()
        self.patch(sys, "stdout", io.TextIOWrapper(output))
        self.patch(os, "isatty", lambda fd: False)
        self.line = b""
        try:
            return passwd.work([b"qmail-passwd", *map(os.fsencode, words)])
        except Ending as ending:
            self.line = ending.line
            return ending.code
        finally:
            sys.stdout.flush()
            self.output = output.getvalue()

    def table(self) -> dict[bytes, Entry]:
        """Read the table."""
        return {entry.login: entry for entry in passwords.entries(passwords.read(self.home))}

    def test_life(self) -> None:
        """A login is added, listed, changed and deleted."""
        self.assertEqual(self.run_program("add", "joe@x", "70:80", "/h"), 0)
        entry = self.table()[b"joe@x"]
        self.assertEqual((entry.uid, entry.gid, entry.home), (70, 80, b"/h"))
        self.assertTrue(passwords.matches(entry.secret, b"pw", STAMP))
        self.assertEqual(self.run_program("list"), 0)
        self.assertEqual(self.output, b"joe@x 70:80 /h\n")
        self.assertEqual(self.run_program("set", "joe@x", typed=b"other\r\n"), 0)
        self.assertTrue(passwords.matches(self.table()[b"joe@x"].secret, b"other", STAMP))
        self.assertEqual(self.run_program("delete", "joe@x"), 0)
        self.assertEqual(self.table(), {})

    def test_accounts(self) -> None:
        """An account of the system may be named; its home is the default; root may not."""
        self.assertEqual(self.run_program("add", "joe", "nobody"), 0)
        self.assertEqual(self.table()[b"joe"].home[:1], b"/")
        self.assertEqual(self.run_program("add", "ann", "root"), 100)
        self.assertEqual(self.run_program("add", "ann", "0:0", "/h"), 100)
        self.assertEqual(self.run_program("add", "ann", "no such user"), 100)
        self.assertEqual(set(self.table()), {b"joe"})

    def test_apop(self) -> None:
        """With -a the password itself is kept, for APOP."""
        self.assertEqual(self.run_program("-a", "add", "joe", "70:80", "/h", typed=b"tanstaaf\n"), 0)
        digest = hashlib.md5(STAMP + b"tanstaaf").hexdigest().encode()
        self.assertTrue(passwords.matches(self.table()[b"joe"].secret, digest, STAMP))

    def test_private(self) -> None:
        """The table can be read by its owner only, whatever the umask is; no second file stays."""
        os.umask(0)
        self.run_program("add", "joe", "70:80", "/h")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(os.listdir(f"{self.home}/users"), ["passwords"])

    def test_refuses(self) -> None:
        """What cannot be a login name, a password, a home or a command is refused, and nothing changes."""
        self.run_program("add", "joe", "70:80", "/h")
        before = passwords.read(self.home)
        wrong: list[tuple[str, ...]] = [
            ("add", "joe", "70:80", "/h"), ("add", "a:b", "70:80", "/h"), ("add", "a b", "70:80", "/h"),
            ("add", "", "70:80", "/h"), ("add", "a\nb", "70:80", "/h"), ("add", "a", "70:80"),
            ("add", "a", "70:80", "h"), ("add", "a", "70:80", "/h:x"), ("add", "a", "70:x", "/h"),
            ("add", "a", "4294967295:1", "/h"), ("add", "a"), ("set", "ann"), ("delete", "ann"), ("delete",),
            ("list", "x"), ("frob",), (), ("-x", "list"),
        ]
        for words in wrong:
            self.assertEqual(self.run_program(*words), 100, words)
            self.assertTrue(self.line.startswith(b"qmail-passwd: "))
        for typed in (b"", b"\n", b" x\n", b"a\0b\n", b"x" * 257):
            self.assertEqual(self.run_program("set", "joe", typed=typed), 100)
        self.assertEqual(passwords.read(self.home), before)

    def test_open_to_others(self) -> None:
        """A table that others can read is refused, not repaired: its secrets are known."""
        self.put(b"", 0o644)
        self.assertEqual(self.run_program("add", "joe", "70:80", "/h"), 111)
        self.assertIn(b"open to others", self.line)

    def test_no_home(self) -> None:
        """Where there is no home, nothing can be written."""
        self.patch(os, "environ", {"QMAILHOME": f"{self.home}/nowhere"})
        self.assertEqual(self.run_program("list"), 111)
