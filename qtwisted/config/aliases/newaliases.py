"""newaliases - compile /etc/aliases

SYNOPSIS
========

::

    newaliases

DESCRIPTION
===========

newaliases compiles the forwarding table /etc/aliases, which is in sendmail's language, for fastforward. If anything
is wrong the old /etc/aliases.cdb stays in use. An entry is a name, usually a colon, and recipients; lines that
begin with a blank continue it, and ``#`` begins a comment::

    root: alice, bill@example.org
    staff: :include:/etc/staff, "|archive staff"
    owner-staff: alice

A name without ``@`` means that user at any host; ``@host`` means everybody there. When owner-X is a name, bounces of
mail for X go to it. A list that is included must be compiled with newinclude. Deliveries to files are not supported.

EXIT CODES
==========

0 when the table is compiled; 100 when an address in it is too long; 111 otherwise.

FILES
=====

/etc/aliases, /etc/aliases.tmp, /etc/aliases.cdb; and in control: me, defaultdomain, defaulthost, plusdomain

SEE ALSO
========

fastforward(1), newinclude(1), printforward(1), setforward(1)
"""

from __future__ import annotations

from qtwisted.config import cdb
from qtwisted.config.aliases import instructions, sources, writing
from qtwisted.model.address_list import AT
from qtwisted.model.sendmail_list import INCLUDE, PROGRAM
from qtwisted.system.ending import NEVER, fatal, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.model.rewriting import Rewriting
    from qtwisted.model.sendmail_list import Item

NAME = b"newaliases"
SOURCE, SCRATCH, TARGET = b"/etc/aliases", b"/etc/aliases.tmp", b"/etc/aliases.cdb"

_OWNER = b"owner-"


def compiled(text: bytes, names: Rewriting) -> Iterator[tuple[bytes, bytes]]:
    """Compile the text of an aliases file."""
    for entry in sources.entries(text):
        yield from _entry(entry, names)


def _entry(entry: bytes, names: Rewriting) -> Iterator[tuple[bytes, bytes]]:
    """Compile one entry: the leftmost address is its name, everything else a recipient."""
    target: Item | None = None
    commands = []
    items = sources.parsed(NAME, entry)
    for item in items:
        if item.kind in (INCLUDE, PROGRAM):
            commands.append(_command(item))
            continue
        if not sources.address(NAME, item, names):
            raise fatal(NAME, b"empty recipient addresses not permitted")
        if target is not None:
            commands.append(_recipient(target, names))
        target = item
    if not items:
        return
    if target is None or not commands:
        raise sources.unparsable(NAME, entry)
    name = target.text if AT in target.tokens else target.text + b"@"
    if name.startswith(_OWNER):
        yield b"?" + name[len(_OWNER) :].lower(), sources.address(NAME, target, names)
    yield from instructions.records(name, commands)


def _recipient(item: Item, names: Rewriting) -> bytes:
    """Write an address as a command; one that ends in ``@`` is at the default host."""
    host = names.default_host if item.tokens[-1] == AT else b""
    return instructions.forwarding(item.text + host if host else sources.address(NAME, item, names))


def _command(item: Item) -> bytes:
    """Write an included list or a program as a command."""
    if item.kind == INCLUDE:
        return sources.list_file(NAME, item)
    if b"\0" in item.text:
        raise fatal(NAME, b"NUL not permitted in program names")
    return b"!" + item.text


def newaliases(argv: list[bytes]) -> int:
    """Compile /etc/aliases."""
    names = sources.rewriting(NAME)
    text = sources.read(NAME, SOURCE)
    try:
        data = cdb.make(compiled(text, names))
    except instructions.TableError as error:
        raise fatal(NAME, str(error).encode(), NEVER) from error
    writing.put(NAME, TARGET, SCRATCH, data)
    return 0


def main() -> int:
    """Run the program."""
    return run(newaliases, __doc__)
