"""qmail-newu compiles users/assign byte for byte as the original, or changes nothing."""

from __future__ import annotations

import os

from qtwisted.config import cdb, newu

from .program_case import ProgramCase

LINE = b"=a:b:1:2:/h:-:e:\n"
WRONG = "qmail-newu: fatal: bad format in users/assign\n"

#: all from offset 2048: four records, then table 5, which three of the keys share, and table 132
REFERENCE = bytes.fromhex(
    "03000000 0c000000 216100 6200 3100 3200 2f6800 2d00 65"
    "03000000 0c000000 216100 6300 3100 3200 2f6800 2d00 65"
    "01000000 0c000000 21 6400 3100 3200 2f6800 2d00 65"
    "00000000 00000000"
    "00000000 00000000 0533860b 00080000 0533860b 17080000 05150000 43080000 00000000 00000000 00000000 00000000"
    "00000000 00000000 84b50200 2e080000"
)


class NewuTests(ProgramCase):
    """The program in a home."""

    def compile(self, assign: bytes) -> tuple[int, str]:
        """Compile a text; give exit code and output."""
        self.put("users/assign", assign)
        return self.run_program(newu.main)

    def test_reference(self) -> None:
        """The records of a known file have the known bytes, in the order of the file, wildcard ends last."""
        text = b"=a:b:1:2:/h:-:e:extra\n=a:c:1:2:/h:-:e:\n+:d:1:2:/h:-:e:\n.\n"
        self.assertEqual(self.compile(text), (0, ""))
        image = self.get("users/cdb")
        self.assertEqual(image[2048:], REFERENCE)
        self.assertEqual(image[40:48], bytes.fromhex("4b080000 06000000"))

    def test_mode_and_place(self) -> None:
        """The new file can be read by all and replaces the old one; no other file is left."""
        self.put("users/cdb", b"old")
        self.assertEqual(self.compile(LINE + b".\n"), (0, ""))
        self.assertEqual(os.stat(f"{self.home}/users/cdb").st_mode & 0o777, 0o644)
        self.assertEqual(sorted(os.listdir(f"{self.home}/users")), ["assign", "cdb"])

    def test_only_a_dot(self) -> None:
        """A dot without LF is a whole file; its table holds the empty key with nothing."""
        self.assertEqual(self.compile(b"."), (0, ""))
        self.assertEqual(list(cdb.records(self.get("users/cdb"))), [(b"", b"")])

    def test_after_the_dot(self) -> None:
        """Nothing after the dot counts, on its line or after it."""
        self.assertEqual(self.compile(b".x\0\nrubbish\n"), (0, ""))

    def test_bad_format(self) -> None:
        """A file with a fault is refused whole, and the old table stays."""
        for text in (
            b"",
            LINE,
            b"=a:b:1:2:/h:-\n.\n",
            b"=a:b:1:2:/h:-:e\n.\n",
            b":a:b:1:2:/h:-:e:\n.\n",
            b"rubbish\n.\n",
            b"\n.\n",
            b"=a\0:b:1:2:/h:-:e:\n.\n",
            LINE[:-1],
        ):
            self.put("users/cdb", b"old")
            self.assertEqual(self.compile(text), (111, WRONG), text)
            self.assertEqual(self.get("users/cdb"), b"old")

    def test_keys(self) -> None:
        """Keys are lower-cased; simple ones end with a zero; other first characters are as =."""
        text = b"=Joe:b:1:2:/h:-:e:\n+Joe-:b:1:2:/h:-:E:\n*x:b:1:2:/h:-:e:\n.\n"
        keys = [key for key, _ in newu.compiled(text)]
        self.assertEqual(keys, [b"!joe\0", b"!joe-", b"!x\0", b""])

    def test_wildcard_ends(self) -> None:
        """The last characters of wildcards are noted once each, in order, lower-cased; empty ones have none."""
        rest = b":b:1:2:/h:-:e:\n"
        text = b"".join(prefix + rest for prefix in (b"+b-", b"+", b"+X", b"+c-", b"+ax", b"=q")) + b".\n"
        self.assertEqual(list(newu.compiled(text))[-1], (b"", b"-x"))

    def test_trouble(self) -> None:
        """Each step that may fail has its own words, and the old table stays."""
        self.assertEqual(self.run_program(newu.main), (111, "qmail-newu: fatal: unable to open users/assign\n"))
        os.mkdir(f"{self.home}/users/assign")
        code, said = self.run_program(newu.main)
        self.assertEqual(code, 111)
        self.assertIn(said, [f"qmail-newu: fatal: unable to {step} users/assign\n" for step in ("open", "read")])
        os.rmdir(f"{self.home}/users/assign")
        os.mkdir(f"{self.home}/users/cdb.tmp")
        self.assertEqual(self.compile(b"."), (111, "qmail-newu: fatal: unable to open users/cdb.tmp\n"))
        os.rmdir(f"{self.home}/users/cdb.tmp")
        os.makedirs(f"{self.home}/users/cdb/x")
        expected = "qmail-newu: fatal: unable to move users/cdb.tmp to users/cdb\n"
        self.assertEqual(self.compile(b"."), (111, expected))
        os.symlink("/dev/full", f"{self.home}/users/full")
        os.rename(f"{self.home}/users/full", f"{self.home}/users/cdb.tmp")
        self.assertEqual(self.compile(b"."), (111, "qmail-newu: fatal: unable to write users/cdb.tmp\n"))

    def test_no_home(self) -> None:
        """Without a home there is nothing to do."""
        os.environ["QMAILHOME"] = self.home + "/nowhere"
        self.assertEqual(self.run_program(newu.main), (111, "qmail-newu: fatal: unable to chdir\n"))

    def test_help(self) -> None:
        """--help prints the manual page and compiles nothing."""
        code, said = self.run_program(newu.main, "--help")
        self.assertEqual(code, 0)
        self.assertTrue(said.startswith("qmail-newu - "))
