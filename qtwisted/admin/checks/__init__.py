"""What can be wrong with a home: one small function for each kind of mistake, in tables, run one after the other.

``findings(home)`` gives everything that is wrong and nothing else. It changes nothing, and what it may not look at,
because it is not run by root, it leaves out.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING, UNREACHED, OWNER, GROUP, PERMISSIONS, TYPE = (
    "missing", "unreached", "owner", "group", "permissions", "type")
"""Kinds of 1.02: something is not there, cannot be looked at, belongs to somebody else, has the wrong mode, or is
something else."""
CONF, UNKNOWN, VALUE, UNREADABLE, STALE, PORT, CERTIFICATE, PACKAGES = (
    "conf", "unknown", "value", "unreadable", "stale", "port", "certificate", "packages")
"""Kinds of ours: a build setting that makes no sense, a control file nobody knows, a value that makes no sense, a
file its readers cannot read, a table older than its source, a port that cannot be had, a certificate that will not
do, and programs that users cannot read or that are damaged."""
_OF_1_02 = frozenset((MISSING, OWNER, GROUP, PERMISSIONS, TYPE))


class Finding(NamedTuple):
    """One thing that is wrong: of which kind, in which file, in which line if that is known, and what."""

    kind: str
    path: str
    line: int | None
    text: str

    def __str__(self) -> str:
        """Say it in one line, as instcheck does."""
        if self.kind == UNREACHED:
            return f"unable to stat {self.path}: {self.text}"
        place = self.path if self.line is None else f"{self.path} line {self.line}"
        return f"{place}{'' if self.kind in _OF_1_02 else ':'} {self.text}"


TABLES = ("build", "tree", "packages", "control", "values", "tables", "listening", "certificates")
"""The modules of this folder, in the order in which they are asked. Each has a ``check(home)``."""


def findings(home: str) -> Iterator[Finding]:
    """Give everything that is wrong with a home; where packages are damaged, checks that need them say so."""
    for name in TABLES:
        try:
            yield from import_module(f"{__name__}.{name}").check(home)
        except ImportError as trouble:
            yield Finding(PACKAGES, trouble.name or "packages", None, f"cannot be loaded: {trouble}")
