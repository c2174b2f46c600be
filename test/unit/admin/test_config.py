"""Tests for qtwisted.admin.config and its parts: what a new home consists of."""

import grp
import io
import os
import pwd
import stat
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin import config
from qtwisted.admin.install import hier, launchers
from qtwisted.config import conf
from qtwisted.config.users import lookup

FAST = """\
Your fully qualified host name is mail.a.b.example.
Putting mail.a.b.example into control/me...
Putting a.b.example into control/defaultdomain...
Putting b.example into control/plusdomain...
Putting mail.a.b.example into control/locals...
Putting mail.a.b.example into control/rcpthosts...
Now qmail will refuse to accept SMTP messages except to mail.a.b.example.
Make sure to change rcpthosts if you add hosts to locals or virtualdomains!
"""


class Fixture(SynchronousTestCase):
    """Runs qmail-config in this process, as somebody who is not root."""

    def setUp(self) -> None:
        """Be an ordinary user, as far as the program can see."""
        self.patch(os, "geteuid", lambda: 4242)
        account = pwd.struct_passwd(("ann", "x", 4242, 4243, "", "/", ""))
        self.patch(pwd, "getpwuid", lambda uid: account)
        self.patch(pwd, "getpwnam", lambda name: account)
        group = grp.struct_group(("anns", "x", 4243, []))
        self.patch(grp, "getgrgid", lambda gid: group)
        self.patch(grp, "getgrnam", lambda name: group)
        self.addCleanup(os.umask, os.umask(0o022))
        self.home = os.path.abspath(self.mktemp())

    def configure(self, *words: str) -> tuple[int, str, str]:
        """Run the program: exit code, output, errors."""
        out, err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", err)
        self.patch(sys, "argv", ["qmail-config", "--home", self.home, *words])
        try:
            code = config.main()
        finally:
            self.patch(sys, "stdout", sys.__stdout__)
            self.patch(sys, "stderr", sys.__stderr__)
        return code, out.getvalue(), err.getvalue()

    def read(self, name: str) -> str:
        """A file of the home."""
        with open(f"{self.home}/{name}", encoding="ascii") as file:
            return file.read()


class SingleTests(Fixture):
    """Without root a home of one user is made, in which all mail ends in one Maildir."""

    def test_control(self) -> None:
        """Control files are those of config-fast, with localhost and a port of the loopback interface
        besides.
        """
        code, out, err = self.configure("mail.a.b.example")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual({name: self.read(f"control/{name}") for name in os.listdir(f"{self.home}/control")}, {
            "me": "mail.a.b.example\n", "defaultdomain": "a.b.example\n", "plusdomain": "b.example\n",
            "locals": "mail.a.b.example\nlocalhost\nlocalhost.a.b.example\n",
            "rcpthosts": "mail.a.b.example\nlocalhost\nlocalhost.a.b.example\n",
            "listen": "smtp tcp:2525:interface=127.0.0.1\nqmtp tcp:2209:interface=127.0.0.1\n"})
        for name in os.listdir(f"{self.home}/control"):
            self.assertEqual(stat.S_IMODE(os.stat(f"{self.home}/control/{name}").st_mode), 0o644)

    def test_says_what_it_does(self) -> None:
        """Each control file is announced in the words of config-fast, in its order."""
        _, out, _ = self.configure("mail.a.b.example")
        theirs = [line for line in FAST.splitlines() if not line.startswith("Now")]
        ours = iter(out.splitlines())
        for line in theirs:
            self.assertIn(line, ours)

    def test_users(self) -> None:
        """conf-users names the caller for every role, so that nobody claims separation."""
        self.configure("h.example")
        self.assertEqual(self.read("conf/conf-users"), "ann\n" * 8)
        self.assertEqual(self.read("conf/conf-groups"), "anns\n" * 2)
        self.assertFalse(conf.ids(conf.load(self.home)).separated)

    def test_every_address(self) -> None:
        """Any local part is looked up as the user, with itself as extension, for which .qmaildefault
        holds.
        """
        self.configure("h.example")
        for local in (b"ann", b"Joe-list", b"a.b", b"-", b"postmaster"):
            user = lookup(self.home, local)
            assert user is not None
            self.assertEqual((user.name, user.uid, user.gid, user.dash, user.ext), (b"ann", 4242, 4243, b"", local))
            self.assertEqual(user.home, os.fsencode(self.home) + b"/mail")
        self.assertEqual(self.read("mail/.qmaildefault"), "./Maildir/\n")
        self.assertEqual(sorted(os.listdir(f"{self.home}/mail/Maildir")), ["cur", "new", "tmp"])

    def test_queue(self) -> None:
        """The queue has qmail's directories, files and modes."""
        self.configure("h.example")
        modes = {entry.path: stat.S_IMODE(os.stat(f"{self.home}/{entry.path}").st_mode)
                 for entry in hier.queue(23)}
        self.assertEqual(modes["queue"], 0o750)
        self.assertEqual(modes["queue/mess/22"], 0o750)
        self.assertEqual(modes["queue/info/0"], 0o700)
        self.assertEqual(modes["queue/lock/trigger"], 0o622)
        self.assertEqual(modes["queue/lock/sendmutex"], 0o600)
        self.assertEqual(os.path.getsize(f"{self.home}/queue/lock/tcpto"), 1024)
        self.assertTrue(stat.S_ISFIFO(os.stat(f"{self.home}/queue/lock/trigger").st_mode))
        self.assertEqual(len(os.listdir(f"{self.home}/queue/remote")), 23)

    def test_twice(self) -> None:
        """A second time nothing is touched."""
        self.configure("h.example")
        code, out, err = self.configure("other.example")
        self.assertEqual((code, out), (100, ""))
        self.assertEqual(err, f"qmail-config: fatal: {self.home}/control exists already; "
                              "nothing has been changed\n")
        self.assertEqual(self.read("control/me"), "h.example\n")

    def test_empty_directory(self) -> None:
        """A directory that exists may become a home if it holds no part of one."""
        os.mkdir(self.home)
        self.assertEqual(self.configure("h.example")[0], 0)

    def test_refused(self) -> None:
        """A name that is no host's, and a path that users/assign cannot hold, are refused."""
        for host in ("", "a b", "me@host", "a/b", "a:b"):
            self.assertEqual(self.configure(host)[0], 100)
        self.home += ":x"
        self.assertEqual(self.configure("h.example")[0], 100)
        self.assertFalse(os.path.exists(self.home))

    def test_usage(self) -> None:
        """Without a host the usage is shown."""
        self.assertEqual(self.configure()[0], 100)

    def test_root_is_no_user(self) -> None:
        """root cannot be the one user of a home."""
        root: Any = pwd.struct_passwd(("root", "x", 0, 0, "", "/", ""))
        self.patch(pwd, "getpwnam", lambda name: root)
        code, _, err = self.configure("--user", "root", "h.example")
        self.assertEqual(code, 100)
        self.assertIn("nothing is ever delivered as root", err)

    def test_no_name(self) -> None:
        """A user who is a number without a name, as in a container, gets a home that names him so."""
        def nobody(key: object) -> None:
            """Know no user and no group."""
            raise KeyError(key)

        for module, name in ((pwd, "getpwuid"), (pwd, "getpwnam"), (grp, "getgrgid"), (grp, "getgrnam")):
            self.patch(module, name, nobody)
        self.patch(os, "getegid", lambda: 4343)
        self.assertEqual(self.configure("h.example")[0], 0)
        self.assertEqual(self.read("conf/conf-users"), "4242\n" * 8)
        found = conf.ids(conf.load(self.home))
        self.assertEqual((found.qmailq_uid, found.qmail_gid), (4242, 4343))
        self.assertEqual(self.read("users/assign"), f"+:4242:4242:4343:{self.home}/mail:::\n.\n")

    def test_somebody_else(self) -> None:
        """Only root can make a home for somebody else."""
        other: Any = pwd.struct_passwd(("bob", "x", 77, 77, "", "/", ""))
        self.patch(pwd, "getpwnam", lambda name: other)
        self.assertEqual(self.configure("--user", "bob", "h.example")[0], 100)


class HierTests(SynchronousTestCase):
    """The tree of a home."""

    def test_owners(self) -> None:
        """qmailq owns what mail comes in by, qmails what deliveries are recorded in, qmailr its own table
        only.
        """
        owners: dict[str, set[str]] = {}
        for entry in hier.queue(23):
            owners.setdefault(entry.user, set()).add(entry.path.split("/")[1] if "/" in entry.path else "")
        self.assertEqual(owners, {"qmailq": {"", "pid", "intd", "todo", "mess", "lock"},
                                  "qmails": {"bounce", "info", "local", "remote", "lock"}, "qmailr": {"lock"}})

    def test_count(self) -> None:
        """With 23 parts there are four directories of 23 each."""
        self.assertEqual(sum(entry.path.count("/") == 2 and entry.kind == hier.DIRECTORY
                             for entry in hier.queue(23)), 4 * 23)


class LauncherTests(SynchronousTestCase):
    """Programs in HOME/bin start without looking for packages."""

    def test_programs(self) -> None:
        """Every console script has a launcher."""
        names = [name for name, _, _ in launchers.programs()]
        for name in ("qmail-inject", "sendmail", "qmail-queue", "qmail-config", "splogger"):
            self.assertIn(name, names)

    def test_isolated(self) -> None:
        """The interpreter is told to ignore environment, site and working directory."""
        text = launchers.script("/h", "qtwisted.store.qmqpc", "main", "/usr/bin/python3")
        self.assertEqual(text.splitlines()[0], "#!/usr/bin/python3 -ISs")
        compile(text, "launcher", "exec")

    def test_guard(self) -> None:
        """qmail-queue looks at its descriptors before there is any Python, which would not start."""
        text = launchers.script("/h", "qtwisted.store.queue", "main", "/usr/bin/python3")
        compile(text, "launcher", "exec")
        lines = text.splitlines()
        self.assertEqual((lines[0], lines[2][-7:]), ("#!/bin/sh", "exit 54"))
        self.assertEqual(lines[4], "exec '/usr/bin/python3' -ISs \"$0\" \"$@\"")

    def test_long_interpreter(self) -> None:
        """An interpreter whose path is too long for a first line is started by way of the shell."""
        for path in ("/" + "x" * 150 + "/python3", "/with a space/python3"):
            text = launchers.script("/h", "m", "main", path)
            self.assertEqual(text.splitlines()[0], "#!/bin/sh")
            self.assertIn(f"'{path}' -ISs", text.splitlines()[1])
            compile(text, "launcher", "exec")
