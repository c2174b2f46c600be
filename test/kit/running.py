"""A mail system that really runs: its processes, and its log as it appears.

Nothing here sleeps: whoever waits, waits for a line or for the end of a process, with a limit.
"""

from __future__ import annotations

import os
import re
import select
import signal as signals
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PATIENCE = 60.0


class Left(AssertionError):
    """Something is still there that should have ended."""


def processes(home: str) -> dict[int, str]:
    """The roles that serve *home*, by process number."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = os.fsdecode(file.read()).split("\0")
        except OSError:
            continue
        if "home=" + home in words and any(word.endswith("qtwisted/system/start.py") for word in words):
            at = next(at for at, word in enumerate(words) if word.endswith("qtwisted/system/start.py"))
            found[int(pid)] = words[at + 1]
    return found


def parent(pid: int) -> int:
    """The parent of process *pid*; 0 if it has just ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Return when *condition* holds; it is asked again each time a child, a file or a little time has moved
    on.
    """
    limit = time.monotonic() + patience
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"waited {patience:.0f} seconds in vain: {what}")
        select.select([], [], [], 0.02)


class Running:
    """One ``twistd qmail``, its standard output and error caught line by line."""

    def __init__(self, words: Sequence[str], home: str, environment: Mapping[str, str],
                 user: tuple[int, int] | None = None, directory: str = "/") -> None:
        """Start it, as another *user* (uid, gid) if that is given."""
        self.home = home
        self.log: list[str] = []
        self.errors = b""
        self._rest = b""
        who: dict[str, object] = {}
        if user is not None:
            who = {"user": user[0], "group": user[1], "extra_groups": [user[1]]}
        self.process = subprocess.Popen(  # type: ignore[call-overload]
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory,
            env=dict(environment), start_new_session=True, **who)
        self._open = {self.process.stdout.fileno(), self.process.stderr.fileno()}

    def read(self, timeout: float) -> bool:
        """Read what there is, waiting for it at most *timeout* seconds; False when there will be nothing
        more.
        """
        for fd in select.select(list(self._open), [], [], timeout)[0] if self._open else []:
            data = os.read(fd, 65536)
            if not data:
                self._open.discard(fd)
            elif fd == self.process.stderr.fileno():
                self.errors += data
            else:
                *lines, self._rest = (self._rest + data).split(b"\n")
                self.log += [line.decode("latin-1") for line in lines]
        return bool(self._open)

    def wait_for(self, pattern: str, start: int = 0, patience: float = PATIENCE) -> re.Match[str]:
        """Wait for a whole line of the log that matches *pattern*, from line *start* on, and return the
        match.
        """
        return self.wait_for_line(pattern, start, patience)[1]

    def wait_for_line(self, pattern: str, start: int = 0, patience: float = PATIENCE) -> tuple[int, re.Match[str]]:
        """As wait_for; returns the number of the line as well."""
        limit = time.monotonic() + patience
        wanted = re.compile(pattern)
        at = start
        while True:
            while at < len(self.log):
                match = wanted.fullmatch(self.log[at])
                if match:
                    return at, match
                at += 1
            if time.monotonic() > limit or not self.read(max(0.0, limit - time.monotonic())):
                raise AssertionError(f"no line matches {pattern}; the log is:\n{self.told()}")

    def told(self) -> str:
        """All that was said so far."""
        return "\n".join(self.log) + "\n-- standard error:\n" + self.errors.decode("latin-1")

    def port(self, service: str = "smtp") -> int:
        """The port that the log names."""
        return int(self.wait_for(service + r": listening on \S+ port (\d+)").group(1))

    def ready(self) -> None:
        """Wait until send has announced itself."""
        self.wait_for(r"status: local 0/\d+ remote 0/\d+")

    def roles(self) -> dict[int, str]:
        """The processes that the master has started, by number; what these have begun in turn is left out."""
        return {pid: name for pid, name in processes(self.home).items() if parent(pid) == self.process.pid}

    def pids(self, role: str) -> list[int]:
        """The process numbers of one role."""
        return [pid for pid, name in self.roles().items() if name == role]

    def signal(self, number: int) -> None:
        """Send the master a signal."""
        self.process.send_signal(number)

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for the end of the master, reading what it still says; returns its exit code."""
        limit = time.monotonic() + patience
        while self.read(max(0.0, limit - time.monotonic())):
            if time.monotonic() > limit:
                raise Left(f"it still runs; the log is:\n{self.told()}")
        code: int = self.process.wait(patience)
        return code

    def stop(self, number: int = signals.SIGINT) -> int:
        """End it as Ctrl-C does, and see that nothing stays behind; returns the exit code."""
        if self.process.poll() is None:
            self.signal(number)
        code = self.ended()
        left = processes(self.home)
        if left:
            raise Left(f"still there: {left}; the log is:\n{self.told()}")
        return code

    def kill(self) -> None:
        """Whatever a test has done: leave nothing behind.

        Without the master the roles end by themselves, and with them the programs that they run for users.
        """
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with suppress(AssertionError):
            wait_until(lambda: not processes(self.home), "the end of all roles", 10)
        for pid in processes(self.home):
            try:
                os.kill(pid, signals.SIGKILL)
            except ProcessLookupError:
                pass
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
