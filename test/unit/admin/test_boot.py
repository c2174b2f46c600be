"""The boot scripts: what each gives to qmail-start, and in which environment."""

from __future__ import annotations

import os
import shutil
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install import collecting, launchers
from test.kit.homes import scratch

SHOW = "#!/bin/sh\nprintf '%s\\0' \"$@\" >\"$0.out\"\nenv -0 | sort -z >\"$0.env\"\n"
FORWARD = "|dot-forward .forward"
WANTED = {
    "home": "./Mailbox",
    "proc": "|preline procmail",
    "binm1": '|preline -f /usr/libexec/mail.local -r "${SENDER:-MAILER-DAEMON}" -d "$USER"',
    "binm2": '|preline -f /bin/mail -r "${SENDER:-MAILER-DAEMON}" -d "$USER"',
    "binm3": '|preline -f /bin/mail -f "${SENDER:-MAILER-DAEMON}" -d "$USER"',
}


class BootTests(SynchronousTestCase):
    """Every script in etc/boot."""

    def setUp(self) -> None:
        """Make a home that has them, and a qmail-start that shows what it is given."""
        self.home = scratch(self)
        os.mkdir(f"{self.home}/bin")
        collecting.boot(f"{launchers.package_root()}/etc/boot", f"{self.home}/boot", self.home)
        self.program = f"{self.home}/bin/qmail-start"
        with open(self.program, "w", encoding="ascii") as file:
            file.write(SHOW)
        os.chmod(self.program, 0o755)

    def run_script(self, name: str) -> tuple[list[str], list[str]]:
        """Run one; gives the arguments and the environment of qmail-start."""
        subprocess.run(["sh", f"{self.home}/boot/{name}"], check=True, stdin=subprocess.DEVNULL,
                       env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": "", "SECRET": "x"})
        found = []
        for kind in ("out", "env"):
            with open(f"{self.program}.{kind}", encoding="ascii") as file:
                found.append(file.read().split("\0")[:-1])
        return found[0], found[1]

    def test_arguments(self) -> None:
        """Each gives the delivery of its name, with .forward files first if it says so, and splogger."""
        self.assertEqual(sorted(os.listdir(f"{self.home}/boot")),
                         sorted([*WANTED, *(f"{name}+df" for name in WANTED)]))
        for name, delivery in WANTED.items():
            self.assertEqual(self.run_script(name)[0], [delivery, "splogger", "qmail"])
            self.assertEqual(self.run_script(f"{name}+df")[0], [f"{FORWARD}\n{delivery}", "splogger", "qmail"])

    def test_environment(self) -> None:
        """Nothing of the environment passes but PATH, with our programs in front."""
        _, found = self.run_script("home")
        self.assertEqual([line for line in found if line.partition("=")[0] not in ("PWD", "SHLVL", "_", "OLDPWD")],
                         [f"PATH={self.home}/bin:/usr/bin:/bin"])


class HomeTests(SynchronousTestCase):
    """conf-qmail."""

    def home(self, text: str) -> str:
        """What is made of this text."""
        place = scratch(self)
        os.mkdir(f"{place}/conf")
        with open(f"{place}/conf/conf-qmail", "w", encoding="utf-8") as file:
            file.write(text)
        return collecting.home_of(place)

    def test_good(self) -> None:
        """The first line counts, without trailing blanks."""
        self.assertEqual(self.home("/srv/mail-1.0  \n\nThis is text.\n"), "/srv/mail-1.0")

    def test_bad(self) -> None:
        """What is no full path, or would be read as something else by a shell, is refused with file and line."""
        for text in ("", "\n", "/", "var/qmail", "/var/../qmail", "/var//qmail", "/var/qmail/", "/a b", "/$x", "/a:b",
                     "/`id`", "/ä"):
            with self.assertRaises(collecting.Refused) as caught:
                self.home(text + "\n")
            self.assertTrue(str(caught.exception).startswith("etc/conf-qmail line 1: "), text)


class SettingsTests(SynchronousTestCase):
    """The other build settings."""

    def refused(self, name: str, text: str) -> str:
        """Why a setting is refused when it is built."""
        top, target = scratch(self), scratch(self)
        shutil.copytree(f"{launchers.package_root()}/etc", f"{top}/etc")
        collecting.settings(top, target)
        with open(f"{top}/etc/{name}", "w", encoding="ascii") as file:
            file.write(text)
        with self.assertRaises(collecting.Refused) as caught:
            collecting.settings(top, target)
        return str(caught.exception)

    def test_bad(self) -> None:
        """What makes no sense is named with its file and line."""
        for name, text, why in (
            ("conf-spawn", "0\n", "etc/conf-spawn line 1: is out of range (1 to 10000)"),
            ("conf-split", "x\n", "etc/conf-split line 1: is not a number"),
            ("conf-patrn", "9\n", "etc/conf-patrn line 1: is not a number"),
            ("conf-break", "--\n", "etc/conf-break line 1: must be one character or none"),
            ("conf-groups", "qmail\n", "etc/conf-groups line 1: has too few lines, 2 are needed"),
        ):
            self.assertEqual(self.refused(name, text), why)
