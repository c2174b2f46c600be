"""Reads a command line as qmail's programs do.

Options come first and may be combined (``-abc``); a word that begins with ``--`` ends them, and a lone ``-`` is an
argument. The value of an option stands in the same word (``-fX``) or in the next (``-f X``).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class OptionError(Exception):
    """The command line is wrong.

    ``text`` is the line to print on standard error, newline included; ``found`` are the options before the fault.
    """

    def __init__(self, program: bytes, why: bytes, letter: bytes, found: list[tuple[bytes, bytes]]) -> None:
        """Put the line together as sgetopt.c does."""
        self.text = b"%s: %s -- %s\n" % (program, why, letter)
        self.found = found
        super().__init__(self.text)


def getopt(argv: Sequence[bytes], letters: bytes) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """Part ``argv``, program name first, into options (a letter and its value) and remaining arguments.

    ``letters`` lists the options; a colon after a letter says that it takes a value, two colons that its value
    is what is left of the same word, if anything is.
    """
    program = argv[0].rpartition(b"/")[2] if argv else b""
    found: list[tuple[bytes, bytes]] = []
    at = 1
    while at < len(argv) and argv[at][:1] == b"-" and argv[at] != b"-":
        word = argv[at][1:]
        at += 1
        if word.startswith(b"-"):
            break
        while word:
            letter, word = word[:1], word[1:]
            place = -1 if letter == b":" else letters.find(letter)
            if place < 0:
                raise OptionError(program, b"illegal option", letter, found)
            if letters[place + 1 : place + 2] != b":":
                found.append((letter, b""))
                continue
            if not word and letters[place + 2 : place + 3] != b":":
                if at >= len(argv):
                    raise OptionError(program, b"option requires an argument", letter, found)
                word = argv[at]
                at += 1
            found.append((letter, word))
            break
    return found, list(argv[at:])
