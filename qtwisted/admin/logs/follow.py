"""Reads what is added to a log, from now on: through rotation of files, and from the journal."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import TYPE_CHECKING

from qtwisted.admin.logs.sources import OPENS, local_time
from qtwisted.model.logreading import LONGEST
from qtwisted.model.logstamps import read_log

if TYPE_CHECKING:
    from types import TracebackType

    from qtwisted.admin.logs.sources import Place
    from qtwisted.model.logstamps import Line

PIECE = 1 << 18


class Follower:
    """The lines that a log gets after this was made."""

    def __init__(self, place: Place) -> None:
        """Stand at the end of the log; raise OSError where it cannot be followed."""
        self._tag = place.tag
        self._rest = b""
        self._program: subprocess.Popen[bytes] | None = None
        self._path = ""
        if place.command:
            words = [*place.command, "--follow", "--lines=all", f"--since=@{int(time.time())}"]
            self._program = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            assert self._program.stdout is not None
            self._fd = self._program.stdout.fileno()
            return
        self._path = place.files[-1] if place.files else "-"
        if self._path == "-" or os.path.splitext(self._path)[1] in OPENS:
            raise OSError(0, "cannot be followed", self._path)
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        os.lseek(self._fd, 0, os.SEEK_END)

    def __enter__(self) -> Follower:
        """Be closed at the end of a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Follow no longer."""
        if self._program is None:
            os.close(self._fd)
            return
        self._program.terminate()
        assert self._program.stdout is not None
        self._program.stdout.close()
        self._program.wait()

    def new(self) -> list[Line]:
        """The lines that are complete and have not been given yet; does not wait."""
        data = self._read()
        if not data and self._was_rotated():
            data = self._read()
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest if len(rest) <= LONGEST else b""
        return list(read_log(lines, local_time(time.time()), self._tag))

    def _read(self) -> bytes:
        """What is there to read."""
        if self._program is not None and not select.select([self._fd], [], [], 0)[0]:
            return b""
        return os.read(self._fd, PIECE)

    def _was_rotated(self) -> bool:
        """Whether the log goes on in another file of the same name, or was emptied; we are at its beginning then."""
        if self._program is not None:
            return False
        ours = os.fstat(self._fd)
        if ours.st_size < os.lseek(self._fd, 0, os.SEEK_CUR):
            os.lseek(self._fd, 0, os.SEEK_SET)
            return True
        try:
            other = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False  # between two names
        if os.path.samestat(ours, os.fstat(other)):
            os.close(other)
            return False
        os.close(self._fd)
        self._fd = other
        return True
