"""A front that really runs, before a door that really runs, on loopback ports of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from qtwisted.system.start import command
from test.kit.doors import ROOT, DoorHome

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase

    from test.kit.doors import Queued


class FrontHome:
    """A home with a door, and a front that serves some services."""

    def __init__(self, test: SynchronousTestCase, *services: str, queue: str | None = None, **controls: str) -> None:
        """Start both with these control files; ``queue`` is a program that takes the place of the queue."""
        self.home = DoorHome(test)
        for name, text in controls.items():
            self.home.write(f"control/{name}", text)
        self.home.start()
        listeners = {service: socket.create_server(("127.0.0.1", 0), backlog=512) for service in services}
        self.ports = {service: listener.getsockname()[1] for service, listener in listeners.items()}
        with open(self.home.place + "/log", "ab") as log:
            fds = {service + "0": listener.fileno() for service, listener in listeners.items()}
            fds["log"] = log.fileno()
            path = [entry for entry in sys.path if entry.startswith("/")]
            words = command("front", self.home.path, os.getpid(), None, fds, {}, [ROOT, *path])
            environ = {**os.environ, "QMAILQUEUE": queue} if queue else dict(os.environ)
            self.process = subprocess.Popen(
                words, pass_fds=list(fds.values()), stdin=subprocess.DEVNULL, stderr=log, env=environ
            )
        for listener in listeners.values():
            listener.close()
        test.addCleanup(self.end)

    def connect(self, service: str) -> socket.socket:
        """Connect to a service; nobody waits for ever."""
        return socket.create_connection(("127.0.0.1", self.ports[service]), 60)

    def resident(self) -> int:
        """Give the memory of the front in bytes."""
        return resident(self.process.pid)

    def stop(self) -> int:
        """End the front in order; give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def end(self) -> None:
        """Leave no process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def queued(self) -> list[Queued]:
        """All messages in the queue."""
        return self.home.queued()


def resident(pid: int) -> int:
    """Give the memory of a process in bytes."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def receive_all(connection: socket.socket) -> bytes:
    """Read to the end; a connection that is reset ends, too."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data
