"""qmailctl start, stop, restart, reload, pause, cont and flush: the mail system as a whole.

``start`` leaves it to systemd where that has a unit for the home (qmail.service or qmail.target), else runs HOME/rc
as a boot script does, else twistd; and it waits until qmail-send answers. Where qmail-send alone was told to end, it
is started again. ``stop`` has everything end in order, running deliveries first, and waits for that.

``pause`` lasts until ``cont``, or until qmail-send is started again, whatever the reason; ``stat`` shows it.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from qtwisted.admin.ctl import launch, live, master, systemd
from qtwisted.admin.refusal import Refused
from qtwisted.schedule.asking import is_answering

if TYPE_CHECKING:
    import argparse

    from qtwisted.admin.ctl.screen import Screen

PATIENCE_FOR = 90.0
"""How long everything may take to end; the master insists long before."""
RESUME = signal.SIGUSR1
ASKED = {
    "pause": ("no delivery starts until: qmailctl cont", "paused already"),
    "cont": ("deliveries go on", "it was not paused"),
    "flush": ("every message is tried now, but those on hold", ""),
}


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of a command: none of them has any."""
    if name in ("reload", "flush"):
        parser.epilog = {"reload": "Reads locals, virtualdomains and what else can change while it runs (HUP).",
                         "flush": "The same as ALRM to qmail-send."}[name]
    if name == "pause":
        parser.epilog = "Mail is received and kept. A pause ends with cont, or when qmail-send is started again."


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Do it."""
    if name in ASKED:
        return ask(name, home, screen)
    if not os.path.isdir(f"{home}/queue"):
        raise Refused(f"{home} is not the home of a mail system; make one with: qmail-config --home {home} HOST")
    {"start": start, "stop": stop, "restart": restart, "reload": reload}[name](home, screen)
    return 0


def ask(name: str, home: str, screen: Screen) -> int:
    """Have qmail-send do something."""
    with live.asking(home) as send:
        (value,) = live.answers(send, name.encode())
    done, already = ASKED[name]
    screen.whole(already if value["answer"] == "already" else done)
    return 0


def start(home: str, screen: Screen) -> None:
    """Start it."""
    if is_answering(home, launch.GREETING_WITHIN):
        screen.whole(f"the mail system in {home} is running already")
        return
    found = master.find(home)
    if found is not None:
        with found:
            if found.catches(RESUME):
                found.signal(RESUME)
        launch.wait(home)
        screen.whole("qmail-send runs again")
        return
    unit = systemd.find(home)
    if unit is not None:
        systemd.tell("start", unit.name)
        launch.wait(home)
    else:
        launch.Start(home).succeed()
    screen.whole(f"the mail system in {home} runs")


def stop(home: str, screen: Screen) -> None:
    """Stop it."""
    unit = systemd.find(home)
    if unit is not None and unit.is_active:
        systemd.tell("stop", unit.name)
    else:
        found = master.find(home)
        if found is None:
            screen.whole(f"the mail system in {home} is not running")
            return
        with found:
            found.signal(signal.SIGTERM)
            if not found.ended(PATIENCE_FOR):
                raise Refused(f"process {found.pid} has not ended after {PATIENCE_FOR:.0f} seconds")
    screen.whole(f"the mail system in {home} has ended")


def restart(home: str, screen: Screen) -> None:
    """Stop it and start it again."""
    stop(home, screen)
    start(home, screen)


def reload(home: str, screen: Screen) -> None:
    """Have it read its control files again."""
    found = master.find(home)
    if found is not None:
        with found:
            found.signal(signal.SIGHUP)
    else:
        unit = systemd.find(home)
        if unit is None or not unit.is_active:
            raise Refused(f"the mail system in {home} is not running")
        for name in systemd.RELOADED:
            systemd.tell("reload", name)
    screen.whole("control files are read again")
