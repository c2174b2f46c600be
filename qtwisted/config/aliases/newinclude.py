"""newinclude - compile an :include: file

SYNOPSIS
========

::

    newinclude list

DESCRIPTION
===========

newinclude compiles a mailing list in sendmail's language into list.bin, for fastforward, by way of list.tmp. If
anything is wrong the old list.bin stays in use. Addresses are separated by commas or line ends; lines that begin
with ``#`` do not count. Another list can be included, which must be compiled as well; programs and files cannot.

EXIT CODES
==========

0 when the list is compiled; 100 for a wrong command line; 111 otherwise.

FILES
=====

control/me, defaultdomain, defaulthost, plusdomain

SEE ALSO
========

newaliases(1), setmaillist(1), printmaillist(1), fastforward(1)
"""

from __future__ import annotations

from io import BytesIO

from qtwisted.config.aliases import sources, writing
from qtwisted.model.sendmail_list import INCLUDE, PROGRAM
from qtwisted.system.ending import fatal, run, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.model.rewriting import Rewriting
    from qtwisted.model.sendmail_list import Item

NAME = b"newinclude"


def compiled(text: bytes, names: Rewriting) -> Iterator[bytes]:
    """Compile the text of an include file.

    Unlike 1.02: a list included by a list is named with its ``.bin``, as everywhere else; fastforward 0.51 was
    told to read the source instead, and lost the list without a word.
    """
    for line in BytesIO(text):
        if line.startswith(b"#"):
            continue
        for item in sources.parsed(NAME, line):
            command = _command(item, names)
            if command:
                yield command + b"\0"


def _command(item: Item, names: Rewriting) -> bytes:
    """Compile one recipient; an empty address is none. What setmaillist could not read back is refused."""
    if item.kind == INCLUDE:
        path = sources.list_file(NAME, item)
        if b"\n" in path:
            raise fatal(NAME, b"newlines not permitted in :include: filenames")
        return path
    if item.kind == PROGRAM:
        raise fatal(NAME, b"program delivery |%s not supported" % item.text)
    found = sources.address(NAME, item, names)
    if b"\n" in found:
        raise fatal(NAME, b"newlines not permitted in recipient addresses")
    if found.endswith((b" ", b"\t")):
        raise fatal(NAME, b"spaces and tabs not permitted at ends of addresses")
    return found and b"&" + found


def newinclude(argv: list[bytes]) -> int:
    """Compile the list."""
    if len(argv) != 2:
        raise usage(NAME, b"newinclude list")
    names = sources.rewriting(NAME)
    data = b"".join(compiled(sources.read(NAME, argv[1]), names))
    writing.put(NAME, argv[1] + b".bin", argv[1] + b".tmp", data)
    return 0


def main() -> int:
    """Run the program."""
    return run(newinclude, __doc__)
