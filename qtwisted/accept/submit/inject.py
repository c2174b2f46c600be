"""qmail-inject - complete a message and hand it to the queue

SYNOPSIS
========

| ``qmail-inject [-nNaAhH] [-f sender] [recipient ...]``

DESCRIPTION
===========

qmail-inject reads a message from standard input, completes its header and hands it to the queue. Addresses
without a host, or with a host that is not fully qualified, are completed everywhere in the header, Bcc and
Return-Path are taken out, and Date, Message-ID, From and Cc are added where they are missing. The body passes
unchanged.

-a  The recipients are the arguments.
-h  The recipients are those the header names: To, Cc, Bcc and Apparently-To, or, if there is any Resent-
    field, Resent-To, Resent-Cc and Resent-Bcc.
-A  As -a if there are arguments, else as -h. This is the default.
-H  The recipients are the arguments, and those the header names.
-n  Print the message on standard output, with its sender in a Return-Path field, instead of queueing it.
-N  Queue the message. This is the default.
-f sender
    Use this envelope sender. It comes before Return-Path and all variables.

Later options override earlier ones. An argument is one bare address, without quotes, comments or names.

A parenthesis, quote or bracket without its partner, or a group that never began, makes an address field
unusable; then nothing is sent.

Unlike 1.02: a message with more than 4 MiB of header is refused (``header too long``), so that memory is bounded.

Unlike 1.02: CR and LF in generated fields become underscores, so that no variable can begin a field of its own.

Unlike 1.02: with -n it is an error if standard output cannot be written to (``write error``).

ENVIRONMENT
===========

QMAILUSER, MAILUSER, USER, LOGNAME
    User name in From; the first that is set counts, here and below. Without any it is ``anonymous``.
QMAILHOST, MAILHOST
    Host name in From; without any it is the default host.
QMAILNAME, MAILNAME, NAME
    Full name in From; without any there is no name.
QMAILSUSER, QMAILSHOST
    User and host of the envelope sender; without them those of From.
QMAILDEFAULTHOST, QMAILDEFAULTDOMAIN, QMAILPLUSDOMAIN, QMAILIDHOST
    Used instead of the control files of these names.
QMAILMFTFILE
    A file of mailing lists, one address a line. If To or Cc name one of them, a Mail-Followup-To field is
    added.
QMAILINJECT
    Letters. c: write From as ``address (name)``. f: make a new From. i: make a new Message-ID. s: ignore
    Return-Path. m: give each message a sender of its own. r: give each recipient a sender of its own (VERP).
QMAILQUEUE
    A program to run instead of handing the message to the queue.
QMAILHOME
    The home; /var/qmail without it.

EXIT CODES
==========

0
    The message is in the queue, or printed.
100
    It will never be: wrong usage, an address that cannot be parsed, or the queue refused it for good.
111
    It is not, but may be later.

FILES
=====

control/defaultdomain, control/defaulthost, control/idhost, control/me, control/plusdomain

SEE ALSO
========

qmail-queue(8), sendmail(8)
"""

from __future__ import annotations

import os
import sys
import time

from qtwisted.accept.submit.compose import Header
from qtwisted.accept.submit.home import go_home
from qtwisted.accept.submit.identity import Identity, one_line
from qtwisted.config import fields
from qtwisted.config.control import Control, ControlError
from qtwisted.model import address
from qtwisted.model.address_list import Unparsable
from qtwisted.model.envelope import Envelope
from qtwisted.model.header import HeaderReader, HeaderTooLong
from qtwisted.model.options import OptionError, getopt
from qtwisted.model.rewriting import Rewriting
from qtwisted.model.submission import Result
from qtwisted.system.ending import LATER, NEVER, Ending, fatal, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
    from typing import Protocol

    class Outlet(Protocol):
        """Where a finished message goes: the queue, or standard output."""

        def write(self, piece: bytes) -> None:
            """Take the next piece of the message."""

        def commit(self, envelope: Envelope) -> Result:
            """Take the envelope; from now on the message is in good hands, or the result says why not."""

        def abandon(self) -> None:
            """Forget the message."""


NAME = b"qmail-inject"

_PIECE = 65536


def main() -> int:
    """Run the program; the answer is the exit code."""
    return run(inject, __doc__)


def inject(argv: list[bytes]) -> int:
    """Hand in the message on descriptor 0."""
    try:
        injection = Injection(argv, os.environb, lambda: os.read(0, _PIECE), _queue)
        injection.run(int(time.time()), os.getpid())
    except MemoryError:
        raise fatal(NAME, b"out of memory") from None
    except KeyboardInterrupt:
        return LATER
    return 0


def _queue(home: str) -> Outlet:
    """Open a submission to the queue; what this takes is not even imported for -n."""
    from qtwisted.store.client import open_submission

    return open_submission(home, os.environ)


class Injection:
    """One run of the program: from arguments, variables and a message on its way in, to an outlet."""

    def __init__(
        self,
        argv: Sequence[bytes],
        environ: MutableMapping[bytes, bytes],
        read: Callable[[], bytes],
        queue: Callable[[str], Outlet],
    ) -> None:
        """Read all but the message; ``read`` gives the next piece of that, ``queue`` an outlet for a home."""
        self._read = read
        self._queue = queue
        self._identity = Identity(environ)
        self._lists = _followup_lists(environ.get(b"QMAILMFTFILE"))
        try:
            self._home = go_home(environ)
        except OSError:
            raise fatal(NAME, b"internal bug") from None
        self._rewriting, self._id_host = _names(Control(self._home), environ)
        self._header = Header(self._rewriting, self._identity, environ.get(b"QMAILINJECT", b""))
        self._prints = self._uses_header = False
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []
        self._take_arguments(argv)

    def run(self, started_at: int, pid: int) -> None:
        """Read the message and send it; raise Ending if that fails."""
        reader = self._read_header()
        try:
            for field in reader.fields():
                self._header.add(field)
            sender = self._sender_of_message(started_at, pid)
            head = self._header.generated(started_at, pid, self._id_host, self._lists)
        except Unparsable as unparsable:
            raise _cannot_parse(unparsable) from None
        if self._prints:
            head = b"Return-Path: <%s>\n%s" % (one_line(address.quote(sender)), head)
        if self._uses_header:
            self._recipients += self._header.recipients()
        self._send(head + self._header.kept(), reader.body, Envelope(sender, tuple(self._recipients)))

    # ---- before the message

    def _take_arguments(self, argv: Sequence[bytes]) -> None:
        """Obey the options in their order."""
        try:
            options, arguments = getopt(argv, b"aAhHnNf:")
        except OptionError as wrong:
            raise Ending(NEVER, wrong.text, b"") from None
        source = b"A"
        for letter, value in options:
            if letter == b"f":
                self._sender = self._sender_argument(value)
            elif letter in b"nN":
                self._prints = letter == b"n"
            else:
                source = letter
        self._uses_header = source in b"hH" or (source == b"A" and not arguments)
        if source != b"h":
            self._recipients += [self._recipient_argument(argument) for argument in arguments]

    def _sender_argument(self, bare: bytes) -> bytes:
        """Complete the sender given with -f."""
        try:
            return self._rewriting.envelope_address(bare)
        except Unparsable as unparsable:
            raise _cannot_parse(unparsable) from None

    def _recipient_argument(self, bare: bytes) -> bytes:
        """Complete a recipient given as an argument."""
        try:
            return self._rewriting.envelope_address(bare)
        except Unparsable:
            raise fatal(NAME, b"unable to parse address: " + bare, NEVER) from None

    # ---- the message

    def _read_header(self) -> HeaderReader:
        """Read as far as the header goes."""
        reader = HeaderReader()
        try:
            while not reader.ended:
                piece = self._read()
                if piece:
                    reader.received(piece)
                else:
                    reader.finished()
        except HeaderTooLong:
            raise fatal(NAME, b"header too long", NEVER) from None
        except OSError:
            raise fatal(NAME, b"read error") from None
        return reader

    def _sender_of_message(self, started_at: int, pid: int) -> bytes:
        """Choose the sender: the one from -f, else the one in the header, else the user."""
        sender = self._header.sender() if self._sender is None else self._sender
        return self._identity.sender(self._rewriting, started_at, pid) if sender is None else sender

    def _send(self, head: bytes, body: bytes, envelope: Envelope) -> None:
        """Pass the message on, piece by piece."""
        try:
            outlet = Printer() if self._prints else self._queue(self._home)
        except OSError:
            raise fatal(NAME, b"unable to run qmail-queue") from None
        try:
            outlet.write(head)
            for piece in self._rest_of_message(body):
                outlet.write(piece)
        except OSError:
            outlet.abandon()
            raise fatal(NAME, b"read error") from None
        result = outlet.commit(envelope)
        if not result.ok:
            raise fatal(NAME, result.problem[1:], NEVER if result.is_permanent else LATER)

    def _rest_of_message(self, piece: bytes) -> Iterator[bytes]:
        """Give the body, which begins with ``piece``; its last line gets an LF if it has none."""
        last = b"\n"
        while piece:
            yield piece
            last = piece[-1:]
            piece = self._read()
        if last != b"\n":
            yield b"\n"


class Printer:
    """Prints the message instead of queueing it."""

    def write(self, piece: bytes) -> None:
        """Print the next piece."""
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[os.write(1, rest) :]
        except OSError:
            raise fatal(NAME, b"write error") from None

    def commit(self, envelope: Envelope) -> Result:
        """Be content: the envelope is of no use here."""
        return Result(b"", 0)

    def abandon(self) -> None:
        """Leave what is printed."""


def _cannot_parse(unparsable: Unparsable) -> Ending:
    """Say which text is no address list; a field has its own newline, anything else has none."""
    return Ending(NEVER, NAME + b": fatal: unable to parse this line:\n" + unparsable.text, b"")


def _followup_lists(file: bytes | None) -> frozenset[bytes]:
    """Read the mailing lists of $QMAILMFTFILE, in small letters; a file that does not exist names none."""
    if file is None:
        return frozenset()
    try:
        with open(file, "rb") as lists:
            lines = [line.rstrip(b" \t\n") for line in lists]
    except FileNotFoundError:
        return frozenset()
    except OSError:
        raise fatal(NAME, b"read error") from None
    return frozenset(line.lower() for line in lines if line and not line.startswith(b"#"))


def _names(control: Control, environ: Mapping[bytes, bytes]) -> tuple[Rewriting, bytes]:
    """Find the names that complete addresses and Message-IDs, each on one line."""
    try:
        names = fields.inject(control, environ)
        return (
            Rewriting(one_line(names.defaulthost), one_line(names.defaultdomain), one_line(names.plusdomain)),
            one_line(names.idhost),
        )
    except ControlError:
        raise fatal(NAME, b"read error") from None
    except Unparsable as unparsable:
        raise _cannot_parse(unparsable) from None


if __name__ == "__main__":
    sys.exit(main())
