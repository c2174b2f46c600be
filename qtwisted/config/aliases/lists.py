"""The compiled form of a mailing list: commands, each with a zero byte after it.

A command is ``&address``, or ``./list`` or ``/list`` for another compiled list.
"""

from __future__ import annotations

from qtwisted.config.aliases.instructions import ADDRESS_MAX, TableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def compiled(text: bytes) -> bytes:
    """Compile a list, one recipient a line; raise TableError where that cannot be."""
    if b"\0" in text:
        raise TableError("NUL in input")
    commands = []
    for line in text.split(b"\n"):
        line = line.rstrip(b" \t")
        if not line or line.startswith(b"#"):
            continue
        if len(line) > ADDRESS_MAX:
            raise TableError("addresses must be under 800 bytes")
        commands.append((b"" if line.startswith((b".", b"/", b"&")) else b"&") + line + b"\0")
    return b"".join(commands)


def shown(data: bytes) -> Iterator[bytes]:
    """Write a compiled list line by line; raise TableError where it is none, after the lines before that."""
    *commands, rest = data.split(b"\0")
    for each in commands:
        if not each.startswith((b"&", b".", b"/")):
            raise TableError("bad mailing list format")
        yield each + b"\n"
    if rest:
        raise TableError("bad mailing list format")
