"""Runs the shell commands that forwarding tables and .forward files name, on the message."""

from __future__ import annotations

import os

from qtwisted.dotqmail import delivery
from qtwisted.system import children
from qtwisted.system.ending import LATER, NEVER, Ending, fatal

#: exit codes that mean never; qmail-local has the same list
_NEVER_CODES = frozenset((100, 64, 65, 70, 76, 77, 78, 112))
_LINES = (b"UFLINE", b"RPLINE", b"DTLINE")


def run_program(program: bytes, command: bytes, with_lines: bool) -> None:
    """Run a shell command, which may get the From_, Return-Path and Delivered-To lines in front of the message.

    Returns when it exits 0; any other end of it ends ``program``, for good where its exit code says so.
    """
    delivery.rewind()
    head = b"".join(os.environb.get(name, b"") for name in _LINES) if with_lines else b""
    words = [b"/bin/sh", b"-c", command]
    try:
        if with_lines:
            code = children.feed(words, head, delivery.pieces(program))
        else:
            code = children.finish(children.start(words))
    except children.Crashed:
        raise fatal(program, b"child crashed") from None
    except OSError as error:
        raise fatal(program, b"unable to run %s: %s" % (command, delivery.why(error))) from error
    if code:
        raise Ending(NEVER if code in _NEVER_CODES else LATER)
