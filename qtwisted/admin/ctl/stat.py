"""qmailctl stat -- tell whether the mail system runs, for how long, and what is in the queue.

Exit code 1 says that it does not run, or that its qmail-send does not answer.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.ctl import filters, live, master
from qtwisted.admin.ctl.queue import age
from qtwisted.admin.ctl.screen import BAD, GOOD, NOTE, QUIET
from qtwisted.admin.refusal import Refused
from qtwisted.admin.running import serving

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from qtwisted.admin.ctl.screen import Screen


class Process(NamedTuple):
    """One process of the mail system: which role, its number, and for how long it has run."""

    role: str
    pid: int
    running_for: int


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Tell; 1 if it does not run."""
    told = live.if_running(home, b"snapshot")
    snapshot = told[0] if told else None
    running = processes(home)
    counted = counts(home)
    if options.json:
        screen.json(value(home, snapshot, running, counted))
    else:
        show(home, screen, snapshot, running, counted)
    return 0 if snapshot is not None else 1


def processes(home: str) -> list[Process]:
    """The processes that serve a home: the master first, then the others as they were started."""
    found = [(pid, role) for pid, role in serving.roles_of(home)]
    try:
        owner = master.find(home)
    except Refused:
        owner = None
    if owner is not None:
        with owner:
            found.append((owner.pid, "master"))
    known = [Process(role, pid, seconds) for pid, role in found if (seconds := running_for(pid)) is not None]
    return sorted(known, key=lambda each: (each.role != "master", -each.running_for, each.pid))


def running_for(pid: int) -> int | None:
    """For how many seconds a process has run (proc(5), field 22 of stat); None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    return max(0, int(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")))


def counts(home: str) -> tuple[int, int] | None:
    """Count the messages in the queue, and those not preprocessed; None where we may not look."""
    try:
        return filters.inventory(home).counts()
    except (PermissionError, Refused):
        if not os.path.isdir(f"{home}/queue"):
            raise
        return None


def value(home: str, snapshot: dict[str, Any] | None, running: list[Process],
          counted: tuple[int, int] | None) -> dict[str, Any]:
    """Make the JSON value."""
    return {
        "home": home,
        "running": snapshot is not None,
        "paused": None if snapshot is None else snapshot["is_paused"],
        "processes": [each._asdict() for each in running],
        "messages": None if counted is None else counted[0],
        "not_preprocessed": None if counted is None else counted[1],
        "send": snapshot,
    }


def show(home: str, screen: Screen, snapshot: dict[str, Any] | None, running: list[Process],
         counted: tuple[int, int] | None) -> None:
    """Print it for people."""
    screen.whole(f"the mail system in {home} {state(screen, snapshot, running)}")
    for each in running:
        screen.whole(f"  {each.role:<8} pid {each.pid:<8} " + screen.styled(f"up {age(each.running_for)}", QUIET))
    if snapshot is not None:
        local, remote = snapshot["local"], snapshot["remote"]
        screen.whole("deliveries: local {}/{} remote {}/{}".format(
            *(int(each[name]) for each in (local, remote) for name in ("running", "limit"))))
    if counted is None:
        screen.whole("messages in queue: only root may look")
        return
    screen.whole(f"messages in queue: {counted[0]}")
    screen.whole(f"messages in queue but not yet preprocessed: {counted[1]}")
    if snapshot is not None and snapshot["on_hold"]:
        screen.whole(f"messages on hold: {int(snapshot['on_hold'])}")


def state(screen: Screen, snapshot: dict[str, Any] | None, running: list[Process]) -> str:
    """Say in a few words how it is."""
    if snapshot is None:
        if not running:
            return screen.styled("is not running", BAD)
        return screen.styled("runs, but its qmail-send does not answer us", BAD)
    since = f"for {age(int(snapshot['running_for']))}"
    if snapshot["is_ending"]:
        return screen.styled("is ending", NOTE)
    if snapshot["is_paused"]:
        return f"{screen.styled('is paused', NOTE)}: no delivery starts until: qmailctl cont"
    return f"{screen.styled('runs', GOOD)}, delivering {since}"
