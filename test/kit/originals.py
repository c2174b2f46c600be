"""Debian's dot-forward and fastforward beside ours: each call runs both in a namespace where they share a home.

Debian's programs look for controls and the queue in /var/lib/qmail and for aliases in /etc, and cannot be told
otherwise. So they run, and ours with them, where these two are directories of the test. Root only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from test.kit.programs import NotedQueue, environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.trial.unittest import SynchronousTestCase

HOME = "/var/lib/qmail"
CONTROLS = {"me": "mx.example.org\n", "defaultdomain": "example.org\n", "plusdomain": "plus.net\n"}
DELIVERY = {
    "NEWSENDER": "ns@x", "SENDER": "s@x", "DTLINE": "Delivered-To: joe@h.org\n", "RPLINE": "Return-Path: <s@x>\n",
    "UFLINE": "From s@x Mon\n", "USER": "joe", "LOCAL": "joe", "HOST": "h.org", "EXT": "joe",
    "RECIPIENT": "joe@h.org",
}
MESSAGE = b"S: x\n\nbody"
ENTER = 'mount --bind "$1" /var/lib/qmail && mount --bind "$2" /etc && cd "$3" && shift 3 && exec "$@"'
#: our modules by the names of their programs
MODULES = {"dot-forward": "dotqmail.dotforward", "fastforward": "dotqmail.fastforward",
           "qmail-newaliases": "config.aliases.newaliases", "preline": "dotqmail.preline",
           **{name: f"config.aliases.{name}" for name in
              ("newinclude", "setforward", "setmaillist", "printforward", "printmaillist")}}


class Outcome(NamedTuple):
    """What a call did: its end, what it wrote, and what was left in its file and in the queue."""

    code: int
    out: bytes
    err: bytes
    file: bytes | None = None
    message: bytes | None = None
    envelope: bytes | None = None


class Originals:
    """A room in which both kinds of programs work on the same files."""

    def __init__(self, test: SynchronousTestCase) -> None:
        """Make the room."""
        self.room = Path(test.mktemp()).resolve()
        self.etc, self.home = self.room / "etc", self.room / "home"
        for place in (self.etc, self.home / "bin", self.home / "control"):
            place.mkdir(parents=True)
        for name, text in CONTROLS.items():
            (self.home / "control" / name).write_text(text)
        preline = self.home / "bin" / "preline"
        preline.write_text(f"#!/bin/sh\nexec {' '.join(map(_quoted, self._ours('preline')))} \"$@\"\n")
        preline.chmod(0o755)
        (self.home / "bin" / "qmail-queue").write_text("#!/bin/sh\nexec \"$NOTED\"\n")
        (self.home / "bin" / "qmail-queue").chmod(0o755)

    def write(self, name: str, data: bytes, mode: int = 0o644) -> str:
        """Write a file of the room; give its name."""
        (self.room / name).write_bytes(data)
        (self.room / name).chmod(mode)
        return name

    def theirs(self, program: str, *words: str, data: bytes = MESSAGE, file: str = "", **more: str) -> Outcome:
        """Call the program of Debian; ``file`` is the file that it writes, relative to the room."""
        return self._call([program, *words], data, file, more)

    def ours(self, program: str, *words: str, data: bytes = MESSAGE, file: str = "", **more: str) -> Outcome:
        """Call our program."""
        return self._call([*self._ours(program), *words], data, file, more)

    def _ours(self, program: str) -> list[str]:
        """The command line of our program, without its arguments."""
        module = f"qtwisted.{MODULES[program]}"
        call = f"import sys; sys.argv[0] = {program!r}; import {module} as ours; sys.exit(ours.main())"
        return [sys.executable, "-P", "-c", call]

    def _call(self, words: list[str], data: bytes, file: str, more: Mapping[str, str]) -> Outcome:
        """Run one program in the namespace."""
        queue = NotedQueue(str(self.room))
        written = self.room / file
        if file:
            written.unlink(missing_ok=True)
        stdin = self.room / "stdin"
        stdin.write_bytes(data)
        variables = {**DELIVERY, "PATH": f"{HOME}/bin:{os.defpath}:/usr/sbin", "QMAILHOME": HOME,
                     "NOTED": str(queue.path), "QMAILQUEUE": str(queue.path), **more}
        given = environment(**{name: value for name, value in variables.items() if value != "unset"})
        with open(stdin, "rb") as message:
            done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh",
                                   str(self.home), str(self.etc), str(self.room), *words],
                                  stdin=message, capture_output=True, env=given, timeout=120, check=False)
        found = written.read_bytes() if file and written.exists() else None
        return Outcome(done.returncode, done.stdout, done.stderr, found, queue.message, queue.envelope)


def _quoted(word: str) -> str:
    """A word for the shell."""
    return "'" + word.replace("'", "'\\''") + "'"
