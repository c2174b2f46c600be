"""A private Exim that receives with TLS and keeps what it takes in a Maildir, for tests against other software.

Debian's packages of Exim and Postfix exclude each other, so Exim is never installed: its package is unpacked below a
scratch directory. It runs in a mount namespace of its own, whose /etc/passwd has the user that it was built for, and
as this user alone: nothing of it is setuid.
"""

from __future__ import annotations

import atexit
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.trial.unittest import SkipTest

from test.kit.homes import scratch
from test.kit.running import wait_until

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase

    from test.kit.certificates import Identity

PACKAGE = "exim4-daemon-light"
MISSING = None if os.geteuid() == 0 and shutil.which("apt-get") else f"needs root, and apt-get to fetch {PACKAGE}"
USER = ("Debian-exim", 64050)
ENTER = """\
set -e
{ cat /etc/passwd; echo "$1:x:$2:$2::/nonexistent:/bin/false"; } >"$3/passwd"
{ cat /etc/group; echo "$1:x:$2:"; } >"$3/group"
mount --bind "$3/passwd" /etc/passwd
mount --bind "$3/group" /etc/group
shift 3
exec "$@"
"""
SETTINGS = """\
THE_ROOM = {room}
THE_PORT = {port}
exim_path = {program}
keep_environment = LD_LIBRARY_PATH
spool_directory = THE_ROOM/spool
log_file_path = THE_ROOM/log/%slog
pid_file_path = THE_ROOM/spool/pid
primary_hostname = mx.example.org
local_interfaces = 127.0.0.1
daemon_smtp_ports = THE_PORT
tls_advertise_hosts = *
tls_certificate = THE_ROOM/identity.pem
tls_verify_certificates = THE_ROOM/authority.pem
tls_try_verify_hosts = *
message_size_limit = 0
deliver_drop_privilege
log_selector = +smtp_connection +tls_certificate_verified
acl_smtp_rcpt = recipient
acl_smtp_data = message
{settings}
begin acl
recipient:
  deny local_parts = nobody
       message = 5.1.1 nobody lives here
{conditions}
  accept
message:
  deny condition = ${{if eq{{$h_X-Unwanted:}}{{yes}}}}
       message = 5.7.1 not wanted
  accept
begin routers
everything:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = THE_ROOM/mail
  maildir_format
  maildir_tag =
  return_path_add
  envelope_to_add
  user = {user}
begin authenticators
{authenticators}
"""


def _apt(program: str, *words: str, directory: str | None = None) -> str:
    """What a program of apt says; the test is skipped when it fails."""
    line = [program, "-o", "APT::Sandbox::User=root", *words]
    done = subprocess.run(line, capture_output=True, text=True, cwd=directory, timeout=120, check=False)
    if done.returncode != 0:
        raise SkipTest(f"{PACKAGE} cannot be had: {done.stderr.strip()}")
    return done.stdout


@cache
def unpacked() -> str:
    """The directory in which Exim is unpacked, with the libraries that this machine does not have."""
    place = tempfile.mkdtemp(prefix="qtwisted-exim-", dir="/var/tmp")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.chmod(place, 0o755)
    # A machine without lists of packages gets them here only; those it has are left as they are.
    lists: tuple[str, ...] = ()
    if PACKAGE not in _apt("apt-cache", "pkgnames", PACKAGE):
        os.makedirs(f"{place}/lists/partial")
        lists = ("-o", f"Dir::State::lists={place}/lists")
        _apt("apt-get", *lists, "-qq", "update")
    steps = _apt("apt-get", *lists, "--simulate", "--no-install-recommends", "install", PACKAGE).splitlines()
    names = [line.split()[1] for line in steps if line.startswith("Inst ")]
    wanted = [name for name in names if name == PACKAGE or name.startswith("lib")]
    _apt("apt-get", *lists, "-qq", "download", *wanted, directory=place)
    for package in glob.glob(f"{place}/*.deb"):
        subprocess.run(["dpkg", "-x", package, f"{place}/root"], check=True)
    os.chmod(f"{place}/root/usr/sbin/exim4", 0o755)
    return f"{place}/root"


class Exim:
    """Receives on a free port until the test is over."""

    def __init__(
        self, test: SynchronousTestCase, identity: Identity, authority: bytes, settings: str = "",
        conditions: str = "", authenticators: str = "",
    ) -> None:
        """Start it, with more settings, more conditions on recipients, and ways to authenticate; in these
        THE_ROOM is its directory and THE_PORT its port.
        """
        root = unpacked()
        self.room = Path(scratch(test))
        for name in ("spool", "log", "mail"):
            (self.room / name).mkdir()
            os.chown(self.room / name, USER[1], USER[1])
        self._write("authority.pem", authority)
        self._write("identity.pem", identity.pem)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        program = f"{root}/usr/sbin/exim4"
        text = SETTINGS.format(
            program=program, room=self.room, port=self.port, user=USER[0], settings=settings, conditions=conditions,
            authenticators=authenticators)
        (self.room / "settings").write_text(text)
        libraries = glob.glob(f"{root}/usr/lib/*-linux-gnu*") + glob.glob(f"{root}/lib/*-linux-gnu*")
        line = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", USER[0], str(USER[1]),
                str(self.room), program, "-C", str(self.room / "settings"), "-bdf"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": ":".join(libraries)}
        with open(self.room / "output", "wb") as output:
            self._process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", env=environment)
        test.addCleanup(self._stop)
        wait_until(self._answers, "Exim to listen")

    def _write(self, name: str, data: bytes) -> None:
        """Write a file that only Exim can read."""
        path = self.room / name
        path.write_bytes(data)
        os.chmod(path, 0o600)
        os.chown(path, USER[1], USER[1])

    def _answers(self) -> bool:
        """Whether it takes connections."""
        if self._process.poll() is not None:
            raise AssertionError(f"Exim ends at once: {(self.room / 'output').read_text(errors='replace')}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _stop(self) -> None:
        """End it, and what it began for connections: they would write to the log when it is removed."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        for pid in self._left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self._left(), "the end of Exim")

    def _left(self) -> list[int]:
        """The processes that were started with its settings; those that have ended show none."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            with suppress(OSError):
                if f"{self.room}/settings".encode() in Path(path).read_bytes():
                    found.append(int(path.split("/")[2]))
        return found

    def mailbox(self) -> list[bytes]:
        """The messages it has taken, one for each recipient."""
        folder = self.room / "mail/new"
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.exists() else []

    def log(self) -> str:
        """What it has logged."""
        return (self.room / "log/mainlog").read_text(errors="replace")
