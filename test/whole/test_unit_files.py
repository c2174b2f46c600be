"""The units of systemd as files: systemd accepts them, and they restrict what docs/units.rst says."""

import os
import re
import shlex
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install.launchers import package_root
from qtwisted.system import roles
from test.kit.homes import scratch
from test.kit.units import DIRECTORY, HOME, TWISTD, Unit, units

OPEN = ("qmail.service", "qmail-lspawn@.service", "qmail-auth@.service")
"""Services that become users, who may do what they may do anyway."""
NOT_FOR_USERS = ("NoNewPrivileges", "RestrictSUIDSGID", "PrivateTmp", "ProtectHome", "SystemCallFilter")
STRICT = {
    "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes",
    "PrivateTmp": "yes", "PrivateDevices": "yes", "RestrictNamespaces": "yes", "RestrictSUIDSGID": "yes",
    "SystemCallFilter": "@system-service ~@privileged @setuid @chown @keyring @memlock @resources",
}
WRITERS = {"qmail-door.service": "queue", "qmail-send.service": "queue", "qmail-rspawn@.service": "queue/lock"}
SCORE = re.compile(r"Overall exposure level for \S+: (\S+) (\S+)")
ROW = re.compile(r"^``(qmail\S*\.service)``\s+(\d+\.\d)\s+", re.MULTILINE)


def page() -> str:
    """The text of docs/units.rst."""
    with open(os.path.join(package_root(), "docs", "units.rst"), encoding="utf-8") as file:
        return file.read()


class UnitFileTests(SynchronousTestCase):
    """Every file of etc/systemd."""

    def setUp(self) -> None:
        """Copies whose programs exist, for systemd looks."""
        self.units = units()
        self.place = scratch(self)
        for name, unit in self.units.items():
            with open(os.path.join(DIRECTORY, name), encoding="utf-8") as file:
                text = file.read().replace(TWISTD, "/bin/true")
            with open(f"{self.place}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
            self.assertTrue(unit["Description"], name)

    def analyze(self, *words: str) -> str:
        """What systemd-analyze prints; it must have no complaint."""
        done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, cwd=self.place,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def test_accepted(self) -> None:
        """systemd knows every setting, and finds every unit that another one names."""
        self.analyze("verify", "--man=no", *(f"{self.place}/{name}" for name in self.units))

    def test_scores(self) -> None:
        """The page gives the score of every service, as this version of systemd counts it or a better one does."""
        promised = dict(ROW.findall(page()))
        self.assertEqual(sorted(promised), sorted(name for name in self.units if name.endswith(".service")))
        version = self.analyze("--version").split()[1]
        counted_by = re.search(r"systemd (\d+)", page())
        assert counted_by is not None
        for name, score in promised.items():
            found = SCORE.search(self.analyze("security", "--offline=yes", "--no-pager", f"{self.place}/{name}"))
            assert found is not None
            if version == counted_by[1]:
                self.assertEqual(found[1], score, name)
            else:
                self.assertLessEqual(float(found[1]), float(score) + 1.0, name)

    def test_strict(self) -> None:
        """Every role that becomes nobody has no rights, may write to its part of the queue only, and is filtered."""
        for name, unit in self.units.items():
            if name.endswith(".service") and name not in OPEN:
                self.assertEqual({setting: unit[setting] for setting in STRICT}, STRICT, name)
                written = f"{HOME}/{WRITERS[name]}" if name in WRITERS else ""
                self.assertEqual(unit["ReadWritePaths"], written, name)

    def test_users_programs(self) -> None:
        """Where programs of users run, they find what they would find at a login."""
        for name in ("qmail.service", "qmail-lspawn@.service"):
            self.assertEqual([setting for setting in NOT_FOR_USERS if setting in self.units[name].settings], [], name)

    def test_roles(self) -> None:
        """Each role has a unit that runs it as its user and group."""
        found = {}
        for unit in self.units.values():
            words = shlex.split(unit["ExecStart"])
            if "--role" in words:
                found.setdefault(words[words.index("--role") + 1], set()).add((unit["User"] or "root", unit["Group"]))
        self.assertEqual(found, {role.name: {(role.user, role.group)} for role in roles.ROLES if role.name != "log"})

    def test_sockets(self) -> None:
        """Who serves one partner listens for him alone, once; the door's sockets have the names that it wants."""
        for server, client in roles.PARTNERS.items():
            unit = self.units[f"qmail-{server}.socket"]
            self.assertEqual((unit["ListenStream"], unit["Accept"], unit["MaxConnections"], unit["SocketMode"]),
                             (f"{HOME}/run/{roles.partner_socket(server)}", "yes", "1", "0600"))
            self.assertEqual(unit["SocketUser"], roles.role(client).user)
        send = self.units["qmail-send.socket"]
        self.assertEqual({send["FileDescriptorName"]: send["ListenStream"]},
                         {name: f"{HOME}/run/{file}" for name, file in roles.SEND_SOCKETS.items()})
        self.assertEqual(send["SocketMode"], "0600")
        door = {self.units[name]["FileDescriptorName"]: self.units[name]["ListenStream"]
                for name in self.units["qmail-door.service"]["Sockets"].split()}
        self.assertEqual(door, {name: f"{HOME}/run/{file}" for name, file in roles.DOOR_SOCKETS.items()})

    def test_shapes(self) -> None:
        """The two shapes are never there together: each unit of the one ends the other."""
        for name, unit in self.units.items():
            if name != "qmail.service":
                self.assertEqual(unit["Conflicts"], "qmail.service", name)
            if name not in ("qmail.service", "qmail.target"):
                self.assertEqual(unit["PartOf"], "qmail.target", name)
        whole: Unit = self.units["qmail.service"]
        self.assertEqual(whole["Conflicts"], "qmail.target")
        others = {name for name in self.units if "@" not in name and name != "qmail.service"}
        self.assertEqual(others - set(whole["After"].split()), set())
