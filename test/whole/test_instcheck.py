"""instcheck on an installation: silent where all is well, and one line for each fault that is planted."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from test.kit.certificates import Authority
from test.kit.installed import Installed
from test.kit.world import NOT_ROOT, QMAIL, ROLES

Plant = Callable[["InstcheckTests"], None]


class Fault(NamedTuple):
    """A fault: where, how it is planted, and the lines that must be said, with stars for what varies."""

    path: str
    plant: Plant
    lines: tuple[str, ...]


def mode(path: str, bits: int) -> Plant:
    """Change a mode."""
    return lambda test: os.chmod(test.at(path), bits)


def owner(path: str, uid: int = -1, gid: int = -1) -> Plant:
    """Change an owner or a group."""
    return lambda test: os.chown(test.at(path), uid, gid)


def gone(path: str) -> Plant:
    """Take something away."""
    return lambda test: shutil.rmtree(test.at(path)) if os.path.isdir(test.at(path)) else os.unlink(test.at(path))


def text(path: str, content: str | bytes, bits: int = 0o644) -> Plant:
    """Write a file, over what is there."""

    def plant(test: InstcheckTests) -> None:
        """Write it."""
        data = content.encode("latin-1") if isinstance(content, str) else content
        with open(test.at(path), "wb") as file:
            file.write(data)
        os.chmod(test.at(path), bits)

    return plant


def other(path: str, make: Callable[[str], object]) -> Plant:
    """Put something else in the place of what is there."""

    def plant(test: InstcheckTests) -> None:
        """Replace it."""
        with contextlib.suppress(FileNotFoundError):
            gone(path)(test)
        make(test.at(path))

    return plant


def newer(path: str, table: str, content: bytes) -> Plant:
    """Write a table, and a source that was changed after it."""

    def plant(test: InstcheckTests) -> None:
        """Write both."""
        text(table, content)(test)
        text(path, "")(test)
        os.utime(test.at(table), (1, 1))

    return plant


AUTHORITY = Authority()
GOOD, EXPIRED = AUTHORITY.identity("mx.test.example"), AUTHORITY.identity("mx.test.example", expired=True)
SITE = "venv/*/lib/python*/site-packages"
EMPTY_CDB = (2048).to_bytes(4, "little") + bytes(4)
NO_DIGITS = "is not a number of at most 9 digits"

FAULTS = (
    # what 1.02 found (ADM-18)
    Fault("bin/predate", mode("bin/predate", 0o600), ("{}/bin/predate has wrong permissions",)),
    Fault("bin/forward", owner("bin/forward", uid=1), ("{}/bin/forward has wrong owner",)),
    Fault("bin/preline", owner("bin/preline", gid=1), ("{}/bin/preline has wrong group",)),
    Fault("bin/qmail-queue", mode("bin/qmail-queue", 0o4755), ("{}/bin/qmail-queue has wrong permissions",)),
    Fault("doc/flow.rst", gone("doc/flow.rst"), ("{}/doc/flow.rst does not exist",)),
    Fault("queue/bounce", other("queue/bounce", lambda path: os.close(os.open(path, os.O_CREAT, 0o600))), (
        "{}/queue/bounce has wrong owner", "{}/queue/bounce has wrong group", "{}/queue/bounce has wrong permissions",
        "{}/queue/bounce has wrong type")),
    Fault("queue/lock/trigger", gone("queue/lock/trigger"), ("{}/queue/lock/trigger does not exist",)),
    Fault("queue/lock/tcpto", owner("queue/lock/tcpto", uid=0), ("{}/queue/lock/tcpto has wrong owner",)),
    Fault("queue/todo", mode("queue/todo", 0o755), ("{}/queue/todo has wrong permissions",)),
    Fault("queue/mess/7", gone("queue/mess/7"), ("{}/queue/mess/7 does not exist",)),
    Fault("alias", mode("alias", 0o755), ("{}/alias has wrong permissions",)),
    Fault("boot/home", mode("boot/home", 0o644), ("{}/boot/home has wrong permissions",)),
    Fault("man/man8/qmail-start.8", gone("man/man8/qmail-start.8"), ("{}/man/man8/qmail-start.8 does not exist",)),
    Fault("control", owner("control", uid=ROLES["qmaild"][0]), ("{}/control has wrong owner",)),
    # build settings
    Fault("conf/conf-split", text("conf/conf-split", "many\n"), ("{}/conf/conf-split line 1: is not a number",)),
    Fault("conf/conf-users", text("conf/conf-users", "alias\nqmaild\nno-such-user\n" + "root\n" * 5), (
        "{}/conf/conf-users line 3: there is no user no-such-user",)),
    Fault("conf/conf-qmail", text("conf/conf-qmail", "/elsewhere\n"), (
        "{0}/conf/conf-qmail line 1: says /elsewhere, but this home is {0}",)),
    Fault("conf/manifest", gone("conf/manifest"), ("{}/conf/manifest does not exist",)),
    # control files
    Fault("control/rcpthost", text("control/rcpthost", ""), (
        "{}/control/rcpthost: no program knows this file; is rcpthosts meant?",)),
    Fault("control/locals.d", other("control/locals.d", os.mkdir), (
        "{}/control/locals.d: no program knows this file; is locals meant?",)),
    Fault("control/rcpthosts", mode("control/rcpthosts", 0o600), (
        "{}/control/rcpthosts: qmail-smtpd, run by qmaild, cannot read this file",)),
    Fault("control/me", text("control/me", "test.example\r\n"), (
        "{}/control/me line 1: ends with a carriage return, which is part of the value",)),
    Fault("control/me", gone("control/me"), ("{}/control/me: does not exist, and most programs need it",)),
    Fault("control/locals", text("control/locals", "test.example\n# comment\njoe@test.example\n"), (
        "{}/control/locals line 3: is an address and not a domain, so it never counts",)),
    Fault("control/concurrencylocal", text("control/concurrencylocal", "ten\n"), (
        "{}/control/concurrencylocal line 1: is not a number, so 10 counts",)),
    Fault("control/databytes", text("control/databytes", "10M\n"), (
        "{}/control/databytes line 1: is not only a number; 10 counts",)),
    Fault("control/maxrcpt", text("control/maxrcpt", "12x\n"), (f"{{}}/control/maxrcpt line 1: {NO_DIGITS}",)),
    Fault("control/queuesync", text("control/queuesync", "never\n"), (
        "{}/control/queuesync line 1: must be one of auto syncfs fsync",)),
    Fault("control/virtualdomains", text("control/virtualdomains", "a.example:joe\nb.example\nTEST.example:me\n"), (
        "{}/control/virtualdomains line 2: has no colon, so it does not count",
        "{}/control/virtualdomains line 3: never counts, since test.example is in locals")),
    Fault("control/smtproutes", text("control/smtproutes", "a.example:relay:smtp\n"), (
        "{}/control/smtproutes line 1: does not have a number after the relay, where its port must be",)),
    Fault("control/badmailfrom", text("control/badmailfrom", "@bad.example\nbad.example\n"), (
        "{}/control/badmailfrom line 2: is neither an address nor @ and a host, so it never counts",)),
    Fault("control/relayclients", text("control/relayclients", "10.\n127.0.0.1\n10.0.0.0/33\n"), (
        "{}/control/relayclients line 3: is not an address, a prefix or a network",)),
    Fault("control/tcprules", text("control/tcprules", ":allow\n10.:permit\n"), (
        "{}/control/tcprules line 2: has neither :allow nor :deny",)),
    Fault("control/resolvers", text("control/resolvers", "127.0.0.1:0\n"), (
        "{}/control/resolvers line 1: is not ADDRESS or ADDRESS:PORT",)),
    Fault("control/tlsdestinations", text("control/tlsdestinations", "# x\na.example:must\n"), (
        "{}/control/tlsdestinations line 2: must say none, may, encrypt, verify or verify:name",)),
    Fault("control/smtpauth", text("control/smtpauth", "relay:me:secret\n"), (
        "{}/control/smtpauth: holds passwords and can be read by other users",)),
    # tables
    Fault("control/morercpthosts", text("control/morercpthosts", "a.example\n"), (
        "{}/control/morercpthosts.cdb: does not exist, but control/morercpthosts does; run qmail-newmrh",)),
    Fault("users/assign", newer("users/assign", "users/cdb", EMPTY_CDB * 256), (
        "{}/users/cdb: is older than users/assign; run qmail-newu",)),
    Fault("users/cdb", text("users/cdb", b"half"), (
        "{}/users/cdb: counts, but users/assign does not exist",
        "{}/users/cdb: is damaged: the file is too short")),
    # ports
    Fault("control/listen", text("control/listen", "smtp tcp:0:interface=127.0.0.1\nsmpt tcp:0\n"), (
        "{}/control/listen line 2: there is no service smpt, only *",)),
    Fault("control/listen", text("control/listen", "smtp 25\n"), (
        "{}/control/listen line 1: 25 is no endpoint; write tcp:25",)),
    Fault("control/listen", lambda test: test.take_port(), (
        "{}/control/listen line 1: port * of 127.0.0.1 is taken by another program",)),
    # certificates
    Fault("control/clientcert.pem", text("control/clientcert.pem", EXPIRED.pem, 0o640), (
        "{}/control/clientcert.pem: has expired on *",)),
    Fault("control/clientcert.pem", text("control/clientcert.pem", GOOD.certificate + EXPIRED.key, 0o640), (
        "{}/control/clientcert.pem: holds a key that is not that of its first certificate",)),
    Fault("control/clientcert.pem", text("control/clientcert.pem", GOOD.certificate, 0o640), (
        "{}/control/clientcert.pem: does not hold the key of its certificate",)),
    Fault("control/clientcert.pem", text("control/clientcert.pem", GOOD.pem), (
        "{}/control/clientcert.pem: holds a private key that everybody can read",)),
    Fault("control/clientcert.pem", text("control/clientcert.pem", GOOD.pem, 0o600), (
        "{}/control/clientcert.pem: qmail-remote, run by qmailr, cannot read this file",)),
    Fault("control/tlscafile", text("control/tlscafile", "control/no-such-file\n"), (
        "{0}/control/tlscafile line 1: names {0}/control/no-such-file, which does not exist",
        "{}/control/no-such-file: cannot be read: No such file or directory")),
    # programs
    Fault(f"{SITE}/zope", mode(f"{SITE}/zope", 0o700), (
        "{}/venv/*/site-packages/zope: users cannot pass here to *, and get no mail",)),
    Fault(f"{SITE}/qtwisted/deliver/local.py", mode(f"{SITE}/qtwisted/deliver/local.py", 0o600), (
        "{}/venv/*/qtwisted/deliver/local.py: users cannot read this file, and get no mail",)),
    Fault(f"{SITE}/qtwisted/deliver/local.py", text(f"{SITE}/qtwisted/deliver/local.py", "import os\n"), (
        "{}/venv/*/qtwisted/deliver/local.py: is not as it was installed; install again",)),
    Fault(f"{SITE}/twisted/internet/tcp.py", gone(f"{SITE}/twisted/internet/tcp.py"), (
        "{}/venv/*/twisted/internet/tcp.py: is missing; install again",
        "twisted.internet: cannot be loaded: cannot import name 'tcp' from 'twisted.internet' (*)")),
)


class InstcheckTests(SynchronousTestCase):
    """One installation, and many faults, each by itself."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Install."""
        self.world = Installed(self)
        self.held: list[socket.socket] = []

    def at(self, path: str) -> str:
        """A path in the home; a star stands for the only name that fits."""
        import glob

        whole = f"{self.world.home}/{path}"
        return glob.glob(whole)[0] if "*" in whole else whole

    def take_port(self) -> None:
        """Have a port, and ask for the same one."""
        self.held.append(socket.create_server(("127.0.0.1", 0)))
        port = self.held[0].getsockname()[1]
        text("control/listen", f"smtp tcp:{port}:interface=127.0.0.1\n")(self)

    @contextlib.contextmanager
    def planted(self, fault: Fault) -> Iterator[None]:
        """Plant a fault; afterwards everything is as before."""
        path = self.at(fault.path) if "*" not in fault.path or self.at(fault.path) else ""
        kept = f"{self.world.place}/kept"
        was_there = os.path.lexists(path)
        related = [self.at(name) for name in ("users/cdb", "users/assign") if "users" in fault.path]
        if was_there:
            self.copy(path, kept)
        try:
            fault.plant(self)
            if fault.path == "control/clientcert.pem":
                os.chown(path, 0, QMAIL)
            yield
        finally:
            for each in (path, *related):
                if os.path.lexists(each):
                    gone(os.path.relpath(each, self.world.home))(self)
            if was_there:
                self.copy(kept, path)
                gone(os.path.relpath(kept, self.world.home))(self)
            while self.held:
                self.held.pop().close()

    def copy(self, source: str, target: str) -> None:
        """Copy with owners, modes and times, whatever it is."""
        done = self.world.run(["cp", "-a", "--", source, target])
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def said(self) -> list[str]:
        """What instcheck says, line by line; its exit code is 0 whatever that is."""
        done = self.world.run([f"{self.world.home}/bin/instcheck", self.world.home])
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        return done.stderr.decode().splitlines()

    def test_faults(self) -> None:
        """Each fault is found, in its own words, and nothing else is; a good installation is silent."""
        self.assertEqual(self.said(), [])
        for fault in FAULTS:
            with self.planted(fault):
                said = self.said()
            self.assertEqual(len(said), len(fault.lines), f"{fault.path}: {said}")
            for line, wanted in zip(said, fault.lines, strict=True):
                pattern = "instcheck: warning: " + wanted.format(self.world.home)
                self.assertTrue(fnmatch.fnmatchcase(line, pattern), f"{fault.path}: {line}")
        self.assertEqual(self.said(), [])
        self.assertGreaterEqual(len(FAULTS), 30)
