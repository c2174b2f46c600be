"""sendmail - hand in mail as programs written for sendmail do

SYNOPSIS
========

| ``sendmail [-t] [-fsender] [-Fname] [-bp] [-bs] [arg ...]``
| ``mailq``
| ``newaliases``

DESCRIPTION
===========

sendmail reads a message from standard input and hands it to qmail-inject, with the arguments as recipients.

-t         The recipients are the arguments, and those that To, Cc, Bcc and Apparently-To name.
-f sender  Use this envelope sender; the message also comes from him if it has no From field.
-F name    Use this full name in From.
-bs        Speak SMTP on standard input and output, by running qmail-smtpd. The client may relay.
-bp        Show the queue, by running qmail-qread.

For the sake of old callers ``-bm``, ``-v``, ``-i``, ``-m`` and ``-x`` are ignored; so are ``-B``, ``-p``, ``-e`` and
``-o`` with their values, and ``-E`` and ``-J`` with the rest of their word. ``-bs`` and ``-bp`` are obeyed as soon as
they are met.

Called as mailq the program shows the queue. Called as newaliases it refuses: aliases have a newaliases of their own.

Unlike 1.02: ``sendmail -f`` also sets $QMAILUSER and $QMAILHOST and takes away $QMAILNAME, $MAILNAME, $NAME and
$MAILHOST, as in netqmail, so that a From field that has to be made names the sender; -F still gives the full name.

Unlike 1.02: sendmail does not run HOME/bin/qmail-inject but does its work in the same process, because starting a
second interpreter would double the time.

ENVIRONMENT
===========

All variables of qmail-inject count. For ``-bs``, unless PROTO is set: RELAYCLIENT, DATABYTES, PROTO, TCPLOCALIP,
TCPLOCALHOST, TCPREMOTEIP, TCPREMOTEHOST and TCPREMOTEINFO are set so that qmail-smtpd sees a client on this host.

EXIT CODES
==========

100
    Wrong usage.
111
    The home cannot be entered, or the other program cannot be run.

Otherwise the exit code is that of qmail-inject, qmail-smtpd or qmail-qread.

FILES
=====

bin/qmail-qread, bin/qmail-smtpd

SEE ALSO
========

qmail-inject(8), qmail-qread(8), qmail-smtpd(8)
"""

from __future__ import annotations

import os
import sys

from qtwisted.accept.submit.home import go_home
from qtwisted.model.address import split
from qtwisted.model.options import OptionError, getopt
from qtwisted.system.ending import NEVER, Ending, fatal, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from typing import NoReturn

INJECT = b"bin/qmail-inject"
SMTPD = b"bin/qmail-smtpd"
QREAD = b"bin/qmail-qread"

NAME = b"sendmail"

_SYNOPSIS = b"sendmail: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]"
_LETTERS = b"vimte:f:p:o:B:F:E::J::xb:"
_FOR_SMTPD = {
    b"RELAYCLIENT": b"",
    b"DATABYTES": b"0",
    b"PROTO": b"TCP",
    b"TCPLOCALIP": b"127.0.0.1",
    b"TCPLOCALHOST": b"localhost",
    b"TCPREMOTEIP": b"127.0.0.1",
    b"TCPREMOTEHOST": b"localhost",
    b"TCPREMOTEINFO": b"sendmail-bs",
}


def main() -> int:
    """Run the program; the answer is the exit code."""
    return run(sendmail, __doc__)


def sendmail(argv: list[bytes]) -> int:
    """Hand the work to the program that does it."""
    try:
        go_home(os.environb)
    except OSError:
        raise fatal(NAME, b"unable to switch to qmail home directory") from None
    command = translate(argv, os.environb)
    if command[0] != INJECT:
        _become(command)
    from qtwisted.accept.submit.inject import inject

    return inject(command)


def translate(argv: Sequence[bytes], environ: MutableMapping[bytes, bytes]) -> list[bytes]:
    """Say which program is to be run, with its arguments, and set the variables it needs."""
    program = argv[0].rpartition(b"/")[2] if argv else b""
    fault = b""
    arguments: list[bytes] = []
    try:
        options, arguments = getopt(argv, _LETTERS)
    except OptionError as wrong:
        options, fault = wrong.found, wrong.text
    other = _other_program(options, environ)
    if other:
        return other
    if fault:
        raise Ending(NEVER, fault + _SYNOPSIS)
    if program == b"mailq":
        return [QREAD]
    if program == b"newaliases":
        raise fatal(NAME, b"please use fastforward/newaliases instead", NEVER)
    values = dict(options)
    sender, name = values.get(b"f"), values.get(b"F")
    if sender is not None:
        _be_sender(sender, environ)
    if name is not None:
        environ[b"MAILNAME"] = name
    command = [INJECT, b"-H" if b"t" in values else b"-a"]
    if sender is not None:
        command += [b"-f", sender]
    return [*command, b"--", *arguments]


def _other_program(
    options: Sequence[tuple[bytes, bytes]], environ: MutableMapping[bytes, bytes]
) -> list[bytes]:
    """Find the first ``-b`` that asks for another program, or for nothing we know."""
    for letter, value in options:
        if letter != b"b" or value.startswith(b"m"):
            continue
        if value.startswith(b"s"):
            if b"PROTO" not in environ:
                environ.update(_FOR_SMTPD)
            return [SMTPD]
        if value.startswith(b"p"):
            return [QREAD]
        raise Ending(NEVER, _SYNOPSIS)
    return []


def _be_sender(sender: bytes, environ: MutableMapping[bytes, bytes]) -> None:
    """Let the message come from the sender (sendmail.c of netqmail)."""
    for variable in (b"QMAILNAME", b"MAILNAME", b"NAME", b"QMAILHOST", b"MAILHOST"):
        environ.pop(variable, None)
    user, host = split(sender)
    environ[b"QMAILUSER"] = user
    if host is not None:
        environ[b"QMAILHOST"] = host


def _become(command: list[bytes]) -> NoReturn:
    """Turn into another program of the home."""
    try:
        os.execv(command[0], command)
    except OSError:
        name = command[0].rpartition(b"/")[2]
        raise fatal(NAME, b"unable to run " + name) from None


if __name__ == "__main__":
    sys.exit(main())
