"""Every manual page can be formatted for man(1)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent.parent
SYSTEM = {"man(1)", "tcprules(1)", "twistd(1)", "prctl(2)", "crypt(5)"}


class ManPageTests(SynchronousTestCase):
    """docs/manpages.py."""

    def test_format(self) -> None:
        """Each page becomes a page of its section, with its name and what it is for."""
        sys.path.insert(0, str(ROOT / "docs"))
        self.addCleanup(sys.path.remove, str(ROOT / "docs"))
        import manpages

        room = Path(self.mktemp())
        self.assertEqual(manpages.main([str(room)]), 0)
        made = {path.name for path in room.glob("man*/*")}
        self.assertEqual(made, {f"{name}.{number}" for name, (number, _) in manpages.pages().items()})
        self.assertLessEqual({"forward.1", "dot-qmail.5", "qmail-control.5", "qmail.7", "qmail-send.8"}, made)
        page = (room / "man1/forward.1").read_text()
        self.assertIn("forward \\- send a message on", page)
        self.assertIn(".SH EXIT CODES", page)
        for path in room.glob("man*/*"):
            self.assertEqual(path.read_text().upper().count("\n.SH NAME\n"), 1, path)

    def test_references(self) -> None:
        """What a page or the guide refers to as NAME(SECTION) is a page of ours, or one of the system's."""
        sys.path.insert(0, str(ROOT / "docs"))
        self.addCleanup(sys.path.remove, str(ROOT / "docs"))
        import manpages

        ours = {f"{name}({number})" for name, (number, _) in manpages.pages().items()}
        lost = [(path.name, found) for path in sorted((ROOT / "docs").rglob("*.rst"))
                for found in re.findall(r"(?<![\w/.-])([a-z][\w.-]*\([1-8]\))", path.read_text())
                if found not in ours | SYSTEM]
        self.assertEqual(lost, [])
