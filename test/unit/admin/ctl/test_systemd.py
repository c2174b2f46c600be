"""Tests: whether systemd looks after a home, with a systemctl that is played."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import systemd
from qtwisted.admin.refusal import Refused

SCRIPT = """\
#!/bin/sh
echo "$@" >>{place}/asked
case "$1 $3" in
    "show qmail.service") cat {place}/service ;;
    "show qmail.target") cat {place}/target ;;
esac
test "$1" != fail || {{ echo "Failed to fail" >&2; exit 5; }}
"""
FACTS = "LoadState={load}\nActiveState={active}\nUnitFileState={file}\nFragmentPath={place}/qmail.service\n"


class SystemdTests(SynchronousTestCase):
    """Units of homes."""

    def setUp(self) -> None:
        """Play systemctl."""
        self.place = os.path.abspath(self.mktemp())
        os.mkdir(self.place)
        self.write("systemctl", SCRIPT.format(place=self.place))
        os.chmod(f"{self.place}/systemctl", 0o755)
        self.write("qmail.service", "[Service]\nExecStart=/srv/q/bin/twistd -n qmail --home /srv/q\n")
        self.facts()
        self.facts("target", load="not-found")
        self.patch(systemd, "BOOTED", self.place)
        self.patch(os, "environ", {**os.environ, "PATH": f"{self.place}:{os.environ['PATH']}"})

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        with open(f"{self.place}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def facts(self, unit: str = "service", load: str = "loaded", active: str = "inactive",
              file: str = "disabled") -> None:
        """Set what is said of a unit."""
        self.write(unit, FACTS.format(place=self.place, load=load, active=active, file=file))

    def found(self, home: str = "/srv/q") -> tuple[str, bool] | None:
        """Which unit looks after a home, and whether it is active."""
        unit = systemd.find(home)
        return None if unit is None else (unit.name, unit.is_active)

    def test_installed(self) -> None:
        """A unit that names the home is its unit; one for another home is not."""
        self.assertEqual(self.found(), ("qmail.service", False))
        self.assertIsNone(self.found("/srv/quite-another"))
        self.assertIsNone(self.found("/srv"))
        self.facts(load="not-found")
        self.assertIsNone(self.found())

    def test_choice(self) -> None:
        """What is active comes first, then what is enabled."""
        self.facts("target")
        self.assertEqual(self.found(), ("qmail.service", False))
        self.facts("target", file="enabled")
        self.assertEqual(self.found(), ("qmail.target", False))
        self.facts(active="active")
        self.assertEqual(self.found(), ("qmail.service", True))

    def test_no_systemd(self) -> None:
        """Where systemd is not the first process nothing is asked of it."""
        self.patch(systemd, "BOOTED", f"{self.place}/none")
        self.assertIsNone(self.found())
        self.assertFalse(os.path.exists(f"{self.place}/asked"))

    def test_tell(self) -> None:
        """What systemctl says when it fails is told."""
        systemd.tell("start", "qmail.service")
        with open(f"{self.place}/asked", encoding="ascii") as file:
            self.assertEqual(file.read(), "start qmail.service\n")
        error = self.assertRaises(Refused, systemd.tell, "fail", "qmail.service")
        self.assertIn("Failed to fail", str(error))
