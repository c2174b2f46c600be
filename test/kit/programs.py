"""Runs programs of ours as real processes, with a message on descriptor 0 and a queue that takes note.

The queue is a $QMAILQUEUE program of a few lines: it keeps what it gets on descriptors 0 and 1 and exits as
told.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

QUEUE_PROGRAM = """\
#!/bin/sh
cat > {room}/message && cat <&1 > {room}/envelope
exit {code}
"""


class Ended(NamedTuple):
    """How a program ended, and what it wrote."""

    code: int
    out: bytes
    err: bytes


class NotedQueue:
    """A $QMAILQUEUE program: ``path``, and after a run ``message`` and ``envelope``, None if nothing came."""

    def __init__(self, room: str, code: int = 0) -> None:
        """Write the program into a new directory below ``room``; it will exit with ``code``."""
        self.room = Path(tempfile.mkdtemp(dir=room)).resolve()
        self.path = self.room / "queue"
        self.path.write_text(QUEUE_PROGRAM.format(room=self.room, code=code))
        self.path.chmod(0o755)

    @property
    def message(self) -> bytes | None:
        """The message that was handed in."""
        return self._kept("message")

    @property
    def envelope(self) -> bytes | None:
        """The envelope that was handed in, in the form of descriptor 1."""
        return self._kept("envelope")

    def _kept(self, name: str) -> bytes | None:
        """What the program wrote down, if it ran."""
        path = self.room / name
        return path.read_bytes() if path.exists() else None


def environment(**variables: str | bytes) -> dict[bytes, bytes]:
    """An environment with nothing but a search path, where our package is, and ``variables``."""
    checkout = Path(__file__).resolve().parent.parent.parent
    given = {"PATH": os.defpath, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return {os.fsencode(name): os.fsencode(value) for name, value in given.items()}


def run_main(module: str, *words: str | bytes, message: bytes = b"", limit: float = 30.0,
             **variables: str | bytes) -> Ended:
    """Run ``main`` of a module as its console script does, with ``message`` as a seekable descriptor 0.

    The program is called by the last part of the module's name.
    """
    name, _, function = module.partition(":")
    call = f"import sys; from {name} import {function or 'main'} as main; sys.exit(main())"
    program = name.rpartition(".")[2].rstrip("_")
    command: list[str | bytes] = [sys.executable, "-P", "-c", _named(program, call), *words]
    with tempfile.TemporaryFile() as stdin:
        stdin.write(message)
        stdin.seek(0)
        done = subprocess.run(
            command, stdin=stdin, capture_output=True, env=environment(**variables), timeout=limit, check=False
        )
    return Ended(done.returncode, done.stdout, done.stderr)


def _named(program: str, call: str) -> str:
    """Give the process the name it would have as a program."""
    return f"import sys; sys.argv[0] = {program!r}; {call}"
