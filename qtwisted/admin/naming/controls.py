"""The control files that name a host: which values follow from its full name, and writing them."""

from __future__ import annotations

import os

from qtwisted.config.control import Control
from qtwisted.config.replace import ReplaceError, replace
from qtwisted.model import oserrors
from qtwisted.system.disk import Disk
from qtwisted.system.ending import LATER, Ending, fatal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NOW_REFUSES = "Now qmail will refuse to accept SMTP messages except to {}."
CHANGE_BOTH = "Make sure to change rcpthosts if you add hosts to locals or virtualdomains!"


def default_domain(host: str) -> str:
    """HOST without its first label, if two dots are left to spare (config-fast.sh)."""
    return host.partition(".")[2] if host.count(".") >= 2 else host


def plus_domain(host: str) -> str:
    """The last two labels of HOST, if it has more (config-fast.sh)."""
    return ".".join(host.split(".")[-2:]) if host.count(".") >= 2 else host


def named_after(host: str) -> Iterator[tuple[str, str]]:
    """Give the files with one line that follow from a host's full name, and their values."""
    yield "me", host
    yield "defaultdomain", default_domain(host)
    yield "plusdomain", plus_domain(host)


def can_be_host(host: str) -> bool:
    """Tell whether a text could be the name of a host, as far as control files and addresses care."""
    return bool(host) and not any(character <= " " or character in ":@/\x7f" for character in host)


class ControlFiles:
    """The control files of one home, to be written.

    Unlike 1.02: each is replaced as a whole, so that neither a program that reads it nor a power cut meets half of
    it.
    """

    def __init__(self, home: str, program: str) -> None:
        """Write for a program, whose name stands before what goes wrong."""
        self.home = home
        self._control = Control(home)
        self._program = program
        os.umask(0o022)

    def put(self, name: str, text: str) -> None:
        """Write a file that everybody may read."""
        path = self._control.path(name)
        try:
            replace(f"{path}.tmp", path, os.fsencode(text), Disk())
        except ReplaceError as trouble:
            raise self._ending("write", name, trouble.errno) from None

    def append(self, name: str, line: str) -> None:
        """Add a line to a file, which need not exist.

        Unlike 1.02: if the last line of the file has no line end it gets one first, and the two do not become one.
        """
        try:
            with open(self._control.path(name), "rb") as file:
                before = os.fsdecode(file.read())
        except FileNotFoundError:
            before = ""
        except OSError as trouble:
            raise self._ending("read", name, trouble.errno) from None
        end = "\n" if before and not before.endswith("\n") else ""
        self.put(name, f"{before}{end}{line}\n")

    def _ending(self, what: str, name: str, number: int | None) -> Ending:
        """Make the ending for a file that cannot be read or written."""
        why = f"unable to {what} control/{name}: {oserrors.text(number)}"
        return fatal(self._program.encode(), why.encode())


def say(line: str, end: str = "\n") -> None:
    """Print a line at once: somebody may be waiting for it. An Ending where that fails."""
    try:
        print(line, end=end, flush=True)
    except OSError:
        raise Ending(LATER) from None
