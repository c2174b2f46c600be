"""qmail-showctl - explain the control files

Synopsis::

    qmail-showctl

qmail-showctl prints what each control file says, or what holds where there is none. First come the numbers of the
users and groups: alias, qmaild, qmaill, root, qmailp, qmailq, qmailr, qmails, and the groups nofiles and qmail. Then
come the files of qmail 1.02, those that only this system knows, and at last names in the directory that nobody knows.

What is not a printable character of ASCII is shown as ``?``.

Unlike 1.02: files it did not have are explained, of control/smtpauth everything but the passwords, of a file with a
certificate only that it is there. A number that does not parse in such a file is pointed out.

Unlike 1.02: users and groups are looked up when this program runs; if that fails, it is said in the place of the
numbers, and the files are explained nevertheless.

Exit codes:

| 0    everything was printed, even if a file could not be read
| 111  there is no home, no control directory, or control/me cannot be read; standard output says so

Files: HOME/control, HOME/conf; HOME is $QMAILHOME or /var/qmail.

See also: qmail-config(8), qmail-newmrh(8)
"""

from __future__ import annotations

import os
import sys

from qtwisted.config import conf
from qtwisted.config.control import Control, ControlError
from qtwisted.config.declared import ALL, BY_NAME, INTEGER, LINE, PEM, Field
from qtwisted.config.fields import Values
from qtwisted.system.ending import LATER, run_printing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.system.ending import Printing

UNREADABLE = b"Oops! Trouble reading this file.\n"
UNKNOWN = b"I have no idea what this file does.\n"
_DEFAULT = b"(Default.) "
_ME_UNDEFINED = b"undefined! Uh-oh"
_NO_PASSWORD = b":(not shown)"

_RCPTHOSTS, _MORE, _TABLE = "rcpthosts", "morercpthosts", "morercpthosts.cdb"
#: how morercpthosts is shown where it has no effect
_IRRELEVANT = BY_NAME[_MORE]._replace(
    shown="No rcpthosts; doesn't matter that morercpthosts has {}.",
    absent="No rcpthosts; morercpthosts is irrelevant.",
)
#: bytes as they are shown
_SHOWN = bytes(byte if 0x20 <= byte <= 0x7E else ord("?") for byte in range(256))


def in_order() -> list[str]:
    """List the names of all files in the order in which they are shown."""
    names = [field.name for field in ALL if field.name != _MORE]
    at = names.index(_RCPTHOSTS) + 1
    return [*names[:at], _MORE, _TABLE, *names[at:]]


class Explainer:
    """Says what the files of one home mean. Its working directory is the control directory."""

    def __init__(self, control: Control) -> None:
        """Read control/me."""
        self._control = control
        self._values = Values(control)

    def block(self, name: str) -> Iterator[bytes]:
        """Print one file, after an empty line."""
        yield b"\n%s: " % name.encode()
        try:
            yield from self._table() if name == _TABLE else self._explain(self._field(name))
        except ControlError as trouble:
            yield UNREADABLE if trouble.line is None else f"Oops! Line {trouble.line} {trouble.why}.\n".encode()

    def _field(self, name: str) -> Field:
        """Look up how a file is shown: morercpthosts only counts where there is rcpthosts."""
        if name == _MORE and not self._is_there(_RCPTHOSTS):
            return _IRRELEVANT
        return BY_NAME[name]

    def _is_there(self, name: str) -> bool:
        """Tell whether a file is there, readable or not."""
        try:
            return self._control.line(name) is not None
        except ControlError:
            return True

    def _explain(self, field: Field) -> Iterator[bytes]:
        """Choose by the kind of the file."""
        if field.kind == PEM:
            return self._certificate(field)
        if field.kind == INTEGER:
            return self._integer(field)
        return self._line(field) if field.kind == LINE else self._list(field)

    def _line(self, field: Field) -> Iterator[bytes]:
        """Print a file with one value."""
        value = self._control.line(field.name)
        if value is None:
            yield _DEFAULT
            value = self._default(field)
        yield filled(field.shown, value) + b"\n"

    def _default(self, field: Field) -> bytes:
        """Say what holds without the file; where that is nothing, 1.02 shows the name of the file."""
        if field.defaults_to_me and self._values.me is not None:
            return self._values.me
        if isinstance(field.default, bytes):
            return field.default
        return _ME_UNDEFINED if field.name == "me" else field.name.encode()

    def _integer(self, field: Field) -> Iterator[bytes]:
        """Print a file with a number; 1.02 takes what is no number for no file."""
        value = filled(field.shown, b"%d" % self._values.integer(field.name)) + b"\n"
        yield _DEFAULT + value if self._control.integer(field.name, -1) < 0 else value

    def _list(self, field: Field) -> Iterator[bytes]:
        """Print a file with many entries."""
        entries = self._control.list(field.name)
        if entries is None:
            yield _DEFAULT + field.absent.encode()
        yield b"\n"
        for entry in entries or ():
            value = without_password(entry) if field.is_secret else entry
            yield filled(field.shown, value) + b"\n"

    def _certificate(self, field: Field) -> Iterator[bytes]:
        """Say whether there is a file, and nothing of what is in it."""
        if self._control.line(field.name) is None:
            yield _DEFAULT + field.absent.encode() + b"\n"
        else:
            yield field.shown.encode() + b"\n"

    def _table(self) -> Iterator[bytes]:
        """Compare morercpthosts.cdb with what it is made from."""
        source, table = (modified_at(self._control.path(name)) for name in (_MORE, _TABLE))
        if source is None and table is None:
            yield _DEFAULT + b"No effect.\n"
        elif source is None:
            yield b"Oops! morercpthosts.cdb exists but morercpthosts doesn't.\n"
        elif table is None:
            yield b"Oops! morercpthosts exists but morercpthosts.cdb doesn't.\n"
        elif source > table:
            yield b"Oops! morercpthosts.cdb is older than morercpthosts.\n"
        else:
            yield b"Modified recently enough; hopefully up to date.\n"


def filled(shown: str, value: bytes) -> bytes:
    """Put a value into the text of a file."""
    before, _, after = shown.partition("{}")
    return before.encode() + value.translate(_SHOWN) + after.encode()


def without_password(entry: bytes) -> bytes:
    """Leave out what follows the second colon; without one the whole entry may be anything, and is left out."""
    parts = entry.split(b":", 2)
    return b":".join(parts[:2]) + _NO_PASSWORD if len(parts) == 3 else _NO_PASSWORD[1:]


def modified_at(path: str) -> int | None:
    """Tell in whole seconds when a file was changed; None where it cannot be looked at."""
    try:
        return int(os.stat(path).st_mtime)
    except OSError:
        return None


def header(home: str) -> Iterator[bytes]:
    """Print what qmail fixed when it was built."""
    yield os.fsencode(f"The qmail control files are stored in {home}/control.\n")
    try:
        ids = conf.ids(conf.load(home))
    except ControlError as trouble:
        yield b"Oops! " + os.fsencode(str(trouble)).translate(_SHOWN) + b".\n"
        return
    numbers = [getattr(ids, f"{role}_uid") for role in conf.ROLES] + [ids.nofiles_gid, ids.qmail_gid]
    yield f"The uids and gids are {', '.join(map(str, numbers))}.\n".encode()


def showctl(home: str) -> Printing:
    """Print everything about the control files of a home."""
    yield from header(home)
    trouble = home
    try:
        os.chdir(home)
        trouble = "control"
        os.chdir("control")
        trouble = ""
        there = sorted(os.listdir("."))
    except OSError:
        what = f"chdir to {trouble}" if trouble else "open current directory"
        yield os.fsencode(f"Oops! Unable to {what}.\n")
        return LATER
    try:
        explainer = Explainer(Control(".."))
    except ControlError:
        yield b"Oops! Trouble reading control/me."
        return LATER
    known = in_order()
    for name in known:
        yield from explainer.block(name)
    for name in there:
        if name not in known:
            yield b"\n%s: %s" % (os.fsencode(name).translate(_SHOWN), UNKNOWN)
    return 0


def main() -> int:
    """Run the program."""
    return run_printing(lambda argv: showctl(conf.home_dir(os.environ)), __doc__)


if __name__ == "__main__":
    sys.exit(main())
