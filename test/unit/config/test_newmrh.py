"""qmail-newmrh compiles morercpthosts, or changes nothing."""

from __future__ import annotations

import os

from qtwisted.config import cdb, newmrh

from .program_case import ProgramCase


class NewmrhTests(ProgramCase):
    """The program in a home."""

    def compile(self, text: bytes) -> tuple[int, str]:
        """Compile a text; give exit code and output."""
        self.put("control/morercpthosts", text)
        return self.run_program(newmrh.main)

    def test_keys(self) -> None:
        """Lines are lower-cased, blanks at their end and comments go, blanks at their start stay."""
        text = b"a.example\n# c\n\n.B.Example  \t\n a.b\n#x\nlast"
        self.assertEqual(self.compile(text), (0, ""))
        found = list(cdb.records(self.get("control/morercpthosts.cdb")))
        self.assertEqual(found, [(b"a.example", b""), (b".b.example", b""), (b" a.b", b""), (b"last", b"")])

    def test_mode_and_place(self) -> None:
        """The new table can be read by all and replaces the old one; no other file is left."""
        self.put("control/morercpthosts.cdb", b"old")
        self.assertEqual(self.compile(b"a.b\n"), (0, ""))
        path = f"{self.home}/control/morercpthosts.cdb"
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        self.assertEqual(sorted(os.listdir(f"{self.home}/control")), ["morercpthosts", "morercpthosts.cdb"])

    def test_without_morercpthosts(self) -> None:
        """Without the source the old table stays."""
        self.put("control/morercpthosts.cdb", b"old")
        expected = "qmail-newmrh: fatal: unable to read control/morercpthosts: file does not exist\n"
        self.assertEqual(self.run_program(newmrh.main), (111, expected))
        self.assertEqual(self.get("control/morercpthosts.cdb"), b"old")

    def test_trouble(self) -> None:
        """Each step that may fail has its own words; the last has no colon before the reason."""
        tmp = f"{self.home}/control/morercpthosts.tmp"
        os.mkdir(tmp)
        start = "qmail-newmrh: fatal: unable to "
        expected = f"{start}write to control/morercpthosts.tmp: is a directory\n"
        self.assertEqual(self.compile(b"a\n"), (111, expected))
        os.rmdir(tmp)
        os.symlink("/dev/full", tmp)
        expected = f"{start}write to control/morercpthosts.tmp: out of disk space\n"
        self.assertEqual(self.compile(b"a\n"), (111, expected))
        os.unlink(tmp)
        os.mkdir(f"{self.home}/control/morercpthosts.cdb")
        expected = f"{start}move control/morercpthosts.tmp to control/morercpthosts.cdbis a directory\n"
        self.assertEqual(self.compile(b"a\n"), (111, expected))

    def test_no_home(self) -> None:
        """Without a home there is nothing to do, and the home is named."""
        os.environ["QMAILHOME"] = f"{self.home}/nowhere"
        expected = f"qmail-newmrh: fatal: unable to chdir to {self.home}/nowhere: file does not exist\n"
        self.assertEqual(self.run_program(newmrh.main), (111, expected))

    def test_help(self) -> None:
        """--help prints the manual page and compiles nothing."""
        code, said = self.run_program(newmrh.main, "--help")
        self.assertEqual(code, 0)
        self.assertTrue(said.startswith("qmail-newmrh - "))
