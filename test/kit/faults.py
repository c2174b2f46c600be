"""System calls that fail in processes that really run: strace is attached to them and injects an error."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from test.kit.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

#: seconds that strace has to let go
LETS_GO_IN = 10


class Fault(NamedTuple):
    """In the processes of *role* the system call *call* fails with *error*, in each the first time or a later one."""

    role: str
    call: str
    error: str
    when: int = 1

    def __str__(self) -> str:
        """Name it in a report."""
        return f"{self.role}: {self.call} number {self.when}: {self.error}"


class Injected:
    """How often the fault has happened; known when it is over."""

    times = 0


def _end(strace: subprocess.Popen[bytes]) -> None:
    """Let go of all processes; if strace waits for one that will not stop, the kernel lets go of them."""
    strace.send_signal(signal.SIGINT)
    try:
        strace.wait(LETS_GO_IN)
    except subprocess.TimeoutExpired:
        strace.kill()
        strace.wait()


@contextmanager
def injected(fault: Fault, pids: Collection[int]) -> Iterator[Injected]:
    """Let a system call fail in these processes, and in those they begin, as long as this lasts."""
    outcome = Injected()
    words = ["-e", f"trace={fault.call}", "-e", f"inject={fault.call}:error={fault.error}:when={fault.when}"]
    with traced(words, pids) as lines:
        yield outcome
    outcome.times = sum("(INJECTED)" in line for line in lines)


@contextmanager
def traced(words: Sequence[str], pids: Collection[int]) -> Iterator[list[str]]:
    """Have strace watch these processes, and those they begin, with more options; its lines are there afterwards."""
    lines: list[str] = []
    with tempfile.NamedTemporaryFile() as trace, tempfile.NamedTemporaryFile() as said:
        strace = subprocess.Popen(
            ["strace", "-f", "-o", trace.name, *words, *(f"--attach={pid}" for pid in pids)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)

        def is_attached() -> bool:
            """Does strace hold all of them, those that have ended meanwhile excepted?"""
            with open(said.name, encoding="utf-8") as file:
                text = file.read()
            return all(f"Process {pid} attached" in text or f", {pid})" in text for pid in pids)

        try:
            wait_until(is_attached, f"strace attaches to {pids}")
            yield lines
        finally:
            _end(strace)
        lines += trace.read().decode("utf-8", "replace").splitlines()
