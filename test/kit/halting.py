"""halting.py -- run a program of ours, and halt before each sync until a test says how to go on

Synopsis::

    python halting.py REPORT GO ROOT PROGRAM [WORD…]

Before each sync its name is written to the descriptor REPORT, one a line, and a byte is read from GO: ``y`` has it
done, ``n`` leaves it out. When nobody is there any more the program ends at once, as by a crash. PROGRAM is a file
or a module of the package below ROOT.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import TYPE_CHECKING, Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if TYPE_CHECKING:
    from collections.abc import Callable

SYNCS = ("fsync", "fsync_dir", "syncfs")


class Halts:
    """The test's side: the two pipes, and the command line."""

    def __init__(self) -> None:
        """Make the pipes."""
        self.report, self._theirs = os.pipe()
        self._go, self._ours = os.pipe()
        self.fds = (self._theirs, self._go)

    def through(self, words: list[str]) -> list[str]:
        """Change the command line of a program of ours, a file or a module, so that it halts."""
        at = words.index("-m") if "-m" in words else next(at for at, word in enumerate(words) if word[-3:] == ".py")
        program = words[at + (words[at] == "-m") :]
        return [*words[:at], os.path.abspath(__file__), *map(str, self.fds), ROOT, *program]

    def started(self) -> None:
        """The program has its ends of the pipes; drop ours of these."""
        for fd in self.fds:
            os.close(fd)

    def halted(self) -> str:
        """Wait for the next halt and give the name of the sync; empty when the program has ended."""
        line = b""
        while not line.endswith(b"\n"):
            piece = os.read(self.report, 1)
            if not piece:
                return ""
            line += piece
        return line.decode().strip()

    def go_on(self, is_done: bool = True) -> None:
        """Let the program go on, with the sync done or left out."""
        os.write(self._ours, b"y" if is_done else b"n")

    def close(self) -> None:
        """Close our ends; a program that halts then ends."""
        os.close(self.report)
        os.close(self._ours)


def halting(name: str, sync: Callable[..., None], report: int, go: int) -> Callable[..., None]:
    """A sync that asks before it is done."""

    def halt(disk: Any, *target: Any) -> None:
        """Report, wait, and do as told."""
        what = os.fsdecode(target[0]) if target and isinstance(target[0], str | bytes) else ""
        os.write(report, f"{name} {what}\n".encode())
        word = os.read(go, 1)
        if word not in (b"y", b"n"):
            os._exit(99)
        if word == b"y":
            sync(disk, *target)

    return halt


def main() -> None:
    """Run the program."""
    report, go, root, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    sys.path.insert(0, root)
    from qtwisted.system.disk import Disk

    for name in SYNCS:
        setattr(Disk, name, halting(name, getattr(Disk, name), report, go))
    sys.argv = sys.argv[4:]
    if os.sep in program:
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
