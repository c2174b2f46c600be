"""How a small program ends: with an exit code, and perhaps one line on standard error.

A program's own function raises an Ending from wherever it finds that it cannot go on; ``run`` turns it into the
line and the exit code. So every way out of a program can be tested without a process.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: the two exit codes most programs have for failure: never (wrong use, bad input), and later (trouble that may pass)
NEVER = 100
LATER = 111


class Ending(Exception):
    """The program ends here."""

    def __init__(self, code: int, line: bytes = b"", newline: bytes = b"\n") -> None:
        """Take the exit code and the line without its newline, which a few programs leave out."""
        super().__init__(code)
        self.code = code
        self.line = line
        self.newline = newline


def fatal(program: bytes, text: bytes, code: int = LATER) -> Ending:
    """Make the ending of a program that cannot go on."""
    return Ending(code, program + b": fatal: " + text)


def usage(program: bytes, synopsis: bytes) -> Ending:
    """Make the ending of a program that was called wrongly."""
    return Ending(NEVER, b"%s: usage: %s" % (program, synopsis))


def run(work: Callable[[list[bytes]], int], manual: str | None) -> int:
    """Call the program's own function with the command line; give its exit code, and say why it ended.

    The only argument ``--help`` prints the manual page instead.
    """
    argv = [os.fsencode(word) for word in sys.argv]
    if helped(manual):
        return 0
    try:
        return work(argv)
    except Ending as ending:
        say(ending.line, ending.newline)
        return ending.code


def helped(manual: str | None) -> bool:
    """Print the manual page if that is all that was asked for; was it?"""
    if sys.argv[1:] != ["--help"]:
        return False
    print((manual or "").strip())
    return True


def say(line: bytes, newline: bytes = b"\n") -> None:
    """Write one line to standard error; an empty one is not written."""
    if line:
        try:
            os.write(2, line + newline)
        except OSError:
            pass
