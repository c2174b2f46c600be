"""Every manual page can be formatted for man(1)."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent.parent


class ManPageTests(SynchronousTestCase):
    """docs/manpages.py."""

    def test_format(self) -> None:
        """Each page becomes a page of section 1 or 8, with its name and what it is for."""
        sys.path.insert(0, str(ROOT / "docs"))
        self.addCleanup(sys.path.remove, str(ROOT / "docs"))
        import manpages

        room = Path(self.mktemp())
        self.assertEqual(manpages.main([str(room)]), 0)
        made = {path.stem for path in room.glob("man[18]/*")}
        self.assertEqual(made, {path.stem for path in (ROOT / "docs/man").glob("*.rst")})
        page = (room / "man1/forward.1").read_text()
        self.assertIn("forward \\- send a message on", page)
        self.assertIn(".SH EXIT CODES", page)
