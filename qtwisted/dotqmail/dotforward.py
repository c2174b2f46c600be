"""dot-forward - obey a .forward file, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |dot-forward [ -nN ] file ...

DESCRIPTION
===========

dot-forward forwards the message as the first of the files says that exists and has anything in it, in sendmail's
language: addresses, and programs as ``"|command"``. The user's own name, or name@host, means that the message is also
delivered as the lines after this one say. Lists (``:include:``) and files are not supported.

-n  Print what would be done, on standard error, and do nothing.
-N  Do it (the default).

EXIT CODES
==========

99 when a file was obeyed, so that the lines after this one are skipped; 0 when there was none, or it names the user
himself; 100 when a program refuses the message, and for a wrong command line; 111 when it should be tried again.

FILES
=====

control/me, defaultdomain, defaulthost, plusdomain

SEE ALSO
========

dot-qmail(5), fastforward(1)
"""

from __future__ import annotations

import os
from io import BytesIO

from qtwisted.config import fields
from qtwisted.config.conf import home_dir
from qtwisted.config.control import Control, ControlError
from qtwisted.dotqmail import delivery, shell
from qtwisted.model.address_list import Unparsable
from qtwisted.model.envelope import Envelope
from qtwisted.model.options import OptionError, getopt
from qtwisted.model.rewriting import Rewriting
from qtwisted.model.sendmail_list import ADDRESS, PROGRAM, Item, items
from qtwisted.system.ending import LATER, NEVER, fatal, run, say, usage

NAME = b"dot-forward"

_SYNOPSIS = b"dot-forward [ -nN ] file ..."


def recipients(text: bytes) -> list[Item]:
    """List what a file says, line by line and from right to left in each.

    Unlike 1.02: a line that makes no sense is found before anything is done. dot-forward 0.71 ran the programs of the
    lines before it at every try.
    """
    found: list[Item] = []
    for line in BytesIO(text):
        if line.startswith(b"#"):
            continue
        try:
            found += [item for item in items(line) if item.text or item.kind != ADDRESS]
        except Unparsable:
            raise fatal(NAME, b"unable to parse this line: " + line) from None
    return found


def first_used(files: list[bytes], is_dry: bool) -> list[Item] | None:
    """Read the first file that says anything; None where there is none."""
    for path in files:
        try:
            with open(path, "rb") as file:
                found = recipients(file.read())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise fatal(NAME, b"unable to read %s: %s" % (path, delivery.why(error))) from error
        if found:
            return found
        if is_dry:
            say(b"skipping empty file " + path)
    return None


def is_own(item: Item) -> bool:
    """Does a recipient mean the user himself?"""
    user = os.environb.get(b"USER", b"").lower()
    names = (user, user + b"@" + os.environb.get(b"HOST", b"").lower())
    return item.kind == ADDRESS and bool(user) and item.text.lower() in names


def obey(found: list[Item], is_dry: bool) -> bool:
    """Do what the file says; is the message also for the user himself?"""
    names = _names()
    addresses = []
    for item in found:
        if is_own(item):
            continue
        if item.kind == ADDRESS:
            addresses.append(names.listed_address(item.tokens))
            if is_dry:
                say(b"forward " + addresses[-1])
        elif item.kind != PROGRAM:
            # Unlike 1.02: this goes for every list; dot-forward 0.71 sent mail for ``:include:x`` to the addresses
            # include and x, where x did not begin with a slash.
            raise fatal(NAME, b"file delivery %s not supported" % item.text)
        elif is_dry:
            say(b"pipe through " + item.text)
        else:
            shell.run_program(NAME, item.text, with_lines=True)
    if addresses and not is_dry:
        _forward(addresses)
    return any(is_own(item) for item in found)


def _names() -> Rewriting:
    """Load the names that complete an address."""
    try:
        names = fields.inject(Control(home_dir(os.environ)), os.environb)
        return Rewriting(names.defaulthost, names.defaultdomain, names.plusdomain)
    except (ControlError, Unparsable) as error:
        raise fatal(NAME, b"unable to read controls: " + os.fsencode(str(error))) from error


def _forward(addresses: list[bytes]) -> None:
    """Send the message to all addresses at once."""
    delivery.rewind()
    given = os.environb.get
    envelope = Envelope(given(b"NEWSENDER", b""), tuple(addresses))
    result = delivery.submit(envelope, delivery.marked(NAME, given(b"DTLINE", b"")))
    if not result.ok:
        text = b"unable to forward message: " + result.problem[1:]
        raise fatal(NAME, text, NEVER if result.is_permanent else LATER)
    say(b"%s: info: qp %d" % (NAME, result.qp))


def dotforward(argv: list[bytes]) -> int:
    """Deal with the message."""
    try:
        options, files = getopt(argv, b"nN")
    except OptionError as error:
        say(error.text.rstrip(b"\n"))
        raise usage(NAME, _SYNOPSIS) from error
    is_dry = options[-1:] == [(b"n", b"")]
    found = first_used(files, is_dry)
    is_for_user = found is None or obey(found, is_dry)
    if is_for_user and is_dry:
        say(b"direct delivery")
    return delivery.DONE if is_for_user else delivery.SKIP_THE_REST


def main() -> int:
    """Run the program."""
    return run(dotforward, __doc__)
