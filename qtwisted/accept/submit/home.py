"""The home of the mail system as the programs that hand in mail use it: they work inside it."""

from __future__ import annotations

import os

from qtwisted.config.conf import home_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping


def go_home(environ: MutableMapping[bytes, bytes]) -> str:
    """Make the home the current directory, and $QMAILHOME a name that holds there; raise OSError if it is none."""
    home = os.path.abspath(home_dir({"QMAILHOME": os.fsdecode(environ.get(b"QMAILHOME", b""))}))
    os.chdir(home)
    environ[b"QMAILHOME"] = os.fsencode(home)
    return home
