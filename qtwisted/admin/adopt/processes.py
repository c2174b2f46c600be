"""Which of the old programs run, and who holds the queue."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.adopt import DIFFERS, FINE, MUST, Finding
from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.running import serving, takeover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.adopt import Place

DELIVERING = ("qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean", "qmail-todo")
RECEIVING = ("tcpserver", "qmail-smtpd", "qmail-qmtpd", "qmail-qmqpd", "qmail-popup", "qmail-pop3d")


class Process(NamedTuple):
    """One process: number, name, and what starts it again."""

    pid: int
    name: str
    parent: str


def look(place: Place) -> Iterator[Finding]:
    """Look at what runs."""
    master = serving.master(place.home)
    found = list(old(place.home))
    senders = [process for process in found if process.name in DELIVERING]
    if master is not None:
        yield Finding(MUST, "running", f"the mail system in this home is ours already, process {master}")
    elif takeover.is_sending(place.home):
        yield Finding(MUST, "queue/lock/sendmutex", "is locked: the old qmail-send runs", how_to_stop(senders))
    elif senders:
        yield Finding(MUST, "running", ", ".join(f"{each.name} {each.pid}" for each in senders), how_to_stop(senders))
    else:
        yield Finding(FINE, "running", "no old qmail-send")
    receivers = [process for process in found if process.name in RECEIVING]
    if receivers:
        yield Finding(DIFFERS, "running", f"{len(receivers)} old processes receive mail; they may go on, and put it "
                                          "into the same queue")


def how_to_stop(senders: list[Process]) -> tuple[str, ...]:
    """How the old qmail-send is stopped: by who starts it again, if anybody does."""
    for process in senders:
        if process.name == "qmail-send" and process.parent == "supervise":
            return (f"svc -dx {_directory(process.pid)}",)
    pids = " ".join(str(process.pid) for process in senders if process.name == "qmail-send")
    return (f"kill {pids}",) if pids else ("stop the old qmail-send and wait for its status: exiting",)


def _directory(pid: int) -> str:
    """Where a service runs: the directory of the supervise above it."""
    try:
        return os.readlink(f"/proc/{_status(pid)[1]}/cwd")
    except OSError:
        return "/service/qmail-send"


def old(home: str) -> Iterator[Process]:
    """The processes of the original's programs; those of another home do not count, where that can be seen."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        pid = int(name)
        program, parent = _status(pid)
        if program not in DELIVERING + RECEIVING:
            continue
        path = _program(pid)
        if program == "tcpserver":
            is_one = b"qmail-" in _command(pid)
        elif path:
            is_one = path.startswith(os.path.realpath(home) + "/")
        else:  # whose it is we may not know; ours would show the interpreter that runs it
            is_one = os.path.basename(_command(pid).partition(b"\0")[0]).startswith(b"qmail-")
        if is_one:
            yield Process(pid, shown(program.encode()), _status(parent)[0])


def _status(pid: int) -> tuple[str, int]:
    """The name and the parent of a process; no name if it has ended and nobody has asked how."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            before, _, after = file.read().rpartition(")")
        state, parent = after.split()[:2]
        return "" if state == "Z" else before.partition("(")[2], int(parent)
    except (OSError, IndexError, ValueError):
        return "", 0


def _command(pid: int) -> bytes:
    """The command line of a process."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _program(pid: int) -> str:
    """The path of the program; nothing if we may not know."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""
