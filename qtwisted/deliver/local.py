"""qmail-local -- deliver or forward one message to one local recipient, as the user

Synopsis::

    qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty

Description: reads a message, which must be seekable, from descriptor 0 and delivers it to *local*\\ @\\ *domain*, an
address under the control of *user*, whose home is *homedir*. The instructions are in the file
``.qmail``\\ *dash*\\ *ext* in the home, or in the default file for it; if that is empty, or missing while *dash* is
empty, they are *aliasempty*. *sender* is the envelope sender.

With ``-n`` nothing is delivered; what would be done is described. ``-N``, which is the default, takes ``-n`` back.

The last lines printed are ``did F+G+P``, with the number of file deliveries, forwards and programs, and, if anything
was forwarded, ``qp N`` with the number the queue gave the copy.

qmail-lspawn does the same in its own children, through ``qtwisted.deliver.user.delivery``, without starting this
program.

Exit codes: 0 delivered, 100 failed for good, 111 failed for now; the reason is on standard error.

Files: ``~/.qmail*``; ``conf/conf-patrn`` in qmail's home (mode bits that homes and .qmail files must not have).

See also: dot-qmail(5), qmail-lspawn(8).
"""

from __future__ import annotations

import os
import sys

from qtwisted.deliver.user.delivery import Settings, deliver, describe
from qtwisted.deliver.user.message import Message
from qtwisted.deliver.user.outcome import REFUSED
from qtwisted.deliver.user.output import Printed
from qtwisted.deliver.user.request import Request
from qtwisted.model.options import OptionError, getopt
from qtwisted.system import ending

MESSAGE = 0
"""The descriptor the message is on."""

_NAME = b"qmail-local"
_SYNOPSIS = b"qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty"
_ARGUMENTS = 8


def run(argv: list[bytes]) -> int:
    """Deliver what is on descriptor 0 as the arguments say, or describe how; gives the exit code."""
    from qtwisted.config.conf import home_dir, load
    from qtwisted.config.control import ControlError

    request, only_describe = _read(argv[1:])
    os.umask(0o077)
    home = os.path.abspath(home_dir(os.environ))
    try:
        settings = Settings(home, load(home).patrn, os.environ)
    except ControlError as error:
        raise ending.fatal(_NAME, str(error).encode()) from error
    settings.path = os.environb.get(b"PATH", settings.path)
    if only_describe:
        return describe(request, settings, Printed())
    return deliver(request, Message(MESSAGE), settings, Printed())


def _read(words: list[bytes]) -> tuple[Request, bool]:
    """What the command line asks for, and whether only to be told about."""
    wrong = ending.usage(_NAME, _SYNOPSIS)
    try:
        options, arguments = getopt([_NAME, *words], b"nN")
    except OptionError as error:
        raise ending.Ending(REFUSED, error.text + wrong.line) from error
    if len(arguments) != _ARGUMENTS or not arguments[1].startswith(b"/"):
        raise wrong
    return Request(*arguments), options[-1:] == [(b"n", b"")]


def main() -> int:
    """Run the program."""
    return ending.run(run, __doc__)


if __name__ == "__main__":
    sys.exit(main())
