"""qmail-config as root: a home for the eight users, created if that is asked for."""

import os
import shutil
import stat
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install import hier
from test.kit.code import code
from test.kit.homes import scratch
from test.kit.world import NOT_ROOT, ROLES, World

INSIDE = """\
set -e
mount --bind "$1" /etc
shift
exec "$@"
"""


class CreateTests(SynchronousTestCase):
    """Users are created only if that is asked for; here in an /etc of our own."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Make an /etc that knows nobody but root."""
        self.place = scratch(self)
        self.etc = f"{self.place}/etc"
        os.mkdir(self.etc)
        for name in ("login.defs", "nsswitch.conf", "ld.so.cache"):
            if os.path.exists(f"/etc/{name}"):
                shutil.copy(f"/etc/{name}", self.etc)
        for name, line in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n"),
                           ("shadow", "root:*:1:0:99999:7:::\n"), ("gshadow", "root:*::\n")):
            with open(f"{self.etc}/{name}", "w", encoding="ascii") as file:
                file.write(line)
        self.before = self.machine()

    def machine(self) -> bytes:
        """The users that the machine itself knows."""
        with open("/etc/passwd", "rb") as users, open("/etc/group", "rb") as groups:
            return users.read() + groups.read()

    def configure(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run qmail-config in our /etc."""
        line = ["unshare", "--mount", "--propagation", "private", "sh", "-c", INSIDE, "sh", self.etc,
                *code().module("qtwisted.admin.config", "--home", f"{self.place}/qmail", *words, "h.example")]
        return subprocess.run(line, capture_output=True, text=True, check=False, env=code().environment(), cwd="/")

    def test_missing(self) -> None:
        """Without being asked it creates nobody, and names who is missing."""
        done = self.configure()
        self.assertEqual((done.returncode, done.stdout), (100, ""))
        self.assertEqual(done.stderr, "qmail-config: fatal: conf/conf-users line 1: there is no user alias\n")
        self.assertFalse(os.path.exists(f"{self.place}/qmail"))

    def test_created(self) -> None:
        """When asked it creates the missing users and groups as INSTALL.ids has them, and the machine's stay."""
        done = self.configure("--create-users")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(f"{self.etc}/passwd", encoding="ascii") as file:
            users = {line.split(":")[0]: line.rstrip("\n").split(":") for line in file}
        with open(f"{self.etc}/group", encoding="ascii") as file:
            groups = {line.split(":")[2]: line.split(":")[0] for line in file}
        found = {name: groups[fields[3]] for name, fields in users.items() if name != "root"}
        self.assertEqual(found, {"alias": "nofiles", "qmaild": "nofiles", "qmaill": "nofiles", "qmailp": "nofiles",
                                 "qmailq": "qmail", "qmailr": "qmail", "qmails": "qmail"})
        self.assertEqual(users["alias"][5], f"{self.place}/qmail/alias")
        self.assertEqual(self.machine(), self.before)


class TreeTests(SynchronousTestCase):
    """A home as root makes it is the one INTERNALS and INSTALL describe."""

    skip = NOT_ROOT

    def test_owners_and_modes(self) -> None:
        """Everything has the owner, the group and the mode of the table."""
        world = World(self)
        uids = {"root": 0, **{name: uid for name, (uid, _) in ROLES.items()}}
        for entry in [*hier.top(), *hier.queue(23)]:
            found = os.stat(os.path.join(world.home, entry.path))
            self.assertEqual((found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)),
                             (uids[entry.user], 64000, entry.mode), entry.path)

    def test_control(self) -> None:
        """Control files are root's and those of config-fast; no port is opened unless somebody says so."""
        world = World(self)
        names = os.listdir(f"{world.home}/control")
        self.assertEqual(sorted(names), ["defaultdomain", "locals", "me", "plusdomain", "rcpthosts"])
        for name in names:
            found = os.stat(f"{world.home}/control/{name}")
            self.assertEqual((found.st_uid, stat.S_IMODE(found.st_mode)), (0, 0o644))

    def test_aliases(self) -> None:
        """Those who must be reachable are."""
        world = World(self)
        for name in ("postmaster", "mailer-daemon", "root"):
            found = os.stat(f"{world.home}/alias/.qmail-{name}")
            self.assertEqual((found.st_uid, found.st_size, stat.S_IMODE(found.st_mode)),
                             (ROLES["alias"][0], 0, 0o644))
