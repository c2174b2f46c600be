"""A world of its own for tests that need users: root only.

The world is a private mount namespace in which /etc/passwd and /etc/group are files of the test, and /var/mail is
empty. The users in it exist nowhere else; what the machine itself knows of users is never touched, whatever happens
to the test.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from test.kit.code import code
from test.kit.homes import HOST, PORT, scratch
from test.kit.running import Running, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.trial.unittest import SynchronousTestCase

NOT_ROOT = None if os.geteuid() == 0 else "needs root, to have users of its own"

QMAIL, NOFILES, STAFF = 64000, 64001, 64002
ROLES = {"alias": (64010, NOFILES), "qmaild": (64011, NOFILES), "qmaill": (64012, NOFILES),
         "qmailp": (64013, NOFILES), "qmailq": (64014, QMAIL), "qmailr": (64015, QMAIL), "qmails": (64016, QMAIL)}
#: limits on processes count a uid's everywhere, so worlds of tests that run side by side must not share their people
FIRST_PERSON = 100000 + os.getpid() % 10000 * 10
ENTER = """\
set -e
mount --bind "$1" /etc/passwd
mount --bind "$2" /etc/group
[ ! -d /var/mail ] || mount -t tmpfs -o mode=2775,gid=8 tmpfs /var/mail
echo ready
exec cat
"""


class Person(NamedTuple):
    """A user with a home, and with more groups than his own."""

    name: str
    uid: int
    gid: int
    home: str


class World:
    """Users, a home of the mail system, and programs that run among them."""

    #: what is done in the namespace; $1 and $2 are the files of users and groups, $3 is the place
    enter = ENTER

    def __init__(self, test: SynchronousTestCase, people: Sequence[str] = ("me", "joe")) -> None:
        """Make the users, enter the namespace, and make the home."""
        self.test = test
        self.place = scratch(test)
        self.home = f"{self.place}/qmail"
        self.people = {name: self._person(name, FIRST_PERSON + at) for at, name in enumerate(people)}
        self._holder = self._enter()
        self.make_home()

    def make_home(self) -> None:
        """Make the home."""
        done = self.run(code().module("qtwisted.admin.config", "--home", self.home, HOST))
        self.test.assertEqual(done.returncode, 0, done.stderr)

    def _person(self, name: str, uid: int) -> Person:
        """A user with a home of mode 0755."""
        home = f"{self.place}/people/{name}"
        os.makedirs(home)
        os.chown(home, uid, uid)
        return Person(name, uid, uid, home)

    def _enter(self) -> subprocess.Popen[bytes]:
        """Start the process that holds the namespace; it ends when its input does."""
        files = []
        for name, lines in (("passwd", self._passwd()), ("group", self._group())):
            files.append(f"{self.place}/{name}")
            with open(files[-1], "w", encoding="ascii") as file:
                file.write("".join(line + "\n" for line in lines))
            os.chmod(files[-1], 0o644)
        holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", self.enter,
                                   "sh", *files, self.place], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.test.addCleanup(holder.communicate)
        assert holder.stdout is not None
        self.test.assertEqual(holder.stdout.readline(), b"ready\n")
        return holder

    def _passwd(self) -> list[str]:
        """The lines of /etc/passwd."""
        lines = ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534::/nonexistent:/bin/false"]
        for name, (uid, gid) in ROLES.items():
            home = f"{self.home}/alias" if name == "alias" else self.home
            lines.append(f"{name}:x:{uid}:{gid}::{home}:/bin/true")
        return lines + [f"{who.name}:x:{who.uid}:{who.gid}::{who.home}:/bin/sh" for who in self.people.values()]

    def _group(self) -> list[str]:
        """The lines of /etc/group; everybody is in one group more than his own."""
        members = ",".join(self.people)
        lines = ["root:x:0:", "nogroup:x:65534:", f"qmail:x:{QMAIL}:", f"nofiles:x:{NOFILES}:"]
        return [*lines, f"staff:x:{STAFF}:{members}", *(f"{who.name}:x:{who.gid}:" for who in self.people.values())]

    def inside(self, words: Sequence[str], who: Person | None = None) -> list[str]:
        """The command line that runs *words* in this world, as *who* if that is given."""
        line = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--"]
        if who is not None:
            line += ["setpriv", f"--reuid={who.uid}", f"--regid={who.gid}", f"--groups={who.gid},{STAFF}", "--"]
        return [*line, *words]

    def environment(self, who: Person | None = None) -> dict[str, str]:
        """The environment of a program, with what a login would set."""
        login = {} if who is None else {"USER": who.name, "LOGNAME": who.name, "HOME": who.home}
        return {**code().environment(), **login}

    def run(self, words: Sequence[str], data: bytes = b"",
            who: Person | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end."""
        return subprocess.run(self.inside(words, who), input=data, capture_output=True, check=False, timeout=120,
                              env=self.environment(who), cwd="/")

    def inject(self, data: bytes, *words: str, who: str = "me") -> None:
        """Give qmail-inject a message."""
        done = self.run([f"{self.home}/bin/qmail-inject", *words], data, self.people[who])
        self.test.assertEqual((done.returncode, done.stderr), (0, b""))

    def control(self, name: str, text: str) -> None:
        """Write a control file."""
        with open(f"{self.home}/control/{name}", "w", encoding="latin-1") as file:
            file.write(text)

    def write(self, who: Person, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file in somebody's home, as his own."""
        path = f"{who.home}/{name}"
        with open(path, "w", encoding="latin-1") as file:
            file.write(text)
        os.chmod(path, mode)
        os.chown(path, who.uid, who.gid)

    def read(self, path: str) -> str:
        """The text of a file; empty if it does not exist."""
        try:
            with open(path, encoding="latin-1") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def start(self, *words: str) -> Running:
        """Start the mail system in the foreground."""
        line = self.inside(code().twistd("-n", "qmail", "--home", self.home, *words))
        running = Running(line, self.home, self.environment())
        self.test.addCleanup(running.kill)
        return running

    def up(self, *words: str) -> Running:
        """Start it with a free port and one front, and wait until it is ready."""
        running = self.start(*(words or (*PORT, "--fronts", "1")))
        running.ready()
        wait_until(lambda: len(running.roles()) >= 6, "six processes")
        return running
