"""Starts a mail system in the background: by HOME/rc, as a boot script does, or else by twistd.

It runs as the owner of the home, if that is not root.

What it says while it starts is shown if it does not start. Its log is not ours: HOME/rc names a logger, or else the
lines go to splogger, as those of twistd do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from qtwisted.admin.install import launchers
from qtwisted.admin.refusal import Refused
from qtwisted.config import conf as build
from qtwisted.schedule.asking import is_answering

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO, Any

PATIENCE_FOR = 60.0
"""How long a mail system may take to start."""
AGAIN_FOR = 0.1
GREETING_WITHIN = 2.0
SAID_MAX = 2000

FIND = "import sys; sys.path[0:0] = {path!r}; "
"""How a process that we start finds the package that we were found in."""
TWISTD = FIND + "sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()"
SPLOGGER = FIND + "from qtwisted.system.splogger import main; sys.exit(main())"


class Start:
    """A start under way."""

    def __init__(self, home: str) -> None:
        """Start the mail system of *home*."""
        self._home = home
        self._said = os.memfd_create("said")
        self._owner = owner(home)
        self._is_script = os.access(f"{home}/rc", os.X_OK)
        if self._is_script:
            check(f"{home}/rc")
            check_programs(home)
            logger = self._run(python(SPLOGGER, "qmail"), subprocess.PIPE, subprocess.DEVNULL, log_user(home))
            self._process = self._run([f"{home}/rc"], subprocess.DEVNULL, logger.stdin, self._owner)
            assert logger.stdin is not None
            logger.stdin.close()
        else:
            words = python(TWISTD, "--pidfile=", "qmail", "--home", home)
            self._process = self._run(words, subprocess.DEVNULL, subprocess.DEVNULL, self._owner)

    def _run(self, words: Sequence[str], stdin: int, stdout: int | IO[bytes] | None,
             who: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, so that our terminal cannot end it."""
        try:
            return subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=self._said, cwd="/",
                                    start_new_session=True, env={**os.environ, "QMAILHOME": self._home}, **who)
        except OSError as trouble:
            raise Refused(f"{words[0]}: {trouble.strerror}") from None

    def succeed(self) -> None:
        """Return when qmail-send answers; Refused if it does not start."""
        wait(self._home, self._fail_if_over)

    def _fail_if_over(self) -> None:
        """Say why if the start has failed. twistd ends well when the mail system runs in the background."""
        code = self._process.poll()
        if code is None or (code == 0 and not self._is_script):
            return
        raise Refused(f"the mail system in {self._home} has not started: {self._last_words() or f'exit code {code}'}")

    def _last_words(self) -> str:
        """What was said on standard error, if anything."""
        end = os.fstat(self._said).st_size
        lines = os.pread(self._said, SAID_MAX, max(0, end - SAID_MAX)).decode("utf-8", "replace").strip().splitlines()
        return "; ".join("".join(each if each.isprintable() else "?" for each in line) for line in lines[-3:])


def python(program: str, *words: str) -> list[str]:
    """The command line of a program in Python."""
    return [sys.executable, "-P", "-s", "-c", program.format(path=launchers.import_path()), *words]


def owner(home: str) -> dict[str, Any]:
    """Under whom the mail system is started, in the words of Popen; nothing if it is us.

    Where a home belongs to somebody else, what lies there must not make root do anything.
    """
    found = os.stat(home)
    if os.geteuid() != 0 or found.st_uid == 0:
        return {}
    return {"user": found.st_uid, "group": found.st_gid, "extra_groups": []}


def check(path: str) -> None:
    """Raise Refused if root would run a script that somebody else can write."""
    found = os.stat(path)
    if os.geteuid() == 0 and os.stat(os.path.dirname(path)).st_uid == 0 and (found.st_uid or found.st_mode & 0o022):
        raise Refused(f"{path} can be written by others than root, so root does not run it")


def check_programs(home: str) -> None:
    """Raise Refused where HOME/rc would start another qmail than this one, as in a home that was adopted."""
    path = f"{home}/bin/qmail-start"
    if os.path.exists(path) and not launchers.is_ours(path):
        raise Refused(f"{path} is another qmail's, and {home}/rc would start that; "
                      f"to start this one: qmailctl --home {home} adopt --start")


def log_user(home: str) -> dict[str, Any]:
    """Under whom a logger runs, in the words of Popen; nothing if we are not root."""
    if os.geteuid() != 0 or owner(home):
        return owner(home)
    ids = build.ids(build.load(home))
    return {"user": ids.qmaill_uid, "group": ids.nofiles_gid, "extra_groups": [ids.nofiles_gid]}


def wait(home: str, look: object = None) -> None:
    """Return when the qmail-send of *home* answers; *look* is called again and again and may raise Refused."""
    give_up_at = time.monotonic() + PATIENCE_FOR
    while not is_answering(home, GREETING_WITHIN):
        if callable(look):
            look()
        if time.monotonic() > give_up_at:
            raise Refused(f"qmail-send of {home} does not answer after {PATIENCE_FOR:.0f} seconds; look at its log")
        time.sleep(AGAIN_FOR)
