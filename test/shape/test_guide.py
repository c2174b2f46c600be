"""The guide can be made into HTML, and speaks of nothing that does not exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install.launchers import programs
from qtwisted.admin.qmailctl import COMMANDS
from qtwisted.config.declared import ALL

ROOT = Path(__file__).resolve().parent.parent.parent


def guide() -> list[Path]:
    """Every page that was written by hand."""
    made = {"unlike.rst", "control.rst"}
    return [path for path in sorted((ROOT / "docs").rglob("*.rst"))
            if path.parent.name != "man" and path.name not in made] + [ROOT / "README.rst"]


class GuideTests(SynchronousTestCase):
    """docs/."""

    def test_html(self) -> None:
        """Sphinx makes HTML of it and has nothing to say."""
        room = str(Path(self.mktemp()).resolve())
        words = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", room]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_control_files(self) -> None:
        """Each control file that is named is one."""
        known = {field.name for field in ALL} | {"morercpthosts.cdb", "NAME"}
        lost = [(path.name, name) for path in guide()
                for name in re.findall(r"control/([\w.]+\w)", path.read_text()) if name not in known]
        self.assertEqual(lost, [])

    def test_commands(self) -> None:
        """Each command of qmailctl that is shown exists."""
        known = {command.name for command in COMMANDS} | {"help", "COMMAND"}
        lost = [(path.name, name) for path in guide()
                for name in re.findall(r"qmailctl(?: --home \S+)? ([a-zA-Z]+)", path.read_text())
                if name not in known | {"is"}]
        self.assertEqual(lost, [])

    def test_programs(self) -> None:
        """Each program that is named exists, and so does each unit of systemd."""
        units = {path.name.partition(".")[0].rstrip("@") for path in (ROOT / "etc/systemd").iterdir()}
        known = {name for name, _, _ in programs()} | ROLES | units
        lost = [(path.name, name) for path in guide()
                for name in re.findall(r"(?<![\w./@-])(qmail-[a-z0-9]+(?:-[a-z]+)*)\b", path.read_text())
                if name not in known]
        self.assertEqual(lost, [])


ROLES = {"qmail-send", "qmail-control", "qmail-users", "qmail-log", "qmail-header", "qmail-limits", "qmail-command"}
"""What bears such a name and is no program: roles, and manual pages."""
