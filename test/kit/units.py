"""The units of etc/systemd, and a stand-in for systemd that runs them where there is none.

It does what the units rely on: opens the sockets, hands them over, starts an instance for each connection, starts
again what has ended, restricts each service (see confine), and collects what they say.
"""

from __future__ import annotations

import glob
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.install.launchers import package_root
from test.kit.code import code
from test.kit.running import PATIENCE, wait_until
from test.kit.world import NOFILES, QMAIL, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from test.kit.world import World

HOME = "/var/qmail"
DIRECTORY = os.path.join(package_root(), "etc", "systemd")
TWISTD = f"{HOME}/bin/twistd"
GROUPS = {"qmail": QMAIL, "nofiles": NOFILES}
CAPABILITIES = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_NET_BIND_SERVICE": 10}
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
CLEAN = (0, -signal.SIGHUP, -signal.SIGINT, -signal.SIGPIPE, -signal.SIGTERM)
"""How a service may end without being started again."""
TICK_FOR = 0.05
AGAIN_FOR = 0.1
"""The units have two seconds."""


class Unit:
    """A unit file."""

    def __init__(self, path: str) -> None:
        """Read it; a setting that is given more than once has all of its values, in their order."""
        self.name = os.path.basename(path)
        self.settings: dict[str, list[str]] = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, equals, value = line.strip().partition("=")
                if equals and not line.startswith("#"):
                    self.settings.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        """All values of a setting, with blanks between them; empty if it is not given."""
        return " ".join(self.settings.get(name, []))


def units(pattern: str = "*") -> dict[str, Unit]:
    """The units whose name matches, by name."""
    return {os.path.basename(path): Unit(path) for path in sorted(glob.glob(os.path.join(DIRECTORY, pattern)))}


@cache
def call_sets() -> dict[str, list[str]]:
    """What systemd's names for sets of system calls stand for; each may hold others."""
    sets: dict[str, list[str]] = {}
    listing = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True)
    current = ""
    for line in listing.stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            current = word
            sets[current] = []
        elif line.startswith(" ") and word and not word.startswith("#") and current:
            sets[current].append(word)
    return sets


def expanded(names: Sequence[str]) -> set[str]:
    """The system calls that *names*, some of which are sets, stand for."""
    found: set[str] = set()
    for name in names:
        found |= expanded(call_sets()[name]) if name.startswith("@") else {name}
    return found


def allowed_calls(values: Sequence[str]) -> list[str] | None:
    """The system calls that the values of SystemCallFilter leave; None if they are all allowed."""
    if not values:
        return None
    allowed = expanded(["@default"])
    for value in values:
        if value.startswith("~"):
            allowed -= expanded(value[1:].split())
        else:
            allowed |= expanded(value.split())
    return sorted(allowed)


class Held(NamedTuple):
    """Listening sockets of one socket unit."""

    unit: Unit
    listeners: list[socket.socket]


class Service:
    """A service that is running, or will be again."""

    def __init__(self, unit: Unit, fds: list[int], names: list[str]) -> None:
        """It is handed *fds*."""
        self.unit = unit
        self.fds = fds
        self.names = names
        self.process: subprocess.Popen[bytes] | None = None
        self.again_at = 0.0


class StandIn:
    """Runs units in a world, as systemd would."""

    def __init__(self, world: World, *names: str) -> None:
        """Open the sockets among the units called *names*, and start the services among them."""
        self.world = world
        self.units = units()
        self.log: list[str] = []
        self.services: list[Service] = []
        self._journal, self._output = socket.socketpair()
        self._held = {name: self._open(self.units[name]) for name in names if name.endswith(".socket")}
        for name in names:
            if name.endswith(".service"):
                self._add(self.units[name])
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        world.test.addCleanup(self.stop)

    def _open(self, unit: Unit) -> Held:
        """Open the sockets of a unit: those of the file system in the world's home, ports wherever one is free."""
        listeners = []
        for place in unit.settings["ListenStream"]:
            if place.startswith("/"):
                listeners.append(self._open_path(unit, place.replace(HOME, self.world.home)))
            elif not place.startswith("["):
                listeners.append(socket.create_server(("127.0.0.1", 0)))
        return Held(unit, listeners)

    def _open_path(self, unit: Unit, path: str) -> socket.socket:
        """Open a socket of the file system."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, int(unit["SocketMode"], 8))
        if unit["SocketUser"]:
            os.chown(path, ROLES[unit["SocketUser"]][0], 0)
        listener.listen()
        return listener

    def port(self, name: str) -> int:
        """The port of a socket unit."""
        number: int = self._held[name].listeners[0].getsockname()[1]
        return number

    def _add(self, unit: Unit) -> None:
        """Have a service run; its sockets are those it names, or the one of its own name."""
        sockets = unit["Sockets"].split() or [unit.name.replace(".service", ".socket")]
        held = [self._held[name] for name in sockets if name in self._held]
        fds = [listener.fileno() for one in held for listener in one.listeners]
        names = [one.unit["FileDescriptorName"] for one in held for _ in one.listeners]
        self.services.append(Service(unit, fds, names))

    def _run(self) -> None:
        """Do what comes up until the end."""
        while not self._is_over.is_set():
            accepting = {listener: held.unit for held in self._held.values() if held.unit["Accept"] == "yes"
                         for listener in held.listeners}
            for ready in select.select([self._journal, *accepting], [], [], TICK_FOR)[0]:
                if ready is self._journal:
                    self._read()
                else:
                    self._accept(ready, accepting[ready])
            self._keep()

    def _read(self) -> None:
        """Take what the services say; nobody says half a line."""
        self.log += self._journal.recv(1 << 20).decode("latin-1").splitlines()

    def _accept(self, listener: socket.socket, unit: Unit) -> None:
        """Start an instance for a connection, or turn it away if there are enough."""
        connection, _ = listener.accept()
        with connection:
            name = unit.name.replace(".socket", "@.service")
            running = [one for one in self.services if one.unit.name == name]
            if len(running) < int(unit["MaxConnections"]):
                service = Service(self.units[name], [connection.fileno()], ["connection"])
                self.services.append(service)
                self._start(service)

    def _keep(self) -> None:
        """Start what is not running and should be, and forget instances that have ended."""
        for service in list(self.services):
            if service.process is None:
                if service.again_at <= time.monotonic():
                    self._start(service)
            elif service.process.poll() is not None:
                failed = service.process.returncode not in CLEAN
                service.process = None
                if service.unit["Restart"] == "on-failure" and failed:
                    service.again_at = time.monotonic() + AGAIN_FOR
                else:
                    self.services.remove(service)

    def _start(self, service: Service) -> None:
        """Start a service."""
        order = json.dumps(self._order(service))
        words = [code().executable, "-P", "-s", os.path.join(package_root(), "test", "kit", "confine.py"), order]
        service.process = subprocess.Popen(
            self.world.inside(words), pass_fds=service.fds, stdin=subprocess.DEVNULL, stdout=self._output,
            stderr=self._output, cwd="/", env={**code().environment(), "NOTIFY_SOCKET": "/nonexistent"},
            start_new_session=True)

    def _order(self, service: Service) -> dict[str, object]:
        """What is to be run, and how it is restricted."""
        unit = service.unit
        user, group = unit["User"], unit["Group"]
        names = unit["CapabilityBoundingSet"].split()
        families = unit["RestrictAddressFamilies"].split()
        return {
            "words": self._words(unit), "fds": service.fds, "names": service.names,
            "user": ROLES[user][0] if user else None, "group": GROUPS[group], "groups": [GROUPS[group]],
            "capabilities": [CAPABILITIES[name] for name in names],
            "calls": allowed_calls(unit.settings.get("SystemCallFilter", [])),
            "families": [FAMILIES[name] for name in families] if families else None,
            "settings": {name: unit[name].replace(HOME, self.world.home) for name in unit.settings},
        }

    def _words(self, unit: Unit) -> list[str]:
        """The command line, with the world's home and the code under test."""
        line = unit["ExecStart"]
        for setting in unit.settings.get("Environment", []):
            name, _, value = setting.partition("=")
            line = line.replace("${" + name + "}", value)
        twistd, *words = shlex.split(line)
        assert twistd == TWISTD, twistd
        return code().twistd(*(word.replace(HOME, self.world.home) for word in words))

    def process(self, name: str) -> int:
        """The number of the process of a service that runs."""
        def found() -> list[int]:
            """Those who run under this name."""
            return [one.process.pid for one in self.services if one.unit.name == name and one.process]

        wait_until(found, f"{name} runs")
        return found()[0]

    def wait_for(self, text: str, start: int = 0, patience: float = PATIENCE) -> int:
        """Wait for a line with *text* in it, from line *start* on; give its number."""
        def found() -> Iterator[int]:
            """The numbers of such lines."""
            return (at for at, line in enumerate(list(self.log)) if at >= start and text in line)

        try:
            wait_until(lambda: next(found(), None) is not None, text, patience)
        except AssertionError as trouble:
            raise AssertionError(f"{trouble}; the log is:\n" + "\n".join(self.log)) from None
        return next(found())

    def stop(self) -> None:
        """End everything, send before those who work for it."""
        self._is_over.set()
        self._thread.join()
        order = sorted(self.services, key=lambda one: one.unit.name != "qmail-send.service")
        for service in order:
            if service.process is not None and service.process.poll() is None:
                service.process.send_signal(signal.SIGTERM)
                try:
                    service.process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    service.process.kill()
                    service.process.wait()
        self.services = []
        self._read_rest()
        for held in self._held.values():
            for listener in held.listeners:
                listener.close()
        self._held = {}

    def _read_rest(self) -> None:
        """Take what was said at the end."""
        self._output.close()
        with self._journal:
            while select.select([self._journal], [], [], 0)[0]:
                before = len(self.log)
                self._read()
                if len(self.log) == before:
                    break
