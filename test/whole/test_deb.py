"""The Debian package: built from this tree, and through its whole life in a clean root."""

import os
import shlex
import shutil
import signal
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install.launchers import package_root
from test.kit.clean_root import HOST, CleanRoot, Making
from test.kit.homes import scratch
from test.kit.running import Running, wait_until
from test.kit.units import CAPABILITIES, Unit
from test.kit.world import NOT_ROOT

QMAIL = "/var/qmail"
UNIT = "/lib/systemd/system/qmail.service"
BUILD_PATIENCE = 900
INSTALLED = "installed"


class PackageTests(SynchronousTestCase):
    """One package, one root."""

    skip = NOT_ROOT

    def build(self) -> str:
        """Build the package while a clean root is made, and enter that; gives the package's path in it."""
        making = Making(self, "python3")
        place = scratch(self)
        done = subprocess.run([f"{package_root()}/etc/deb.sh", place], capture_output=True, text=True, check=False,
                              timeout=BUILD_PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        (name,) = [name for name in os.listdir(place) if name.endswith(".deb")]
        self.root = CleanRoot(self, making.made())
        shutil.copy(f"{place}/{name}", self.root.place("/root"))
        return f"/root/{name}"

    def start(self) -> Running:
        """Start what the unit starts, with its capabilities, as there is no systemd here."""
        unit = Unit(self.root.place(UNIT))
        line = unit["ExecStart"]
        for setting in self.root.read("/etc/default/qtwisted").splitlines():
            name, equals, value = setting.partition("=")
            if equals:
                line = line.replace("${" + name + "}", value)
        names = unit["CapabilityBoundingSet"].split()
        self.assertLessEqual(set(names), set(CAPABILITIES))
        bounds = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in names)])
        words = self.root.words("setpriv", f"--bounding-set={bounds}", "--", *shlex.split(line))
        running = Running(words, QMAIL, {"PATH": os.environ["PATH"]})
        self.addCleanup(running.kill)
        running.ready()
        return running

    def signal(self, running: Running, number: int) -> None:
        """Send the master a signal; nsenter stands between it and us."""
        with open(f"/proc/{running.process.pid}/task/{running.process.pid}/children", encoding="ascii") as file:
            os.kill(int(file.read()), number)

    def state(self) -> str:
        """What dpkg thinks of the package."""
        return self.root.run("sh", "-c", "dpkg-query -W -f '${db:Status-Status}' qtwisted || true").strip()

    def mail(self, subject: str, *recipients: str) -> None:
        """Send a message as root with mail(1)."""
        self.root.run("mail", "-s", subject, *recipients, data="hello\n")

    def arrived(self, subject: str, mailbox: str = "/var/mail/root") -> bool:
        """Whether it is in a mailbox."""
        return f"Subject: {subject}\n" in self.root.read(mailbox)

    def delivered(self, subject: str, mailbox: str = "/var/mail/root") -> None:
        """Wait until it is in a mailbox."""
        wait_until(lambda: self.arrived(subject, mailbox), f"{subject} in {mailbox}")

    def test_life(self) -> None:
        """Installed, used, removed, installed again, purged: it works at once, and nobody's mail is ever touched."""
        package = self.build()
        self.installs(package)
        self.mail_works()
        self.ports_relay_nothing()
        self.removal_leaves_queue_and_configuration()
        self.comes_back(package)
        self.purge_leaves_mail()

    def installs(self, package: str) -> None:
        """It installs into a root that has nothing but Python, asks nothing, and its own check is content."""
        said = self.root.run("dpkg", "-i", package)
        self.assertIn(f"this host is {HOST}.localdomain", said)
        self.assertEqual(self.state(), INSTALLED)
        self.assertEqual(self.root.run(f"{QMAIL}/bin/instcheck"), "")
        for name in ("/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/newaliases", "/usr/bin/mailq"):
            self.root.run("test", "-x", name)
        self.assertIn("\n", self.root.run("/var/qmail/bin/qmail-inject", "--help"))
        installed = self.root.run("sh", "-c", "apt-get update -qq && apt-get install -y --no-install-recommends "
                                              "bsd-mailx procps", alone=False)
        self.assertIn("bsd-mailx", installed)
        self.assertEqual(self.state(), INSTALLED)  # for apt it is the mail-transport-agent that mail programs need

    def mail_works(self) -> None:
        """mail -s test root works at once and mail shows it; so does mail for a user, by any of root's names."""
        running = self.start()
        self.mail("test", "root")
        self.delivered("test")
        self.assertIn("Subject: test", self.root.run("mail", data="print\nquit\n"))
        for name in ("postmaster", "mailer-daemon", "root@localhost", f"root@{HOST}.localdomain"):
            self.mail(f"to {name}", name)
            self.delivered(f"to {name}")
        self.root.run("mail", data="delete *\nquit\n")
        self.mail("after reading", "root")
        self.delivered("after reading")
        self.root.run("useradd", "--create-home", "ann")
        self.mail("for ann", "ann")
        self.delivered("for ann", "/home/ann/Mailbox")
        self.assertIn("Subject: for ann", self.root.run(
            "su", "-", "ann", "-c", "mail", data="print\nexit\n"))
        self.assertNotIn("alert", running.told())
        self.running = running

    def ports_relay_nothing(self) -> None:
        """SMTP takes mail for this host, and refuses mail for others; what waits is in the queue when all ends."""
        talk = ("import smtplib; c = smtplib.SMTP('127.0.0.1'); c.sendmail('a@example.org', ['root@localhost'], "
                "'Subject: by smtp\\n\\n'); c.mail('a@example.org'); print(c.rcpt('you@example.net'))")
        self.assertIn("(553,", self.root.run("python3", "-c", talk))
        self.delivered("by smtp")
        self.root.write(f"{QMAIL}/alias/.qmail-waits", "|exit 111\n")
        self.mail("waiting", "waits")
        self.running.wait_for("delivery [0-9]+: deferral: .*")
        before = len(self.running.log)
        self.mail("to keep", "alias")
        self.running.wait_for("end msg [0-9]+", before)
        self.root.write(f"{QMAIL}/alias/Mailbox", "mail\n")
        self.signal(self.running, signal.SIGTERM)
        self.running.ended()

    def removal_leaves_queue_and_configuration(self) -> None:
        """A removal leaves queue, configuration and mailboxes as they are, and no program."""
        kept = [f"{QMAIL}/{name}" for name in ("control/me", "control/listen", "users/assign", "alias/.qmail-root",
                                               "alias/Mailbox", "queue/lock/trigger")]
        before = self.messages()
        self.assertEqual(len(before), 1)
        self.root.run("dpkg", "--remove", "--force-depends", "qtwisted")
        self.assertEqual(self.state(), "config-files")
        self.assertEqual([name for name in kept if not self.root.exists(name)], [])
        self.assertEqual(self.messages(), before)
        self.assertEqual([name for name in ("/usr/sbin/sendmail", f"{QMAIL}/bin", f"{QMAIL}/venv", UNIT)
                          if self.root.exists(name)], [])

    def messages(self) -> list[str]:
        """The messages in the queue."""
        return self.root.run("find", f"{QMAIL}/queue/info", f"{QMAIL}/queue/todo", "-type", "f").split()

    def comes_back(self, package: str) -> None:
        """Installed again it keeps what was configured, and delivers what had waited."""
        self.root.write(f"{QMAIL}/control/plusdomain", "kept.example\n")
        self.root.write(f"{QMAIL}/alias/.qmail-waits", "&root\n")
        self.assertNotIn("this host is", self.root.run("dpkg", "-i", package))
        self.assertEqual(self.root.read(f"{QMAIL}/control/plusdomain"), "kept.example\n")
        running = self.start()
        self.signal(running, signal.SIGALRM)
        self.delivered("waiting")
        self.signal(running, signal.SIGTERM)
        running.ended()

    def purge_leaves_mail(self) -> None:
        """A purge removes all that is ours, a queue with messages and everybody's mail excepted."""
        name = self.root.run("sh", "-c", f"touch {QMAIL}/queue/todo/1 && echo {QMAIL}/queue/todo/1").strip()
        said = self.root.run("dpkg", "--purge", "--force-depends", "qtwisted")
        self.assertIn("the queue still holds 1 messages", said)
        self.assertTrue(self.root.exists(name))
        self.assertEqual(sorted(os.listdir(self.root.place(QMAIL))), ["alias", "queue"])
        self.assertEqual(os.listdir(self.root.place(f"{QMAIL}/alias")), ["Mailbox"])
        self.assertTrue(self.arrived("waiting"))
        self.assertTrue(self.arrived("for ann", "/home/ann/Mailbox"))
        self.assertFalse(self.root.exists("/etc/default/qtwisted"))
