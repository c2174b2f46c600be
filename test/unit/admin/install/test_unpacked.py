"""Tests for qtwisted.admin.install.unpacked: what a package finds out by itself, and what it leaves alone."""

import os
import socket
import stat

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install import unpacked
from test.kit.code import code
from test.kit.running import wait_until
from test.kit.world import NOT_ROOT, World


class NameTests(SynchronousTestCase):
    """The name of the host."""

    def name(self, mailname: str | None, full: str, short: str) -> str:
        """What it is for a host with this /etc/mailname, that calls itself so."""
        path = self.mktemp()
        if mailname is not None:
            with open(path, "w", encoding="ascii") as file:
                file.write(mailname)
        self.patch(socket, "getfqdn", lambda: full)
        self.patch(socket, "gethostname", lambda: short)
        return unpacked.host_name(path)

    def test_order(self) -> None:
        """/etc/mailname first, then the full name, then the short one; a name without a dot gets one."""
        self.assertEqual(self.name("mail.Example.org\n", "a.example.net", "a"), "mail.example.org")
        self.assertEqual(self.name(None, "a.example.net", "a"), "a.example.net")
        self.assertEqual(self.name("short", "a.example.net", "a"), "a.example.net")
        self.assertEqual(self.name(None, "a", "a"), "a.localdomain")

    def test_useless(self) -> None:
        """What is no name, and what every host is called, does not count."""
        self.assertEqual(self.name("not a name\n", "localhost", "box"), "box.localdomain")
        self.assertEqual(self.name("-x.example\n", "localhost.localdomain", "localhost"), "localhost.localdomain")
        self.assertEqual(self.name("", "bad_name.example", ""), "localhost.localdomain")

    def test_control(self) -> None:
        """The control files are those of config-fast, and the host's own addresses are all it takes; me is last."""
        files = unpacked.control("mail.example.org")
        self.assertEqual((files["defaultdomain"], files["plusdomain"]), ("example.org\n", "example.org\n"))
        self.assertEqual(files["locals"], "mail.example.org\nlocalhost\nlocalhost.example.org\n")
        self.assertEqual(files["rcpthosts"], files["locals"])
        self.assertEqual(list(files)[-1], "me")


class RootTests(SynchronousTestCase):
    """Who gets root's mail."""

    def recipients(self, text: str) -> list[str]:
        """Who, by an /etc/aliases that says this."""
        path = self.mktemp()
        with open(path, "w", encoding="latin-1") as file:
            file.write(text)
        return unpacked.root_recipients(path)

    def test_addresses(self) -> None:
        """Plain addresses count, whatever else is in the file."""
        self.assertEqual(self.recipients("# x\npostmaster: root\nroot: ann\n"), ["ann"])
        self.assertEqual(self.recipients("Root : ann, bob@example.org\n"), ["ann", "bob@example.org"])

    def test_anything_else(self) -> None:
        """Programs, files, lists, a loop, and two entries do not."""
        for value in ("|/bin/x", "/var/mail/x", ":include:/x", "root", "ann, root", '"a b"', "ann\nroot: bob", "-x"):
            self.assertEqual(self.recipients(f"root: {value}\n"), [], value)
        self.assertEqual(unpacked.root_recipients("/nonexistent/aliases"), [])

    def test_instructions(self) -> None:
        """Forward to them; without any, the mailbox where mail programs look."""
        self.assertEqual(unpacked.instructions(["ann", "b@c"]), "&ann\n&b@c\n")
        self.assertEqual(unpacked.instructions([]), "/var/mail/root\n")

    def test_mailbox(self) -> None:
        """A mailbox that is there is opened to the group, and nothing is if it is a link."""
        path = self.mktemp()
        with open(path, "w", encoding="ascii"):
            pass
        os.chmod(path, 0o600)
        os.symlink(os.path.abspath(path), path + ".link")
        unpacked.open_mailbox(path + ".link", os.getegid())
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        unpacked.open_mailbox(path, os.getegid())
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
        unpacked.open_mailbox(path + ".missing", os.getegid())


class HostTests(SynchronousTestCase):
    """On a host: a fresh one is configured, another one is left as it is."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """A home among users, and its configuration."""
        self.world = World(self)
        with open("/etc/group", encoding="ascii") as file:
            (self.mail,) = [line for line in file if line.startswith("mail:")]
        with open(f"{self.world.place}/group", "a", encoding="ascii") as file:
            file.write(self.mail)
        self.place = f"{self.world.place}/mail"
        os.mkdir(self.place)
        os.chown(self.place, 0, int(self.mail.split(":")[2]))
        os.chmod(self.place, 0o2775)
        self.hide(self.place, "/var/mail")
        if os.path.exists("/etc/aliases"):
            self.hide("/dev/null", "/etc/aliases")

    def hide(self, source: str, target: str) -> None:
        """Put something of ours in the place of the machine's, in this world only."""
        done = self.world.run(["mount", "--bind", source, target])
        self.assertEqual(done.returncode, 0, done.stderr)

    def unpacked(self) -> str:
        """Run the program; give what it prints."""
        done = self.world.run(code().module("qtwisted.admin.install.unpacked", self.world.home))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()

    def clear(self) -> None:
        """Make the host a fresh one."""
        for folder in ("control", "users", "alias"):
            for name in os.listdir(f"{self.world.home}/{folder}"):
                os.unlink(f"{self.world.home}/{folder}/{name}")

    def files(self) -> dict[str, str]:
        """The configuration."""
        return {name: self.world.read(f"{self.world.home}/{name}")
                for folder in ("control", "users", "alias")
                for name in (f"{folder}/{entry}" for entry in sorted(os.listdir(f"{self.world.home}/{folder}")))}

    def test_configured(self) -> None:
        """A host with control/me keeps all it has, and gets nothing more."""
        self.world.control("listen", "smtp tcp:2525\n")
        before = self.files()
        self.assertEqual(self.unpacked(), "")
        self.assertEqual(self.files(), before)

    def test_half(self) -> None:
        """A configuration that was cut short is completed; what is there is kept, the administrator's files too."""
        self.clear()
        self.world.control("rcpthosts", "example.org\n")
        self.world.control("locals", "example.org\n")
        with open(f"{self.world.home}/alias/.qmail-root", "w", encoding="ascii") as file:
            file.write("&joe\n")
        self.assertIn("this host is ", self.unpacked())
        files = self.files()
        self.assertEqual((files["control/rcpthosts"], files["control/locals"]), ("example.org\n", "example.org\n"))
        self.assertEqual(files["alias/.qmail-root"], "&joe\n")
        self.assertEqual(files["control/listen"], "smtp tcp:25\n")

    def test_root(self) -> None:
        """Root's mail is delivered as the alias user, with the group that may write to /var/mail."""
        self.clear()
        self.unpacked()
        self.world.up()
        self.world.inject(b"To: root\nSubject: to root\n\n")
        wait_until(lambda: "Subject: to root\n" in self.world.read(f"{self.place}/root"), "delivery")
        self.assertEqual(os.stat(f"{self.place}/root").st_gid, os.stat(self.place).st_gid)
