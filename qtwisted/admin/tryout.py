"""Try the mail system out: make a home, say how to send a first message, and run it in the foreground.

Synopsis::

    python -m qtwisted.admin.tryout [DIR]

This is what ``make run`` starts. DIR (default ``./run``) is made with qmail-config if it does not exist, as
the home of one user, and then served as by ``twistd -n qmail --home DIR``.

Run by root, everything runs as the user nobody, since nothing is ever delivered as root. If that user cannot
reach the interpreter or the packages where they are, he gets a readable copy of them below /var/tmp, and if
he cannot reach DIR, the home lies there, too, and DIR becomes a symbolic link to it. Each of these is said.

Exit codes: as twistd; 100 if the home cannot be made.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from qtwisted.admin.install import portable, reach
from qtwisted.config import conf as build
from qtwisted.config.control import Control, ControlError
from qtwisted.system.privileges import become

if TYPE_CHECKING:
    from typing import NoReturn

HOST = "localhost.localdomain"
NOBODY = "nobody"
PORTS = {"smtp": "2525", "qmtp": "2209"}
"""Where control/listen does not say."""
GUIDE = """\
The mail system is about to start; Ctrl-C ends it. Any of these sends a message:

  python3 -c 'import smtplib; smtplib.SMTP("127.0.0.1", {port}).sendmail("you@example.com", "me@{host}", \
"Subject: hello\\n\\nIt works.\\n")'
  swaks --server 127.0.0.1:{port} --from you@example.com --to me@{host}
  printf 'Subject: hello\\n\\nIt works.\\n' | curl --crlf --mail-from you@example.com --mail-rcpt me@{host} \
-T - smtp://127.0.0.1:{port}
  python3 -c 'import socket; net = lambda text: b"%d:%b," % (len(text), text); \
connection = socket.create_connection(("127.0.0.1", {qmtp_port})); \
connection.sendall(net(b"\\nSubject: hello\\n\\nIt works.\\n") + net(b"you@example.com") + net(net(b"me@{host}"))); \
print(connection.recv(100))'
  printf 'To: me\\nSubject: hello\\n\\nIt works.\\n' | {shown}/bin/sendmail -t

Each arrives as a file in {shown}/mail/Maildir/new/, whatever stands before @{host}.
"""


class Trouble(Exception):
    """The system cannot be tried out here; the text is for the operator."""


def say(text: str) -> None:
    """Print something at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def unprivileged(home: str) -> pwd.struct_passwd:
    """Whom to run as when root has called: the home's user if it exists, else nobody."""
    name = build.load(home).users["qmailq"] if os.path.isdir(f"{home}/conf") else NOBODY
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise Trouble(f"there is no user {name} to run as") from None
    if account.pw_uid == 0:
        raise Trouble(f"{home} belongs to users of its own; start it with twistd qmail --home {home}")
    return account


def hand_over(shown: str) -> NoReturn:
    """As root: see to it that somebody else can run everything, become him, and begin anew."""
    home = os.path.realpath(shown)
    account = unprivileged(home)
    uid, gid = account.pw_uid, account.pw_gid
    say(f"Not as root: everything runs as {account.pw_name} (uid {uid}).")
    executable, path = sys.executable, os.environ.get("PYTHONPATH", "")
    in_the_way = next(filter(None, (reach.obstacle(place, uid, [gid]) for place in reach.needed())), None)
    if in_the_way is not None:
        executable, path = readable_copy(account, in_the_way)
    if reach.obstacle(os.path.dirname(home), uid, [gid]) is not None:
        home = substitute(shown, uid, gid)
    if not os.path.isdir(home):
        os.mkdir(home, 0o755)
        os.chown(home, uid, gid)
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "TRYOUT_SHOWN": shown}
    if path:
        environment["PYTHONPATH"] = path
    if sys.dont_write_bytecode:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    become(uid, gid, [gid])
    os.chdir(home)
    os.execve(executable, [executable, "-P", "-s", "-m", "qtwisted.admin.tryout", home], environment)


def shared_place() -> str:
    """A directory below /var/tmp for this checkout: the same in every run, and nobody else's."""
    import hashlib

    name = hashlib.sha256(os.getcwd().encode()).hexdigest()[:12]
    place = os.path.join("/var/tmp", f"qtwisted-{name}")
    try:
        os.mkdir(place, 0o755)
    except FileExistsError:
        status = os.lstat(place)
        if status.st_uid != 0 or os.path.islink(place):
            # Somebody has been here before us: what he owns is not to be trusted.
            place = tempfile.mkdtemp(prefix="qtwisted-", dir="/var/tmp")
    os.chmod(place, 0o755)
    return place


def readable_copy(account: pwd.struct_passwd, in_the_way: str) -> tuple[str, str]:
    """Copy the packages to where *account* can read them; return his interpreter and where the copy is."""
    executable = portable.interpreter(account.pw_uid, [account.pw_gid])
    if executable is None:
        raise Trouble(f"{account.pw_name} cannot get through {in_the_way}, and there is no other "
                      f"python{sys.version_info.major}.{sys.version_info.minor} on this machine for him; "
                      f"try: make clean run PYTHON=/usr/bin/python3")
    target = os.path.join(shared_place(), "lib")
    say(f"He cannot get through {in_the_way}, so he uses {executable} and a copy of the packages in {target}.")
    portable.copy(target)
    return executable, target


def substitute(shown: str, uid: int, gid: int) -> str:
    """Put the home where its user can reach it, with a link to it where it was to be."""
    home = os.path.join(shared_place(), "home")
    if not os.path.islink(shown):
        if os.path.lexists(shown):
            raise Trouble(f"{shown} exists, but user number {uid} cannot get there")
        os.symlink(home, shown)
    say(f"He cannot get to {os.path.abspath(shown)} either, so the home is {home}; {shown} is a link to it.")
    return home


def make_home(home: str) -> None:
    """Make the home unless it is there."""
    if os.path.isdir(f"{home}/queue"):
        return
    done = subprocess.run([sys.executable, "-P", "-s", "-m", "qtwisted.admin.config", "--home", home, HOST],
                          check=False)
    if done.returncode:
        raise Trouble(f"cannot make the home {home}")


def port_of(home: str, service: str) -> str:
    """The port of a service in control/listen, for the guide."""
    for entry in Control(home).list("listen") or ():
        words = entry.decode("ascii", "replace").split(":")
        if words[0].startswith(service) and len(words) > 1:
            return words[1]
    return PORTS[service]


def serve(home: str, shown: str) -> None:
    """Run the mail system in the foreground until it is ended."""
    from twisted.scripts.twistd import run

    me = (Control(home).me() or b"localhost").decode("ascii", "replace")
    ports = {"port": port_of(home, "smtp"), "qmtp_port": port_of(home, "qmtp")}
    say(GUIDE.format(**ports, host=me, shown=shown))
    sys.argv = ["twistd", "-n", "--pidfile=", "qmail", "--home", home]
    run()  # type: ignore[no-untyped-call]


def main() -> int:
    """Run the program."""
    shown = sys.argv[1] if len(sys.argv) > 1 else "run"
    try:
        if os.geteuid() == 0:
            hand_over(shown)
        home = os.path.abspath(shown)
        make_home(home)
        serve(home, os.environ.pop("TRYOUT_SHOWN", shown))
    except (Trouble, ControlError) as trouble:
        sys.stderr.write(f"make run: {trouble}\n")
        return 100
    return 0


if __name__ == "__main__":
    sys.exit(main())
