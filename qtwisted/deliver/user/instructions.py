"""The lines of a .qmail file, taken apart: what to deliver to, in which order (qmail-local.c main, dot-qmail.5).

Rules this file keeps:

* The text is cut at line feeds; spaces and tabs at the end of a line do not count, a carriage return does.
* The first byte of a line says what it is. Blank lines and comments say nothing, but the very first line must not
  be blank: that is how an accidentally emptied file is noticed.
* A NUL ends what is delivered to, as it ends a string in C; whether a path is a Maildir is judged by the whole line.

Nothing here knows whether a line may be obeyed: that needs the x bit, and the lines before it.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MBOX = "mbox"
MAILDIR = "maildir"
PROGRAM = "program"
FORWARD = "forward"
FORWARDS_ONLY = "+list"
"""From here on only forwards are allowed."""


class BlankFirstLine(Exception):
    """The first line of the instructions is blank."""


class Instruction(NamedTuple):
    """One thing to do: its kind, and the path, the command or the address."""

    kind: str
    text: bytes


def instructions(text: bytes) -> Iterator[Instruction]:
    """The instructions in a .qmail file's text, in order; raises BlankFirstLine when the first line is reached."""
    return (instruction for _, instruction in numbered(text))


def numbered(text: bytes) -> Iterator[tuple[int, Instruction]]:
    """The same with the number of each line."""
    for number, line in enumerate(text.removesuffix(b"\n").split(b"\n"), 1):
        stripped = line.rstrip(b" \t")
        if stripped[:1] in (b"", b"\0"):
            if number == 1:
                raise BlankFirstLine
            continue
        instruction = _instruction(stripped)
        if instruction is not None:
            yield number, instruction


def _instruction(line: bytes) -> Instruction | None:
    """What a line that is not blank says; None for a comment and for a + that is not ``+list``."""
    first, said = line[:1], line.partition(b"\0")[0]
    if first == b"#":
        return None
    if first in (b".", b"/"):
        return Instruction(MAILDIR if line.endswith(b"/") else MBOX, said)
    if first == b"|":
        return Instruction(PROGRAM, said[1:])
    if first == b"+":
        return Instruction(FORWARDS_ONLY, b"") if said == b"+list" else None
    if first == b"&":
        return Instruction(FORWARD, said[1:])
    return Instruction(FORWARD, said)
