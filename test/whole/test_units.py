"""Each role as a unit of systemd of its own: mail passes through all of them, restricted as the units say."""

import os
import signal
import smtplib
import socket

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import PORT, SingleHome
from test.kit.passwords import SECRET, hide_system_files
from test.kit.pop3 import make_maildir, put
from test.kit.running import wait_until
from test.kit.sink import Sink
from test.kit.units import StandIn
from test.kit.world import NOT_ROOT, ROLES, World

QUEUE = ("qmail-door.socket", "qmail-door-roles.socket", "qmail-lspawn.socket", "qmail-rspawn.socket",
         "qmail-send.socket", "qmail-door.service", "qmail-send.service")
SMTP = ("qmail-smtpd.socket", "qmail-smtpd.service")


def status(pid: int) -> dict[str, str]:
    """The lines of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


class MasterUnitTests(SynchronousTestCase):
    """The one unit: the master tells systemd how far it is."""

    def test_told(self) -> None:
        """READY comes when the port is open, STOPPING when the end begins; nobody else is given the means to."""
        home = SingleHome(self)
        path = f"{home.place}/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            os.chmod(path, 0o666)
            manager.settimeout(60)
            running = home.start(*PORT, "--fronts", "1", NOTIFY_SOCKET=path)
            self.assertEqual(manager.recv(100), b"READY=1")
            with smtplib.SMTP("127.0.0.1", running.port(), timeout=60) as client:
                client.sendmail("you@example.org", "me@test.example", "Subject: ready\n\n")
            running.wait_for("end msg .*")
            for pid, role in running.roles().items():
                with open(f"/proc/{pid}/environ", "rb") as file:
                    self.assertNotIn(b"NOTIFY_SOCKET", file.read(), role)
            running.signal(signal.SIGTERM)
            self.assertEqual(manager.recv(100), b"STOPPING=1")
            running.ended()


class RoleUnitTests(SynchronousTestCase):
    """No master, no twistd: systemd, or here its stand-in, holds the roles together."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """A home with users, and a host outside that takes everything."""
        self.world = World(self)
        self.sink = Sink(self)
        self.world.control("smtproutes", f"outside.example:127.0.0.1:{self.sink.port}\n")
        self.me = self.world.people["me"]

    def up(self, *names: str) -> StandIn:
        """Start the queue and *names*, and wait until send is ready."""
        systemd = StandIn(self.world, *QUEUE, *names)
        systemd.wait_for("status: local 0/10 remote 0/20")
        return systemd

    def send(self, systemd: StandIn, subject: str, *recipients: str) -> None:
        """Send a message by SMTP."""
        with smtplib.SMTP("127.0.0.1", systemd.port("qmail-smtpd.socket"), timeout=60) as client:
            client.sendmail("you@example.org", recipients or ["me@test.example"], f"Subject: {subject}\n\nhello\n")

    def arrived(self, subject: str) -> bool:
        """Whether it is in the mailbox."""
        return f"Subject: {subject}\n" in self.world.read(f"{self.me.home}/Mailbox")

    def test_in_and_local(self) -> None:
        """Mail that comes in by SMTP is delivered to a user, as the user."""
        systemd = self.up(*SMTP)
        self.send(systemd, "first")
        wait_until(lambda: self.arrived("first"), "delivery")
        self.assertEqual(os.stat(f"{self.me.home}/Mailbox").st_uid, self.me.uid)

    def test_out(self) -> None:
        """Mail of a user, handed in by him, leaves for another host."""
        systemd = self.up()
        self.world.inject(b"To: them@outside.example\nSubject: out\n\nhello\n")
        systemd.wait_for("delivery 1: success: 127.0.0.1_accepted_message")
        self.assertIn(b"Subject: out", self.sink.messages[0])

    def test_restrictions(self) -> None:
        """What runs in the end has the user, the rights and the filters of its unit, and none of the variables that
        systemd speaks by.
        """
        systemd = self.up(*SMTP)
        self.send(systemd, "again")
        wait_until(lambda: self.arrived("again"), "delivery")
        for role, user in (("smtpd", "qmaild"), ("door", "qmailq"), ("send", "qmails"), ("rspawn@", "qmailr")):
            facts = status(systemd.process(f"qmail-{role}.service"))
            self.assertEqual(set(facts["Uid"].split()), {str(ROLES[user][0])}, role)
            self.assertEqual((facts["CapBnd"], facts["NoNewPrivs"], facts["Seccomp"]), ("0" * 16, "1", "2"), role)
        lspawn = systemd.process("qmail-lspawn@.service")
        self.assertEqual(int(status(lspawn)["CapBnd"], 16), 1 << 5 | 1 << 6 | 1 << 7)
        with open(f"/proc/{lspawn}/environ", "rb") as file:
            names = {entry.partition(b"=")[0] for entry in file.read().split(b"\0")}
        self.assertFalse({name for name in names if name.startswith((b"LISTEN_", b"NOTIFY_"))})

    def test_one_dies(self) -> None:
        """Whoever is killed comes again, alone or with his partners, and mail goes on."""
        systemd = self.up(*SMTP)
        for name in ("qmail-lspawn@.service", "qmail-rspawn@.service", "qmail-send.service", "qmail-door.service",
                     "qmail-smtpd.service"):
            before = systemd.process(name)
            os.kill(before, signal.SIGKILL)
            wait_until(lambda name=name, before=before: systemd.process(name) != before, f"{name} is back")
            self.world.inject(b"To: me\nSubject: after %s\n\n" % name.encode())
            wait_until(lambda name=name: self.arrived(f"after {name}"), f"delivery after {name}")
        self.send(systemd, "last")
        wait_until(lambda: self.arrived("last"), "delivery")

    def test_term(self) -> None:
        """send, told to end, ends deliveries and stays down; mail goes on coming in."""
        systemd = self.up(*SMTP)
        os.kill(systemd.process("qmail-send.service"), signal.SIGTERM)
        at = systemd.wait_for("status: exiting")
        self.send(systemd, "waits")
        wait_until(lambda: not [one for one in systemd.services if "send" in one.unit.name], "send is down")
        self.assertEqual([line for line in systemd.log[at:] if line.startswith("new msg")], [])

    def test_pop3(self) -> None:
        """A user reads his mail: one unit speaks with him, another checks his password and runs his session."""
        hide_system_files(self.world)
        maildir = make_maildir(self.me.home)
        put(maildir, "new/1000.x", b"Subject: read me\n\n", 1000)
        for here, folders, names in os.walk(self.me.home):
            for name in (".", *folders, *names):
                os.chown(os.path.join(here, name), self.me.uid, self.me.gid)
        systemd = StandIn(self.world, "qmail-auth.socket", "qmail-pop3d.socket", "qmail-pop3d.service")
        for password, greeting in (("wrong", b"-ERR"), (SECRET, b"+OK")):
            with socket.create_connection(("127.0.0.1", systemd.port("qmail-pop3d.socket")), 60) as client:
                talk = client.makefile("rwb")
                self.assertTrue(talk.readline().startswith(b"+OK"))
                for line in ("USER me", f"PASS {password}"):
                    talk.write(line.encode() + b"\r\n")
                    talk.flush()
                    answer = talk.readline()
                self.assertTrue(answer.startswith(greeting), (answer, systemd.log))
        facts = status(systemd.process("qmail-pop3d.service"))
        self.assertEqual((facts["CapBnd"], facts["NoNewPrivs"], facts["Seccomp"]), ("0" * 16, "1", "2"))

    def test_one_lspawn(self) -> None:
        """While an old lspawn is still delivering, a new send gets none, and no delivery is begun beside it."""
        gate = f"{self.me.home}/gate"
        self.world.write(self.me, ".qmail", f"|while test ! -e {gate}; do sleep 0.1; done\n./Mailbox\n")
        systemd = self.up()
        self.world.inject(b"To: me\nSubject: gate\n\n")
        at = systemd.wait_for("starting delivery 1") + 1
        os.kill(systemd.process("qmail-send.service"), signal.SIGKILL)
        turned_away = systemd.wait_for("alert: cannot start: hath the daemon spawn no fire?", at)
        self.assertFalse([line for line in systemd.log[at:turned_away] if line.startswith("starting delivery")])
        with open(gate, "w", encoding="ascii"):
            pass
        systemd.wait_for("end msg", at)
        self.assertTrue(self.arrived("gate"))
