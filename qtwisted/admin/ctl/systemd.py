"""Whether systemd looks after the mail system of a home, and by which unit: qmail.service, or qmail.target, which has
a unit for each role.

What systemd looks after is started and stopped by it, or it would start again what we have stopped.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from qtwisted.admin.refusal import Refused

BOOTED = "/run/systemd/system"
"""Is there where systemd is the first process (sd_booted(3))."""
UNITS = ("qmail.service", "qmail.target")
RELOADED = ("qmail-send.service", "qmail-smtpd.service")
"""What is reloaded where there is no master."""
PATIENCE_FOR = 120.0


class Unit:
    """A unit that is installed for a home."""

    def __init__(self, name: str, facts: dict[str, str]) -> None:
        """Take what systemd says of it."""
        self.name = name
        self.is_active = facts.get("ActiveState") in ("active", "activating", "reloading", "deactivating")
        self.is_enabled = facts.get("UnitFileState", "").startswith("enabled")


def find(home: str) -> Unit | None:
    """The unit that looks after *home*: the active one, else the enabled one, else any; None without systemd."""
    if not os.path.isdir(BOOTED) or shutil.which("systemctl") is None:
        return None
    units = [unit for unit in (_unit(name, home) for name in UNITS) if unit is not None]
    units.sort(key=lambda unit: (not unit.is_active, not unit.is_enabled))
    return units[0] if units else None


def tell(verb: str, name: str) -> None:
    """Have systemd do something with a unit, and wait until it is done."""
    done = _systemctl(verb, name)
    if done.returncode:
        raise Refused(f"systemctl {verb} {name}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def _unit(name: str, home: str) -> Unit | None:
    """Look at one unit; None if it is not installed, or is for another home."""
    done = _systemctl("show", "--property=LoadState,ActiveState,UnitFileState,FragmentPath", name)
    facts = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if done.returncode or facts.get("LoadState") != "loaded" or not _names(facts.get("FragmentPath", ""), home):
        return None
    return Unit(name, facts)


def _names(fragment: str, home: str) -> bool:
    """Does a unit's file, or that of qmail-send beside it, name the home, or a program in its bin?"""
    for path in (fragment, os.path.join(os.path.dirname(fragment), RELOADED[0])):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                words = file.read().replace("=", " ").split()
        except OSError:
            continue
        if any(home in (word, os.path.dirname(os.path.dirname(word))) for word in words):
            return True
    return False


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    """Run systemctl."""
    try:
        return subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=PATIENCE_FOR, check=False)
    except subprocess.TimeoutExpired:
        raise Refused(f"systemctl {' '.join(words)} takes too long") from None
