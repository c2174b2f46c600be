"""make setup in a world of users: what it refuses, what it leaves alone, and what it is for packagers."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from test.kit.builds import build_for
from test.kit.code import code
from test.kit.world import NOT_ROOT, QMAIL, ROLES, Person, World


class Bare(World):
    """Users, and no home."""

    def make_home(self) -> None:
        """The test installs it."""


def looks(root: str) -> dict[str, tuple[int, ...]]:
    """Every file and directory below *root*, with what tells whether it was touched."""
    found = {}
    for here, below, names in os.walk(root):
        for name in (*below, *names):
            status = os.lstat(f"{here}/{name}")
            found[os.path.relpath(f"{here}/{name}", root)] = (
                status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_size)
    return found


class SetupTests(SynchronousTestCase):
    """python -m qtwisted.admin.install.setup, which make setup runs."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Build."""
        self.world = Bare(self)
        self.home = self.world.home
        self.build = build_for(self.world.place, self.home)

    def setup(self, *words: str, who: Person | None = None) -> subprocess.CompletedProcess[bytes]:
        """Install."""
        return self.world.run(code().module("qtwisted.admin.install.setup", *words, self.build), who=who)

    def install(self, *words: str, who: Person | None = None) -> None:
        """Install, which must succeed."""
        done = self.setup(*words, who=who)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def refused(self, *words: str, who: Person | None = None) -> str:
        """Install, which must be refused; gives the reason."""
        done = self.setup(*words, who=who)
        self.assertEqual((done.returncode, done.stdout), (100, b""), done.stderr)
        text = done.stderr.decode()
        self.assertTrue(text.startswith("make setup: "), text)
        return text

    def setting(self, name: str, text: str) -> None:
        """Change a build setting."""
        with open(f"{self.build}/conf/conf-{name}", "w", encoding="ascii") as file:
            file.write(text + "\n")

    def checked(self) -> list[str]:
        """What instcheck says."""
        done = self.world.run([f"{self.home}/bin/instcheck"])
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        return done.stderr.decode().splitlines()

    def test_fresh(self) -> None:
        """A fresh installation has no warnings (ADM-17), is complete, and nothing in it is set-uid."""
        self.install()
        self.assertEqual(self.checked(), [])
        for name in ("bin/qmail-start", "boot/binm3+df", "doc/guide/start.rst", "man/man8/qmail-start.8",
                     "conf/conf-split"):
            self.assertTrue(os.path.isfile(f"{self.home}/{name}"), name)
        self.assertEqual((os.listdir(f"{self.home}/control"), os.listdir(f"{self.home}/users")), ([], []))
        modes = {name: stat.S_IMODE(os.stat(f"{self.home}/bin/{name}").st_mode)
                 for name in os.listdir(f"{self.home}/bin")}
        self.assertEqual(set(modes.values()), {0o755, 0o700})
        self.assertEqual(modes["qmail-start"], 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(f"{self.home}/alias").st_mode), 0o2755)
        done = self.world.run([f"{self.home}/bin/qmail-inject", "-n"], b"to: me\n", self.world.people["me"])
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_again(self) -> None:
        """A second time nothing is touched: not equal programs, not control/ and users/, not the queue."""
        self.install()
        for name, text in (("control/me", "mx.example"), ("users/assign", "."), ("queue/lock/tcpto", "x" * 1024),
                           ("queue/lock/sendmutex", "y"), ("queue/mess/7/7", "a message"), ("alias/.qmail-root", "")):
            with open(f"{self.home}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        before = looks(self.home)
        self.install()
        self.assertEqual(looks(self.home), before)

    def test_repair(self) -> None:
        """What is missing or wrong is mended, and nothing more."""
        self.install()
        before = {name: look[1:4] for name, look in looks(self.home).items()}
        os.unlink(f"{self.home}/bin/forward")
        os.chmod(f"{self.home}/bin/preline", 0o4755)
        os.chown(f"{self.home}/queue/todo", 0, 0)
        shutil.rmtree(f"{self.home}/queue/info/3")
        [site] = [name for name in before if name.endswith("site-packages")]
        os.unlink(f"{self.home}/{site}/qtwisted/config/cdb.py")
        self.install()
        self.assertEqual({name: look[1:4] for name, look in looks(self.home).items()}, before)
        self.assertEqual(self.checked(), [])

    def test_private(self) -> None:
        """A home in a directory that is closed to users is refused, and that directory is named."""
        os.mkdir(f"{self.world.place}/private", 0o700)
        self.setting("qmail", f"{self.world.place}/private/deep/qmail")
        text = self.refused()
        self.assertIn(f": {self.world.place}/private is closed to users", text)
        self.assertEqual(os.listdir(f"{self.world.place}/private"), [])

    def test_users(self) -> None:
        """Users and groups that do not exist are all named, with the commands that create them."""
        self.setting("users", "\n".join([*list(ROLES)[:3], "root", "xp", "xq", *list(ROLES)[5:]]))
        self.setting("groups", "xmail\nnofiles")
        text = self.refused()
        self.assertIn("name what does not exist: group xmail, user xp, user xq\n", text)
        self.assertIn("    groupadd --system xmail\n", text)
        self.assertIn(f"--home-dir {self.home} --gid xmail --shell /bin/true xq\n", text)
        self.assertFalse(os.path.exists(self.home))

    def test_split(self) -> None:
        """conf-split cannot be changed while there is a queue."""
        self.install()
        before = looks(self.home)
        self.setting("split", "5")
        self.assertIn("is spread over 23 directories, but etc/conf-split says 5; nothing has been changed",
                      self.refused())
        self.assertEqual(looks(self.home), before)

    def test_other_users(self) -> None:
        """Nor can the users, to whom the files in the queue belong."""
        self.install()
        before = looks(self.home)
        self.setting("users", "\n".join([*list(ROLES)[:3], "root", *list(ROLES)[3:-1], "me"]))
        self.assertIn(f"{self.home}/conf/conf-users names others than etc/conf-users", self.refused())
        self.assertEqual(looks(self.home), before)

    def test_manual_elsewhere(self) -> None:
        """MANDIR must be a full path."""
        self.assertIn("MANDIR must be a full path, not man", self.refused("--mandir", "man"))

    def test_not_root(self) -> None:
        """Only root can install."""
        self.assertIn("only root can install", self.refused(who=self.world.people["me"]))

    def test_links_in_the_queue(self) -> None:
        """A link that a user of mail put into the queue leads nowhere."""
        self.install()
        secret = f"{self.world.place}/secret"
        os.mkdir(secret, 0o700)
        for name, target in (("queue/lock/sendmutex", f"{secret}/file"), ("queue/lock", secret)):
            with open(f"{secret}/file", "w", encoding="ascii"):
                pass
            before = looks(self.world.place + "/secret")
            kept = f"{self.world.place}/kept"
            os.rename(f"{self.home}/{name}", kept)
            os.symlink(target, f"{self.home}/{name}")
            self.refused()
            self.assertEqual(looks(self.world.place + "/secret"), before)
            os.unlink(f"{self.home}/{name}")
            os.rename(kept, f"{self.home}/{name}")
        self.install()

    def test_queue_elsewhere(self) -> None:
        """The queue may be a link of the administrator's to another disk."""
        self.install()
        os.rename(f"{self.home}/queue", f"{self.world.place}/queue")
        os.symlink(f"{self.world.place}/queue", f"{self.home}/queue")
        shutil.rmtree(f"{self.world.place}/queue/bounce")
        self.install()
        self.assertEqual(self.checked(), [])
        self.assertEqual(os.stat(f"{self.world.place}/queue/bounce").st_gid, QMAIL)

    def test_package(self) -> None:
        """With DESTDIR nobody needs to be root; unpacked where it belongs and owned there, it is an installation."""
        me = self.world.people["me"]
        self.install("--destdir", f"{me.home}/stage", "--mandir", "/usr/share/man", who=me)
        staged = f"{me.home}/stage{self.home}"
        self.assertTrue(os.path.isfile(f"{me.home}/stage/usr/share/man/man8/qmail-start.8"))
        self.assertFalse(os.path.exists(f"{staged}/man"))
        found = subprocess.run(["grep", "-rl", "--include=*", f"{me.home}/stage", staged], capture_output=True,
                               check=False)
        self.assertEqual(found.stdout, b"")
        subprocess.run(["cp", "-r", "--preserve=mode,timestamps,links", staged, self.home], check=True)
        done = self.world.run([f"{self.home}/bin/instchown"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.assertEqual(self.checked(), [])
        done = self.world.run([f"{self.home}/bin/qmail-inject", "-n"], b"to: me\n", me)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_new_version(self) -> None:
        """Programs of before stay while one of them runs; those that are no more are taken away."""
        self.install()
        [old] = os.listdir(f"{self.home}/venv")
        reader = subprocess.Popen(self.world.inside([f"{self.home}/venv/{old}/bin/python", "-c", "input()"]),
                                  stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(reader.communicate)
        with open(f"{self.home}/conf/manifest", "a", encoding="ascii") as file:
            file.write("c:root:qmail:755:bin/:qmail-former:\n")
        with open(f"{self.home}/bin/qmail-former", "w", encoding="ascii"):
            pass
        with open(f"{self.build}/site.id", "w", encoding="ascii") as file:
            file.write("9.9-new\n")
        self.install()
        self.assertEqual(sorted(os.listdir(f"{self.home}/venv")), sorted([old, "9.9-new"]))
        self.assertFalse(os.path.exists(f"{self.home}/bin/qmail-former"))
        self.assertIn("/venv/9.9-new/bin/python", self.world.read(f"{self.home}/bin/forward").partition("\n")[0])
        reader.communicate(b"\n")
        self.install()
        self.assertEqual(os.listdir(f"{self.home}/venv"), ["9.9-new"])
        self.assertEqual(self.checked(), [])
