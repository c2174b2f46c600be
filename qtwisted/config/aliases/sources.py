"""Reads the files in sendmail's language for newaliases and newinclude, and completes the addresses in them."""

from __future__ import annotations

import os
from io import BytesIO

from qtwisted.config import fields
from qtwisted.config.conf import home_dir
from qtwisted.config.control import Control, ControlError
from qtwisted.model import oserrors
from qtwisted.model.address_list import Unparsable
from qtwisted.model.rewriting import Rewriting
from qtwisted.model.sendmail_list import FILE, items
from qtwisted.system.ending import fatal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.model.sendmail_list import Item


def read(program: bytes, path: bytes) -> bytes:
    """Read a whole source file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        reason = oserrors.text(error.errno or 0).encode()
        raise fatal(program, b"unable to read %s: %s" % (path, reason)) from error


def rewriting(program: bytes, home: str | None = None) -> Rewriting:
    """Load the names that complete an address, in a home or in that of the environment."""
    try:
        names = fields.inject(Control(home or home_dir(os.environ)), os.environb)
        return Rewriting(names.defaulthost, names.defaultdomain, names.plusdomain)
    except (ControlError, Unparsable) as error:
        raise fatal(program, b"unable to read controls: " + os.fsencode(str(error))) from error


def entries(text: bytes) -> Iterator[bytes]:
    """Join each line with the lines after it that begin with a blank or are empty; comments are left out.

    Unlike 1.02: a last line without newline counts; newaliases 0.51 ignored it.
    """
    entry = b""
    for line in BytesIO(text if text.endswith(b"\n") else text + b"\n"):
        if line[:1] in b" \t\n":
            entry += line.lstrip(b"\n")
            continue
        if entry.strip() and not entry.startswith(b"#"):
            yield entry
        entry = line
    if entry.strip() and not entry.startswith(b"#"):
        yield entry


def parsed(program: bytes, entry: bytes) -> list[Item]:
    """Read one entry as a list of recipients, from right to left."""
    try:
        return items(entry)
    except Unparsable:
        raise unparsable(program, entry) from None


def unparsable(program: bytes, entry: bytes) -> Exception:
    """Make the ending for an entry that makes no sense."""
    return fatal(program, b"unable to parse this line: " + entry)


def address(program: bytes, item: Item, names: Rewriting) -> bytes:
    """Complete a recipient that must be an address; an empty one stays empty."""
    if item.kind == FILE:
        raise fatal(program, b"file delivery %s not supported" % item.text)
    found = names.listed_address(item.tokens)
    if b"\0" in found:
        raise fatal(program, b"NUL not permitted in recipient addresses")
    return found


def list_file(program: bytes, item: Item) -> bytes:
    """Name the compiled form of an included list."""
    path = item.text if item.text.startswith((b"/", b".")) else b"./" + item.text
    if not item.text:
        raise fatal(program, b"empty :include: filenames not permitted")
    if b"\0" in path:
        raise fatal(program, b"NUL not permitted in :include: filenames")
    return path + b".bin"
