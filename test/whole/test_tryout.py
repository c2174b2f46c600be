"""What ``make run`` does: a home is made, the guide is right, and the mail system runs as somebody harmless."""

import os
import re
import shutil
import smtplib
import socket
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install import launchers
from test.kit.code import NOBODY, code
from test.kit.homes import scratch
from test.kit.running import Running, wait_until


class TryoutTests(SynchronousTestCase):
    """From nothing to the first message."""

    def setUp(self) -> None:
        """Begin in an empty directory."""
        self.place = scratch(self)

    def tryout(self, executable: str = "", path: str = "") -> Running:
        """Start it in our directory, as whoever runs the tests."""
        words = code().module("qtwisted.admin.tryout", "run")
        environment = code().environment()
        if path:
            words[0], environment["PYTHONPATH"] = executable, path
        running = Running(words, os.path.realpath(f"{self.place}/run"), environment, None, self.place)
        self.addCleanup(running.kill)
        return running

    def free_port(self) -> None:
        """Have the home use whatever port is free."""
        with open(f"{self.place}/run/control/listen", "w", encoding="ascii") as file:
            file.write("smtp tcp:0:interface=127.0.0.1\nqmtp tcp:0:interface=127.0.0.1\n")

    def first_home(self) -> None:
        """Make the home: by a first run that cannot open its port."""
        with occupied_port():
            running = self.tryout()
            self.assertEqual(running.ended(), 1, running.told())
        self.assertIn("cannot listen on tcp:2525:interface=127.0.0.1: Address already in use", running.told())
        self.assertNotIn("Traceback", running.told())

    def deliver(self, running: Running) -> None:
        """Send a message and find it where the guide says."""
        running.ready()
        port = running.port()
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.sendmail("you@example.com", ["me@localhost"], b"Subject: hello\r\n\r\nIt works.\r\n")
        where = next(line for line in running.log if line.startswith("Each arrives as a file in "))
        folder = f"{self.place}/{where.removeprefix('Each arrives as a file in ').split(',')[0]}"
        wait_until(lambda: (running.read(0.02), os.listdir(folder))[1], "the message")

    def test_from_nothing(self) -> None:
        """With the port taken there is one clear line; with a free one mail arrives, the second time as well."""
        self.first_home()
        self.free_port()
        for _ in range(2):
            running = self.tryout()
            running.home = os.path.realpath(f"{self.place}/run")
            self.deliver(running)
            running.stop()

    def test_guide(self) -> None:
        """The commands of the guide, and of README, are complete: run as they stand they send mail."""
        self.first_home()
        self.free_port()
        running = self.tryout()
        running.ready()
        ports = {"smtp": running.port(), "qmtp": running.port("qmtp")}
        commands = [line.strip() for line in running.log if re.match(r"  (python3|swaks|printf)", line)]
        self.assertEqual(len(commands), 5)
        with open(f"{launchers.package_root()}/README.rst", encoding="utf-8") as file:
            shown = re.findall(r"(?m)^    (?:curl|echo) .*", file.read())[:2]
        self.assertEqual(len(shown), 2)
        shutil.copy(f"{launchers.package_root()}/README.rst", self.place)
        commands += [line.strip().replace("2525", str(ports["smtp"])) for line in shown]
        for count, command in enumerate(commands, 1):
            tool = "curl" if "curl" in command else command.split()[0]
            if shutil.which(tool) is None:
                raise self.skipTest(f"{tool} is not installed")
            # Port 0 of our control/listen stands in the guide; people find the real one there.
            port = ports["qmtp" if "socket" in command else "smtp"]
            command = re.sub(r"127\.0\.0\.1(\W+)0\b", rf"127.0.0.1\g<1>{port}", command)
            done = subprocess.run(["sh", "-c", command], cwd=self.place, capture_output=True, check=False, timeout=60,
                                  env={**os.environ, "USER": "somebody"})
            self.assertEqual(done.returncode, 0, (command, done.stderr))
            folder = f"{self.place}/run/mail/Maildir/new"
            wait_until(lambda count=count, folder=folder: (  # type: ignore[misc]
                running.read(0.02), len(os.listdir(folder)) == count)[1], command)
        self.assertEqual([line for line in running.log if " to remote " in line], [])
        running.stop()

    def test_not_as_root(self) -> None:
        """Run by root, nothing runs as root, and that is said."""
        if os.geteuid() != 0:
            raise self.skipTest("needs root, to see that root does not run it")
        self.first_home()
        self.free_port()
        running = self.tryout()
        running.wait_for("Not as root: everything runs as nobody .*")
        running.ready()
        pids = [running.process.pid, *running.roles()]
        self.assertEqual({os.stat(f"/proc/{pid}").st_uid for pid in pids}, {NOBODY})
        running.stop()

    def test_private_checkout(self) -> None:
        """Run by root in a directory that is closed to others, it uses copies that are not, and says where."""
        if os.geteuid() != 0:
            raise self.skipTest("needs root, whose directories may be closed to others")
        os.chmod(self.place, 0o700)
        root = launchers.package_root()
        for name in ("qtwisted", "twisted"):
            shutil.copytree(f"{root}/{name}", f"{self.place}/{name}")
        shutil.copy(f"{root}/setup.cfg", self.place)
        running = self.tryout(code().executable, self.place)
        running.wait_for("He cannot get through .* a copy of the packages in .*")
        where = running.wait_for("He cannot get to .* so the home is (.*); .*").group(1)
        self.addCleanup(shutil.rmtree, os.path.dirname(where))
        self.assertEqual(os.readlink(f"{self.place}/run"), where)
        running.wait_for("The mail system is about to start.*")
        running.kill()
        self.free_port()
        running = self.tryout(code().executable, self.place)
        running.home = where
        self.deliver(running)
        running.stop()


def occupied_port() -> socket.socket:
    """Hold the port that ``make run`` uses: a test beside this one may have it now, and give it back too soon."""
    held: list[socket.socket] = []

    def take() -> bool:
        """Listen on it, if nobody does."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", 2525))
            listener.listen()
        except OSError:
            listener.close()
            return False
        held.append(listener)
        return True

    wait_until(take, "port 2525 of 127.0.0.1")
    return held[0]
