"""fastforward - forward mail according to a compiled table, from a .qmail line

SYNOPSIS
========

In ``.qmail-default``::

    |fastforward [ -nNpPdD ] cdb

DESCRIPTION
===========

fastforward looks the recipient up in a table made by newaliases or setforward, and forwards the message, runs the
programs or goes through the lists that are named there. For ``user@host`` it tries that address, then ``@host``,
then ``user@``. Recipients found in the table are looked up again, as they are; a loop does no harm.

-n  Print what would be done, on standard error, and do nothing.
-N  Do it (the default).
-p  Pass through: an unknown recipient is left to the lines after this one, and a known one skips them.
-P  Do not pass through (the default): an unknown recipient bounces.
-d  The recipient is $DEFAULT@$HOST, or $EXT@$HOST where $DEFAULT is not set.
-D  The recipient is $RECIPIENT (the default).

A table may send bounces to an owner; a recipient that is in the table with an owner of its own gets the message
by name, so that its own owner is told.

EXIT CODES
==========

0 when the message was dealt with, 99 then with -p; 100 when the recipient is unknown, when a program refuses the
message, and for a wrong command line; 111 when it should be tried again.

SEE ALSO
========

newaliases(1), setforward(1), setmaillist(1), dot-qmail(5)
"""

from __future__ import annotations

import os
import stat

from qtwisted.config.cdb import CdbError, Reader
from qtwisted.dotqmail import delivery, shell
from qtwisted.model.envelope import Envelope
from qtwisted.model.options import OptionError, getopt
from qtwisted.system.ending import LATER, NEVER, Ending, fatal, run, say, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = b"fastforward"

_NOBODY = b"Sorry, no mailbox here by that name. (#5.1.1)"
_SHOWN = bytes(byte if 32 <= byte < 127 else ord("_") for byte in range(256))
_SYNOPSIS = b"fastforward [ -nNpP ] data.cdb"


class Expansion:
    """What a table makes of one recipient: addresses to forward to, and programs run on the way."""

    def __init__(self, table: Reader, is_dry: bool) -> None:
        """Read from an open table; a dry expansion only says what would be run."""
        self._table = table
        self._is_dry = is_dry
        self._seen: set[bytes] = set()
        self._waiting: list[bytes] = []
        #: whom the message is forwarded to, in order
        self.addresses: list[bytes] = []
        #: who gets the bounces, if the table says so
        self.owner: bytes | None = None

    def incoming(self, recipient: bytes) -> bool:
        """Expand the recipient of the message; is it in the table?"""
        local, at, host = recipient.rpartition(b"@")
        if not at:
            local, host = recipient, b""
        targets = (recipient, b"@" + host, local + b"@")
        commands = self._first(b":", targets)
        if commands is None:
            return False
        self.owner = self._first(b"?", targets)
        self._obey(commands)
        self._expand()
        return True

    def _first(self, mark: bytes, targets: Iterable[bytes]) -> bytes | None:
        """Look several targets up; give what is found first."""
        return next(filter(lambda found: found is not None, (self._get(mark, target) for target in targets)), None)

    def _expand(self) -> None:
        """Go through the addresses and lists that wait, the last one first, until none is left."""
        while self._waiting:
            command = self._waiting.pop()
            if command in self._seen:
                continue
            self._seen.add(command)
            if command.startswith(b"&"):
                self._address(command[1:])
            else:
                self._wait_for(read_list(command))
        self.addresses.reverse()

    def _address(self, address: bytes) -> None:
        """Expand an address that is in the table and has no owner of its own; forward to any other."""
        commands = None if self._get(b"?", address) is not None else self._get(b":", address)
        if commands is None:
            self.addresses.append(address)
        else:
            self._obey(commands)

    def _obey(self, commands: bytes) -> None:
        """Do what the commands of a target say: run programs, and note where to go on afterwards."""
        for command in commands.split(b"\0")[:-1]:
            if command.startswith((b"|", b"!")):
                self._program(command)
        self._wait_for(commands)

    def _wait_for(self, commands: bytes) -> None:
        """Note addresses and lists. All that a list can name is these: its owner must not run programs as us."""
        self._waiting += [command for command in commands.split(b"\0")[:-1] if command.startswith((b"&", b".", b"/"))]

    def _program(self, command: bytes) -> None:
        """Run a program on the message."""
        if self._is_dry:
            _print(b"run " + command)
        else:
            shell.run_program(NAME, command[1:], with_lines=command.startswith(b"!"))

    def _get(self, mark: bytes, target: bytes) -> bytes | None:
        """Look a target up."""
        return self._table.get(mark + target.lower())


def read_list(path: bytes) -> bytes:
    """Read a compiled list, which everybody must be allowed to read: the table may name the file of any user."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            if not os.fstat(fd).st_mode & stat.S_IROTH:
                raise fatal(NAME, path + b" is not world-readable")
            return file.read()
    except OSError as error:
        raise fatal(NAME, b"unable to read %s: %s" % (path, delivery.why(error))) from error


def recipient_of(use_default: bool) -> bytes:
    """Say which recipient is looked up."""
    given = os.environb.get
    if not use_default:
        recipient = given(b"RECIPIENT")
        if recipient is None:
            raise fatal(NAME, b"$RECIPIENT must be set", NEVER)
        return recipient
    local = given(b"DEFAULT", given(b"EXT"))
    if local is None:
        raise fatal(NAME, b"$DEFAULT or $EXT must be set", NEVER)
    host = given(b"HOST")
    if host is None:
        raise fatal(NAME, b"$HOST must be set", NEVER)
    return local + b"@" + host


def sender_of(owner: bytes | None) -> bytes | None:
    """Say who gets the bounces: the owner, unless the message is a bounce itself; None where nobody is known.

    Unlike 1.02: without $SENDER the message is forwarded with an empty sender; fastforward 0.51 wrote the words
    "original envelope sender" into its envelope.
    """
    sender = os.environb.get(b"SENDER")
    return sender if owner is None or sender in (b"", b"#@[]") else owner


def fastforward(argv: list[bytes]) -> int:
    """Deal with the message."""
    try:
        options, words = getopt(argv, b"nNpPdD")
    except OptionError as error:
        say(error.text.rstrip(b"\n"))
        raise usage(NAME, _SYNOPSIS) from error
    if not words:
        raise usage(NAME, _SYNOPSIS)
    chosen = {letter.lower(): letter.islower() for letter, _ in options}
    is_dry, passes = chosen.get(b"n", False), chosen.get(b"p", False)
    try:
        with Reader.open(os.fsdecode(words[0])) as table:
            expansion = Expansion(table, is_dry)
            is_known = expansion.incoming(recipient_of(chosen.get(b"d", False)))
    except OSError as error:
        raise fatal(NAME, b"unable to read %s: %s" % (words[0], delivery.why(error))) from error
    except CdbError as error:
        raise fatal(NAME, b"unable to read %s: %s" % (words[0], str(error).encode())) from error
    if not is_known:
        if passes:
            return delivery.DONE
        raise Ending(NEVER, _NOBODY)
    (_show if is_dry else _forward)(expansion)
    return delivery.SKIP_THE_REST if passes else delivery.DONE


def _print(line: bytes) -> None:
    """Write a line of a dry run, fit for any terminal."""
    say(line.translate(_SHOWN))


def _show(expansion: Expansion) -> None:
    """Print where the message would go."""
    if not expansion.addresses:
        _print(b"no forwarding")
        return
    sender = sender_of(expansion.owner)
    _print(b"from <%s>" % (b"original envelope sender" if sender is None else sender))
    for address in expansion.addresses:
        _print(b"to <%s>" % address)


def _forward(expansion: Expansion) -> None:
    """Send the message to all addresses at once."""
    if not expansion.addresses:
        return
    delivery.rewind()
    sender = sender_of(expansion.owner) or b""
    mark = os.environb.get(b"DTLINE", b"")
    result = delivery.submit(Envelope(sender, tuple(expansion.addresses)), delivery.marked(NAME, mark))
    if not result.ok:
        raise fatal(NAME, result.problem[1:], NEVER if result.is_permanent else LATER)
    say(b"%s: qp %d" % (NAME, result.qp))


def main() -> int:
    """Run the program."""
    return run(fastforward, __doc__)
