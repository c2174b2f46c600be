"""HOME/bin: a small script for each program, so that they start fast and are found where qmail had them.

A script that pip writes spends most of its time on finding installed packages. Ours is told where they are,
and the interpreter looks at nothing else: neither at the caller's environment nor at his directories.
"""

from __future__ import annotations

import configparser
import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LAUNCHER_MAX = 65536
LONGEST_FIRST_LINE = 120
"""Kernels before 5.1 cut the first line of a script at 127 bytes."""

GUARD = """\
#!/bin/sh
''':'
[ -d /proc/self/fd/0 ] && exit {code}
[ -d /proc/self/fd/1 ] && exit {code}
exec '{interpreter}' -ISs "$0" "$@"
'''
"""
"""The shell runs this; to Python it is a string. No Python starts with a directory as descriptor 0 or 1."""
GUARDED = {"qtwisted.store.queue": 54}
"""Programs whose callers rely on the exit code for descriptors that cannot be read."""

BODY = """\
import os
import sys
os.environ.setdefault("QMAILHOME", {home!r})
sys.path[0:0] = {path!r}
from {module} import {function}
sys.exit({function}())
"""


def programs() -> Iterator[tuple[str, str, str]]:
    """Every program of this package: its name, its module and the function that runs it."""
    for name, target in sorted(_targets().items()):
        module, _, function = target.partition(":")
        yield name, module, function


def _targets() -> dict[str, str]:
    """The console scripts, of the checkout we run from if it is one, else of the installed package."""
    declared = os.path.join(package_root(), "setup.cfg")
    if os.path.exists(declared):
        parser = configparser.ConfigParser()
        parser.read(declared)
        lines = parser["options.entry_points"]["console_scripts"].strip().splitlines()
        return {name.strip(): target.strip() for name, _, target in (line.partition("=") for line in lines)}
    found = metadata.distribution("qtwisted").entry_points
    return {entry.name: entry.value for entry in found if entry.group == "console_scripts"}


def package_root() -> str:
    """The directory that holds our package."""
    import qtwisted

    return os.path.dirname(os.path.dirname(os.path.abspath(str(qtwisted.__file__))))


def import_path() -> list[str]:
    """Where our package and those it is built on lie."""
    import twisted

    others = os.path.dirname(os.path.dirname(os.path.abspath(str(twisted.__file__))))
    return list(dict.fromkeys([package_root(), others]))


def script(home: str, module: str, function: str, interpreter: str = sys.executable,
           path: Sequence[str] | None = None) -> str:
    """The text of a launcher for the programs of *home*, which $QMAILHOME can still override.

    The packages are looked for in *path*, else where ours are.
    """
    found = import_path() if path is None else list(path)
    body = BODY.format(home=home, path=found, module=module, function=function)
    if module in GUARDED and "'" not in interpreter:
        return GUARD.format(code=GUARDED[module], interpreter=interpreter) + body
    first = f"#!{interpreter} -ISs\n"
    if len(first) <= LONGEST_FIRST_LINE and " " not in interpreter:
        return first + body
    # The shell runs the second line and never sees the rest; to Python the line is a string.
    return f"#!/bin/sh\n'''exec' '{interpreter}' -ISs \"$0\" \"$@\"\n' '''\n" + body


def is_ours(path: str) -> bool:
    """Whether *path* is a launcher of ours, and not a program of another qmail."""
    with open(path, "rb") as file:
        return b"\nfrom qtwisted." in file.read(LAUNCHER_MAX)
