"""How a small program ends: with an exit code, and perhaps one line on standard error.

A program's own function raises an Ending from wherever it finds that it cannot go on; ``run`` turns it into the
line and the exit code. So every way out of a program can be tested without a process.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    #: what a program prints, piece by piece, and at the end its exit code
    Printing = Generator[bytes, None, int]

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


#: pieces are gathered until they are so long
_WRITE_FROM = 8192


def run_printing(work: Callable[[list[bytes]], Printing], manual: str | None) -> int:
    """Print what the program's own function makes of the command line; give its exit code.

    What is printed may be of any length: little of it is held at a time. Where nobody reads it any more, or the
    disk it goes to is full, the program ends with exit code 111.
    """
    if helped(manual):
        return 0
    try:
        return _print_all(work([os.fsencode(word) for word in sys.argv]))
    except Ending as ending:
        say(ending.line, ending.newline)
        return ending.code


def _print_all(pieces: Printing) -> int:
    """Write all pieces; an Ending comes after what was there before it."""
    held = bytearray()
    try:
        while True:
            held += next(pieces)
            if len(held) >= _WRITE_FROM:
                _write(held)
    except StopIteration as end:
        code: int = end.value
    except Ending:
        _write(held)
        raise
    _write(held)
    return code


def _write(held: bytearray) -> None:
    """Write what is held to standard output, and hold nothing any more."""
    try:
        while held:
            del held[: os.write(1, held)]
    except OSError:
        raise Ending(LATER) from None


def helped(manual: str | None) -> bool:
    """Begin a program: see to its three descriptors, and print the manual page if that is all that was asked for;
    was it?
    """
    occupy()
    if sys.argv[1:] != ["--help"]:
        return False
    page = (manual or "").strip().encode() + b"\n"
    try:
        while page:
            page = page[os.write(1, page) :]
    except OSError:
        raise SystemExit(LATER) from None
    return True


def occupy() -> None:
    """Open the descriptors 0, 1 and 2 that are closed, lest the next file that we open become our input or output.

    To read or write there is an error still, EBADF, as if they were closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)


def say(line: bytes, newline: bytes = b"\n") -> None:
    """Write one line to standard error; an empty one is not written."""
    if line:
        try:
            os.write(2, line + newline)
        except OSError:
            pass
