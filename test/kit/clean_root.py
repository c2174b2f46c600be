"""A clean root of the machine's own kind: what debootstrap makes, entered in namespaces that end with the test.

Nothing of the machine changes: processes, host name, network and mounts of the root are its own, and its files are
removed. Packages come from where apt of this machine gets them.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from test.kit.homes import scratch

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase

HOST = "fresh"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOLD = f"""\
set -e
mount --rbind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for name in null zero full random urandom tty; do
    touch "$1/dev/$name"
    mount --bind "/dev/$name" "$1/dev/$name"
done
ln -s /proc/self/fd "$1/dev/fd"
hostname {HOST}
echo ready
exec cat
"""
UP = """\
import fcntl, socket, struct
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(asker, 0x8914, struct.pack("16sH14x", b"lo", 1))
"""
NO_SERVICES = "#!/bin/sh\nexit 101\n"
PATIENCE = 900


def source() -> tuple[str, str]:
    """The name of this machine's release, and where apt gets its packages."""
    with open("/etc/os-release", encoding="utf-8") as file:
        facts = dict(line.strip().split("=", 1) for line in file if "=" in line)
    release = facts["VERSION_CODENAME"].strip('"')
    listing = subprocess.run(["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)",
                              "Created-By: Packages"], capture_output=True, text=True, check=True)
    found = (line.split() for line in listing.stdout.splitlines())
    return release, next(words[2] for words in found if words[:2] == [release, "main"])


def proxy() -> dict[str, str]:
    """The proxy that apt uses, as programs know it from the environment."""
    told = subprocess.run(["apt-config", "shell", "proxy", "Acquire::http::Proxy"], capture_output=True, text=True,
                          check=True)
    address = told.stdout.strip().removeprefix("proxy=").strip("'")
    return {"http_proxy": address} if address else {}


class Making:
    """A clean root that is being made."""

    def __init__(self, test: SynchronousTestCase, *packages: str) -> None:
        """Begin to make one with these packages and what they need."""
        self.path = f"{scratch(test)}/root"
        release, mirror = source()
        words = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", release, self.path, mirror]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={"PATH": PATH, **proxy()})
        test.addCleanup(self.process.kill)

    def made(self) -> str:
        """Wait for it; give its path."""
        output = self.process.communicate(timeout=PATIENCE)[0]
        if self.process.returncode:
            raise AssertionError(f"debootstrap failed:\n{output[-3000:]}")
        return self.path


class CleanRoot:
    """A clean root that is being used."""

    def __init__(self, test: SynchronousTestCase, path: str) -> None:
        """Enter the one at *path*."""
        self.test = test
        self.path = path
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--net", "--propagation", "private",
             "sh", "-c", HOLD, "sh", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        test.addCleanup(self._holder.communicate)
        assert self._holder.stdout is not None
        test.assertEqual(self._holder.stdout.readline(), b"ready\n")
        with open(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children", encoding="ascii") as file:
            self._first = int(file.read().split()[0])
        self.write("/usr/sbin/policy-rc.d", NO_SERVICES, 0o755)
        subprocess.run([*self._enter(True), "python3", "-c", UP], check=True)

    def _enter(self, alone: bool) -> list[str]:
        """The words that enter its namespaces; that of the network only if it is to be *alone*."""
        words = ["nsenter", f"--target={self._first}", "--mount", "--pid", "--uts"]
        return [*words, *(["--net"] if alone else []), "--", "chroot", self.path]

    def words(self, *words: str, alone: bool = True, **more: str) -> list[str]:
        """The command line that runs *words* in it as root, with *more* in the environment."""
        variables = {"PATH": PATH, "HOME": "/root", "USER": "root", "LOGNAME": "root", "LC_ALL": "C",
                     "DEBIAN_FRONTEND": "noninteractive", **more}
        return [*self._enter(alone), "env", "-i", *(f"{name}={value}" for name, value in variables.items()), *words]

    def run(self, *words: str, data: str = "", alone: bool = True) -> str:
        """Run a program that must succeed; give what it prints."""
        done = subprocess.run(self.words(*words, alone=alone), input=data, text=True, check=False, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": PATH, **proxy()})
        self.test.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def place(self, name: str) -> str:
        """The path of a file in it, seen from outside."""
        return self.path + name

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file in it."""
        with open(self.place(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.place(name), mode)

    def read(self, name: str) -> str:
        """The text of a file in it; empty if there is none."""
        try:
            with open(self.place(name), encoding="latin-1") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def exists(self, name: str) -> bool:
        """Whether there is such a file in it."""
        return os.path.lexists(self.place(name))
