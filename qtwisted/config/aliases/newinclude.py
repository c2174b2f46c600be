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

from qtwisted.config.aliases import instructions, sources, writing
from qtwisted.model.sendmail_list import INCLUDE, PROGRAM
from qtwisted.system.ending import fatal, run, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.model.rewriting import Rewriting

NAME = b"newinclude"


def compiled(text: bytes, names: Rewriting) -> Iterator[bytes]:
    """Compile the text of an include file.

    Unlike 1.02: a list included by a list is named with its ``.bin``, as everywhere else; fastforward 0.51 was
    told to read the source instead, and lost the list without a word.
    """
    for line in text.split(b"\n"):
        if line.startswith(b"#"):
            continue
        for item in sources.parsed(NAME, line):
            if item.kind == INCLUDE:
                yield sources.list_file(item) + b"\0"
            elif item.kind == PROGRAM:
                raise fatal(NAME, b"program delivery |%s not supported" % item.text)
            else:
                yield instructions.command(b"&" + sources.address(NAME, item, names)) + b"\0"


def newinclude(argv: list[bytes]) -> int:
    """Compile the list."""
    if len(argv) != 2:
        raise usage(NAME, b"newinclude list")
    names = sources.rewriting(NAME)
    try:
        data = b"".join(compiled(sources.read(NAME, argv[1]), names))
    except instructions.TableError as error:
        raise fatal(NAME, str(error).encode()) from error
    writing.put(NAME, argv[1] + b".bin", argv[1] + b".tmp", data)
    return 0


def main() -> int:
    """Run the program."""
    return run(newinclude, __doc__)
