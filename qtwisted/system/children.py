"""Runs one other program and waits for it: what the small programs need of fork, exec, pipe and wait."""

from __future__ import annotations

import errno
import os
from itertools import chain

from qtwisted.system.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: what Python ignores and a program expects at its default
_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
#: what every pipe holds, pipe(7)
_PIPE_ROOM = 65536


class Crashed(Exception):
    """The program was killed by a signal."""


def start(argv: Sequence[bytes], stdin: int = 0) -> int:
    """Start a program found by $PATH with ``stdin`` as its descriptor 0; give its pid, or raise OSError."""
    if not argv[0]:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0)] if stdin else []
    return os.posix_spawnp(argv[0], list(argv), os.environ, file_actions=actions, setsigdef=_SIGNALS)


def finish(pid: int) -> int:
    """Wait for a program and give its exit code; raise Crashed if it was killed."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        raise Crashed
    return code


def feed(argv: Sequence[bytes], head: bytes, body: Iterable[bytes]) -> int:
    """Run a program with ``head`` and then ``body`` on its descriptor 0; give its exit code.

    A program need not read what fits into the pipe. Raises OSError where it cannot be started, BrokenPipeError when
    it stops reading while there is more, Crashed when it is killed, and whatever ``body`` raises.
    """
    reading, writing = os.pipe()
    try:
        try:
            pid = start(argv, reading)
            pieces = chain((head,), body)
            rest = _fill(writing, pieces)
        finally:
            os.close(reading)
        write_all(writing, rest)
        for piece in pieces:
            write_all(writing, piece)
    finally:
        os.close(writing)
    return finish(pid)


def _fill(pipe: int, pieces: Iterator[bytes]) -> bytes:
    """Write what fits into an empty pipe, which never waits; give the rest of the piece that did not fit.

    We still have the other end then, so a program that has already ended is no trouble.
    """
    room = _PIPE_ROOM
    for piece in pieces:
        write_all(pipe, piece[:room])
        if len(piece) > room:
            return piece[room:]
        room -= len(piece)
    return b""


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, however small the steps."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
