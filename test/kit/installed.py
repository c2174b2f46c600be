"""A world whose home was installed as an administrator does it: make it man, make setup."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from qtwisted.admin.install import launchers
from test.kit.homes import HOST
from test.kit.running import Running, wait_until
from test.kit.world import ENTER, ROLES, World

if TYPE_CHECKING:
    from collections.abc import Sequence

#: tests that run side by side have port 25 of different addresses
NET = f"127.{200 + os.getpid() // 250 % 50}.{os.getpid() % 250}"
DEVICES = f"""\
set -e
mkdir "$3/dev"
for name in null zero full random urandom tty; do
    touch "$3/dev/$name"
    mount --bind "/dev/$name" "$3/dev/$name"
done
ln -s /proc/self/fd "$3/dev/fd"
mount --rbind "$3/dev" /dev
printf '127.0.0.1 localhost\\n{NET}.1 {HOST}\\n{NET}.2 {HOST}\\n' > "$3/hosts"
mount --bind "$3/hosts" /etc/hosts
"""
TREE = ("Makefile", "README.rst", "docs", "etc", "pyproject.toml", "qtwisted", "setup.cfg", "twisted")
"""What of the source tree is needed to install it."""
_STAMP = re.compile(rb"<(\d+)>\w+ +\d+ [\d:]+ (qmail: \d+\.\d+ .*)", re.DOTALL)


class Syslog:
    """The system's log, which has a socket in /dev."""

    def __init__(self, path: str) -> None:
        """Listen; it ends with ``close``."""
        self.lines: list[str] = []
        self.priorities: set[int] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        os.chmod(path, 0o666)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        """Keep what qmail says, without the time splogger puts in front."""
        while entry := self._socket.recv(65536):
            match = _STAMP.fullmatch(entry.rstrip(b"\0\n"))
            if match:
                self.priorities.add(int(match[1]))
                self.lines.append(match[2].decode("latin-1").split(" ", 2)[2])

    def close(self) -> None:
        """Stop listening."""
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    def wait_for(self, pattern: str, start: int = 0) -> int:
        """Wait for a whole line, from line *start* on; gives the number of the line after it."""
        wanted = re.compile(pattern)

        def after() -> int:
            """The number of the line after the first that matches; 0 if none does."""
            there = self.lines[start:]
            return next((start + at for at, line in enumerate(there, 1) if wanted.fullmatch(line)), 0)

        try:
            wait_until(after, pattern)
        except AssertionError as trouble:
            raise AssertionError(f"{trouble}; the log is:\n" + "\n".join(self.lines)) from None
        return after()


class Installed(World):
    """Users, a system log, and a home that was installed."""

    enter = DEVICES + ENTER

    def make_home(self) -> None:
        """Build and install, with a home of ours in etc/conf-qmail; then configure it."""
        self.syslog = Syslog(f"{self.place}/dev/log")
        self.test.addCleanup(self.syslog.close)
        self.source = f"{self.place}/source"
        self.copy_source()
        self.make("it", "man")
        self.test.assertEqual(self.make("setup"), f"Installed into {self.home}.\n")
        self.test.addCleanup(self.end)
        self.configure()

    def copy_source(self) -> None:
        """A source tree whose programs are for this home."""
        os.mkdir(self.source)
        for name in TREE:
            path = f"{launchers.package_root()}/{name}"
            if os.path.isdir(path):
                shutil.copytree(path, f"{self.source}/{name}", ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(path, f"{self.source}/{name}")
        with open(f"{self.source}/etc/conf-qmail", encoding="ascii") as file:
            text = file.read()
        with open(f"{self.source}/etc/conf-qmail", "w", encoding="ascii") as file:
            file.write(text.replace("/var/qmail", self.home, 1))

    def made(self, *targets: str) -> subprocess.CompletedProcess[bytes]:
        """Run make in the source tree, with the packages that the tests themselves use."""
        tools = [f"--old-file={sys.prefix}/{name}" for name in ("bin/python", "installed", "installed-man")]
        line = ["make", "-C", self.source, "--no-print-directory", *tools, f"VENV={sys.prefix}", *targets]
        environment = {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin", "HOME": "/root"}
        return subprocess.run(self.inside(line), capture_output=True, check=False, timeout=300, cwd="/",
                              env=environment)

    def make(self, *targets: str) -> str:
        """Run make, which must succeed and say nothing on standard error; gives its output."""
        done = self.made(*targets)
        self.test.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        return done.stdout.decode()

    def configure(self) -> None:
        """Write the control files of a host, and the aliases that each host must have."""
        for name, text in (("me", HOST), ("defaultdomain", "example"), ("plusdomain", "example"),
                           ("locals", HOST), ("rcpthosts", HOST)):
            self.control(name, f"{text}\n")
        for name in ("postmaster", "mailer-daemon", "root"):
            path = f"{self.home}/alias/.qmail-{name}"
            with open(path, "w", encoding="ascii"):
                pass
            os.chown(path, ROLES["alias"][0], -1)

    def shell(self, line: str, shell: Sequence[str] = ("sh", "-c")) -> None:
        """Run a line as root does at the boot, whatever it leaves in the background."""
        done = subprocess.run(self.inside([*shell, line]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False, timeout=60, cwd="/",
                              env={"PATH": os.environ.get("PATH", os.defpath)}, start_new_session=True)
        self.test.assertEqual(done.returncode, 0)

    def foreground(self, *words: str) -> Running:
        """Run a boot script, or qmail-start itself, in the foreground."""
        running = Running(self.inside(words), self.home, {"PATH": os.environ.get("PATH", os.defpath)})
        self.test.addCleanup(running.kill)
        return running

    def called(self, name: str) -> list[int]:
        """The processes of this home that ps calls *name*: those that have its path in their command line."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="latin-1") as file:
                    shown = file.read().rstrip("\n")
                with open(f"/proc/{pid}/cmdline", encoding="latin-1") as file:
                    line = file.read()
            except OSError:
                continue
            if shown == name and self.home in line:
                found.append(int(pid))
        return found

    def end(self) -> None:
        """Leave nothing behind: end the master in order, if there is one."""
        for pid in self.called("qmail-start"):
            os.kill(pid, 15)
        wait_until(lambda: not self.called("qmail-start"), "the end of the mail system")
