"""Lets a mail program that knows mbox files only read a Maildir: elq, pinq and qail."""

from __future__ import annotations

import os

from qtwisted.mailbox.maildir2mbox import maildir2mbox
from qtwisted.model import oserrors
from qtwisted.system.ending import fatal, run


def read_with(manual: str | None, name: bytes, program: bytes) -> int:
    """Move the mail to the mbox and become the mail program; give an exit code where that fails."""

    def become(argv: list[bytes]) -> int:
        """Move the mail, then run the program in our place."""
        code = maildir2mbox(argv)
        if code:
            return code
        try:
            os.execvp(program, [program, *argv[1:]])
        except OSError as error:
            text = oserrors.text(error.errno or 0).encode()
            raise fatal(name, b"unable to run %s: %s" % (program, text)) from error

    return run(become, manual)
