"""Users, aliases and compiled tables: what of them is used as it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.admin import compiling
from qtwisted.admin.adopt import DIFFERS, FINE, MUST, Finding
from qtwisted.admin.checks import tables as checks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.adopt import Place


def look(place: Place) -> Iterator[Finding]:
    """Look at each table."""
    for table in checks.ALL:
        path = f"{place.home}/{table.path}"
        faults = list(checks.compare(place.home, table))
        for fault in faults:
            damaged = "damaged" in fault.text
            yield Finding(MUST if damaged else DIFFERS, table.path, fault.text, ("qmailctl cdb",))
        if not faults and os.path.exists(path):
            yield Finding(FINE, table.path, "is read as it is")
    yield from aliases(place)


def aliases(place: Place) -> Iterator[Finding]:
    """Look at the alias user's files."""
    try:
        names = [name for name in os.listdir(f"{place.home}/alias") if name.startswith(".qmail")]
    except OSError:
        yield Finding(DIFFERS, "alias", "cannot be read here")
        return
    yield Finding(FINE, "alias", f"{len(names)} .qmail files are read as they are")
    for name in sorted(names):
        try:
            text = compiling.beginning(f"{place.home}/alias/{name}")
        except OSError:
            continue
        if b"fastforward" in text:
            yield Finding(FINE, f"alias/{name}", "uses fastforward, which is one of our programs")
