"""qmail-start -- turn on mail delivery

Synopsis::

    qmail-start [ defaultdelivery [ logger arg ... ] ]

qmail-start runs the mail system of HOME in the foreground, as ``twistd -n qmail`` does: it starts qmail-send,
qmail-lspawn, qmail-rspawn and the door to the queue, and what listens on the ports in control/listen. Without that
file only the queue runs, and mail comes in through qmail-smtpd under inetd or tcpserver, and from users.

*defaultdelivery*, which may have several lines, is what is done with mail for users without a .qmail file; it is
``./Mailbox`` unless given. *logger* is run as the log user with its arguments, and gets the log; without it the log
goes to standard output. A boot script would say ``csh -cf '/var/qmail/rc &'``, where rc is a copy of one of the
scripts in HOME/boot.

Where qmail-send was told to end by TERM, qmail-start takes over from the mail system that is still there, without it
losing anything. Where qmail-send runs, it says ``alert: cannot start: qmail-send is already running``, on standard
error and on the log.

Unlike 1.02: the process of qmail-start stays, as the master of the others; it is not qmail-send. TERM to it ends
everything, TERM to qmail-send ends deliveries only.

Unlike 1.02: what keeps it from starting is said on standard error.

Exit codes: 111 when it cannot start. After TERM, when all has ended in order, it ends by that signal, too.

Files: HOME/rc, HOME/boot, HOME/control/listen, HOME/queue/lock/sendmutex; HOME is $QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from qtwisted.admin.running import takeover
from qtwisted.config import conf as build
from qtwisted.config.control import ControlError
from qtwisted.model import alerts
from qtwisted.system import ending
from qtwisted.system.privileges import show_as

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_DELIVERY = "./Mailbox"
ALREADY = alerts.AlreadyRunning.words
LOGGER_FOR = 10.0


def words(home: str, default_delivery: str, logger: Sequence[str]) -> list[str]:
    """The command line of twistd that does what qmail-start is asked for."""
    line = ["twistd", "-n", "--pidfile=", "qmail", "--home", home, "--default-delivery", default_delivery]
    return [*line, "--log", shlex.join(logger)] if logger else line


def tell(home: str, logger: Sequence[str]) -> None:
    """Say that qmail-send is running, on standard error and to the logger, which runs as the log user."""
    ending.say(ALREADY)
    if not logger:
        return
    who: dict[str, object] = {}
    if os.geteuid() == 0:
        ids = build.ids(build.load(home))
        who = {"user": ids.qmaill_uid, "group": ids.nofiles_gid, "extra_groups": [ids.nofiles_gid]}
    try:
        subprocess.run(logger, input=ALREADY + b"\n", check=False,  # type: ignore[call-overload]
                       timeout=LOGGER_FOR, **who)
    except (OSError, subprocess.SubprocessError):
        pass  # it has been said on standard error


def run(argv: list[bytes]) -> int:
    """Run the mail system until it ends."""
    from twisted.scripts.twistd import run as twistd

    from qtwisted.admin.running.ports import StartError

    default_delivery, *logger = [os.fsdecode(word) for word in argv[1:]] or [DEFAULT_DELIVERY]
    home = os.path.abspath(build.home_dir(os.environ))
    os.chdir("/")
    os.umask(0o077)
    show_as("qmail-start")
    sys.argv = words(home, default_delivery, logger)
    try:
        if takeover.is_sending(home):
            raise takeover.AlreadyRunning
        twistd()  # type: ignore[no-untyped-call]
    except takeover.AlreadyRunning:
        tell(home, logger)
        return ending.LATER
    except (StartError, ControlError) as trouble:
        raise ending.fatal(b"qmail-start", os.fsencode(str(trouble))) from None
    return 0


def main() -> int:
    """Run the program."""
    return ending.run(run, __doc__)


if __name__ == "__main__":
    sys.exit(main())
