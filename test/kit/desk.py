"""A desk at which messages are written: a home with control files, and qmail-inject run inside this
process.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from qtwisted.accept.submit.inject import Injection
from qtwisted.model.envelope import Envelope
from qtwisted.model.submission import Result

#: 22 Nov 2026 13:40:12 UTC, and a process number
AT = 1795354812
PID = 2620

DATE = b"Date: 22 Nov 2026 13:40:12 -0000\n"
MESSAGE_ID = b"Message-ID: <20261122134012.2620.qmail@mx.example.org>\n"
HIDDEN = b"Cc: recipient list not shown: ;\n"

CONTROLS = {"me": "mx.example.org\n", "defaultdomain": "example.org\n", "plusdomain": "plus.net\n"}


class Letter(NamedTuple):
    """A message as it arrived in the queue."""

    text: bytes
    sender: bytes
    recipients: tuple[bytes, ...]

    def field(self, name: bytes) -> bytes:
        """The field of that name with its continuation lines, without the last newline; it must be the only
        one.
        """
        header = b"\n" + self.text.partition(b"\n\n")[0].rstrip(b"\n")
        [found] = [part for part in _fields(header) if part.lower().startswith(name.lower() + b":")]
        return found

    def has(self, name: bytes) -> bool:
        """Is there such a field?"""
        header = b"\n" + self.text.partition(b"\n\n")[0]
        return any(part.lower().startswith(name.lower() + b":") for part in _fields(header))


def _fields(header: bytes) -> list[bytes]:
    """Cut a header that begins with a newline into its fields."""
    return header.replace(b"\n ", b"\0 ").replace(b"\n\t", b"\0\t").replace(b"\n", b"\1").replace(
        b"\0", b"\n").split(b"\1")[1:]


class Tray:
    """An outlet that keeps the message, and answers as told."""

    def __init__(self, problem: bytes = b"") -> None:
        """Be empty."""
        self.problem = problem
        self.pieces: list[bytes] = []
        self.envelope: Envelope | None = None
        self.is_abandoned = False

    def write(self, piece: bytes) -> None:
        """Keep a piece."""
        self.pieces.append(piece)

    def commit(self, envelope: Envelope) -> Result:
        """Keep the envelope."""
        self.envelope = envelope
        return Result(self.problem, 1)

    def abandon(self) -> None:
        """Remember that nothing was to be kept."""
        self.is_abandoned = True


class Desk:
    """A home in a directory of its own."""

    def __init__(self, room: str, controls: dict[str, str] | None = None) -> None:
        """Make the home, below ``room``."""
        self.home = Path(tempfile.mkdtemp(dir=room)).resolve()
        (self.home / "control").mkdir()
        for name, text in (CONTROLS if controls is None else controls).items():
            (self.home / "control" / name).write_text(text)

    def inject(
        self, text: bytes, *arguments: bytes, tray: Tray | None = None, piece: int = 65536, **variables: bytes
    ) -> Letter:
        """Hand in a message as user joe, in pieces of that size; the Ending is raised if it fails."""
        tray = Tray() if tray is None else tray
        environ = {b"USER": b"joe", b"QMAILHOME": os.fsencode(self.home)}
        environ |= {name.encode(): value for name, value in variables.items()}
        pieces = iter([text[at : at + piece] for at in range(0, len(text), piece)])
        here = os.getcwd()
        try:
            argv = [b"qmail-inject", *arguments]
            Injection(argv, environ, lambda: next(pieces, b""), lambda home: tray).run(AT, PID)
        finally:
            os.chdir(here)
        assert tray.envelope is not None
        return Letter(b"".join(tray.pieces), tray.envelope.sender, tray.envelope.recipients)
