"""instchown -- make and own what an installation needs

Synopsis::

    instchown [DIR]

instchown makes the directories and the queue that are missing in the home DIR (default $QMAILHOME, else /var/qmail),
and gives everything in it that belongs to the installation its owner, group and mode. A package runs it when its
files have been unpacked, since the numbers of the users differ from machine to machine; an administrator runs it
after instcheck(8) has found something. It may be run while mail flows. control/, users/ and what is in the queue are
left alone.

Only root can run it. The users and groups in DIR/conf must exist.

Exit codes: 0 done; 100 refused, with the reason; 111 trouble with the system.

Files: DIR/conf/manifest, and what it names.
"""

from __future__ import annotations

import os
import sys

from qtwisted.admin.install import hier, manifest
from qtwisted.admin.install.environment import sync_home
from qtwisted.admin.install.putting import Place
from qtwisted.admin.refusal import Refused
from qtwisted.config import conf as build
from qtwisted.config.control import ControlError
from qtwisted.system import ending
from qtwisted.system.disk import Disk

SAY = b"instchown"


def own(home: str) -> None:
    """Make what is missing, and see to owners and modes."""
    conf = build.load(home)
    place = Place(home, build.ids(conf), Disk())
    for entry in (*hier.home(conf), *(manifest.read(home) or ())):
        if entry.kind == hier.FILE and not entry.path.startswith("queue/") and not os.path.exists(place.path(entry)):
            raise Refused(f"{place.path(entry)} does not exist; install again")
        place.keep_or_make(entry)
    sync_home(home)


def work(argv: list[bytes]) -> int:
    """Do it for the home on the command line."""
    if len(argv) > 2 or argv[1:2] == [b""]:
        raise ending.usage(SAY, b"instchown [ dir ]")
    if os.geteuid() != 0:
        raise ending.fatal(SAY, b"only root can give files to others", ending.NEVER)
    home = os.path.abspath(build.home_dir(os.environ, os.fsdecode(argv[1]) if argv[1:] else None))
    try:
        own(home)
    except (Refused, ControlError) as trouble:
        raise ending.fatal(SAY, os.fsencode(str(trouble)), ending.NEVER) from None
    except OSError as trouble:
        place = f"{trouble.filename}: " if trouble.filename else ""
        raise ending.fatal(SAY, os.fsencode(f"{place}{trouble.strerror}")) from None
    return 0


def main() -> int:
    """Run the program."""
    return ending.run(work, __doc__)


if __name__ == "__main__":
    sys.exit(main())
