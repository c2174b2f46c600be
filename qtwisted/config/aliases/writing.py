"""How the alias programs write and print: a new file put in place of the old one, and words for what goes wrong."""

from __future__ import annotations

import sys

from qtwisted.config.aliases.instructions import TableError
from qtwisted.config.replace import ReplaceError, replace
from qtwisted.model import oserrors
from qtwisted.system.ending import NEVER, fatal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def put(program: bytes, path: bytes, scratch: bytes, data: bytes) -> None:
    """Write ``scratch`` and give it the name ``path``; end the program where that fails."""
    try:
        replace(scratch.decode("utf-8", "surrogateescape"), path.decode("utf-8", "surrogateescape"), data)
    except ReplaceError as error:
        words = {
            ReplaceError.OPEN: b"unable to create " + scratch,
            ReplaceError.WRITE: b"unable to write to " + scratch,
            ReplaceError.MOVE: b"unable to move %s to %s" % (scratch, path),
        }
        reason = oserrors.text(error.errno or 0).encode()
        raise fatal(program, words[error.step] + b": " + reason) from error


def read_input(program: bytes) -> bytes:
    """Read all of standard input."""
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise fatal(program, b"unable to read input: " + oserrors.text(error.errno or 0).encode()) from error


def compile_input(program: bytes, compiler: Callable[[bytes], bytes], code: int = NEVER) -> bytes:
    """Compile standard input; a wrong one ends the program with ``code``."""
    try:
        return compiler(read_input(program))
    except TableError as error:
        raise fatal(program, str(error).encode(), code) from error


def print_lines(program: bytes, lines: Iterable[bytes]) -> int:
    """Print lines as far as they make sense."""
    try:
        for line in lines:
            sys.stdout.buffer.write(line)
    except TableError as error:
        raise fatal(program, str(error).encode(), NEVER) from error
    except OSError as error:
        raise fatal(program, b"unable to write output: " + oserrors.text(error.errno or 0).encode()) from error
    finally:
        sys.stdout.buffer.flush()
    return 0
