"""qmail-newmrh - prepare morercpthosts for qmail-smtpd

Synopsis::

    qmail-newmrh

qmail-newmrh reads the domains in HOME/control/morercpthosts and writes them to
HOME/control/morercpthosts.cdb, where qmail-smtpd looks up what it does not find in control/rcpthosts. It
makes a new file and puts it in place of the old one when it is complete and safe on disk, so it may run
while mail comes in.

Each line is one domain, or a dot and a domain for all names below it. Trailing blanks, empty lines and lines
that begin with ``#`` do not count.

Exit codes:

| 0    done
| 111  something failed; morercpthosts.cdb is as it was, and standard error says why

Files: HOME/control/morercpthosts, HOME/control/morercpthosts.cdb, HOME/control/morercpthosts.tmp; HOME is
$QMAILHOME or /var/qmail.
"""

from __future__ import annotations

import os
import sys

from qtwisted.config import cdb, conf
from qtwisted.config.control import fold, listed
from qtwisted.config.replace import ReplaceError, replace
from qtwisted.model import oserrors
from qtwisted.system.ending import occupy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SOURCE = "control/morercpthosts"
_TMP = "control/morercpthosts.tmp"
_TARGET = "control/morercpthosts.cdb"

_WORDS = {
    ReplaceError.OPEN: f"unable to write to {_TMP}: ",
    ReplaceError.WRITE: f"unable to write to {_TMP}: ",
    # without a colon before the reason, as in qmail-newmrh.c
    ReplaceError.MOVE: f"unable to move {_TMP} to {_TARGET}",
}


class _Stop(Exception):
    """The program ends with a message."""


def compiled(morercpthosts: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Turn the text of morercpthosts into the records of its table: the domains as keys, without data."""
    for _, domain in listed(morercpthosts):
        yield fold(domain), b""


def _read_source() -> bytes:
    """Read control/morercpthosts."""
    try:
        with open(_SOURCE, "rb") as source:
            return source.read()
    except OSError as error:
        raise _Stop(f"unable to read {_SOURCE}: {oserrors.text(error.errno)}") from None


def _run() -> None:
    """Compile the domains of this home."""
    home = conf.home_dir(os.environ)
    try:
        os.chdir(home)
    except OSError as error:
        raise _Stop(f"unable to chdir to {home}: {oserrors.text(error.errno)}") from None
    try:
        replace(_TMP, _TARGET, cdb.make(compiled(_read_source())))
    except cdb.CdbError as error:
        raise _Stop(f"{_WORDS[ReplaceError.WRITE]}{error}") from None
    except ReplaceError as error:
        raise _Stop(f"{_WORDS[error.step]}{oserrors.text(error.errno)}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    if (sys.argv if argv is None else argv)[1:] == ["--help"]:
        print(__doc__)
        return 0
    occupy()
    os.umask(0o33)
    try:
        _run()
    except _Stop as stop:
        print(f"qmail-newmrh: fatal: {stop}", file=sys.stderr)
        return 111
    return 0


if __name__ == "__main__":
    sys.exit(main())
