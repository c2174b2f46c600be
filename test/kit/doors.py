"""A queue with a door that really runs, alone, and ways to talk to it.

The home lies in a scratch directory and belongs to whoever runs the test; users are not separated.
"""

from __future__ import annotations

import grp
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.system.sockets import connect_unix, listen_unix
from qtwisted.system.start import command
from qtwisted.wire import door

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from twisted.trial.unittest import SynchronousTestCase

    from test.kit.halting import Halts

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPLIT = 23
PATIENCE = 30.0


class Queued(NamedTuple):
    """A message in state S4."""

    number: int
    todo: bytes
    text: bytes


def make_queue(queue: str, split: int = SPLIT) -> None:
    """Make the directories of a queue, and its trigger."""
    parts = [f"{name}/{part}" for name in ("mess", "info", "local", "remote") for part in range(split)]
    for directory in ["pid", "intd", "todo", "bounce", "lock", *parts]:
        os.makedirs(f"{queue}/{directory}")
    os.mkfifo(f"{queue}/lock/trigger", 0o622)


class DoorHome:
    """A home with a queue and, after ``start``, a door."""

    def __init__(self, test: SynchronousTestCase, under: str | None = None) -> None:
        """Make the home; it is removed after the test, and the door ended."""
        self.place = tempfile.mkdtemp(prefix="qtwisted-door-", dir=under or "/var/tmp")
        test.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.path = self.place + "/home"
        self.queue = self.path + "/queue"
        make_queue(self.queue)
        for directory in ("run", "control", "conf"):
            os.makedirs(f"{self.path}/{directory}")
        user = pwd.getpwuid(os.getuid()).pw_name
        group = grp.getgrgid(os.getgid()).gr_name
        self.write("conf/conf-users", (user + "\n") * 8)
        self.write("conf/conf-groups", (group + "\n") * 2)
        self.process: subprocess.Popen[bytes] | None = None
        self._listeners: dict[str, socket.socket] = {}
        test.addCleanup(self.end)

    def write(self, name: str, text: str) -> None:
        """Write a file in the home."""
        with open(f"{self.path}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def start(self, before: Sequence[str] = (), halts: Halts | None = None) -> None:
        """Start the door; its log goes to a file.

        ``before`` are words to put in front of its command line, ``halts`` makes it halt before each sync.
        """
        os.umask(0o022)
        if not self._listeners:
            self._listeners = {
                "users": listen_unix(self.path + "/run", "queue.sock", 0o666),
                "roles": listen_unix(self.path + "/run", "queue-priv.sock", 0o666),
            }
        with open(self.place + "/log", "ab") as log:
            fds = {name: listener.fileno() for name, listener in self._listeners.items()}
            fds["log"] = log.fileno()
            words = command("door", self.path, os.getpid(), None, fds, {}, [ROOT])
            words[1:1] = ["-B"]
            if halts is not None:
                words = halts.through(words)
            self.process = subprocess.Popen(
                [*before, *words], pass_fds=[*fds.values(), *(halts.fds if halts else ())],
                stdin=subprocess.DEVNULL, stderr=log)
            if halts is not None:
                halts.started()

    def kill(self) -> None:
        """End the door as a crash would; its sockets go on listening."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End the door as the master does; give its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        """Leave no process and no socket."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for listener in self._listeners.values():
            listener.close()

    def log(self) -> str:
        """What the door said."""
        with open(self.place + "/log", encoding="utf-8") as file:
            return file.read()

    # Talking

    def caller(self, name: str = "queue-priv.sock") -> Caller:
        """Connect."""
        return Caller(connect_unix(self.path + "/run", name))

    def environment(self) -> dict[str, str]:
        """What programs of ours need to find this home and the package."""
        return {
            "QMAILHOME": self.path,
            "PYTHONPATH": ROOT,
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def program(self, message: bytes, envelope: bytes, more: Mapping[str, str] | None = None) -> int:
        """Run qmail-queue; give its exit code."""
        reader, writer = os.pipe()
        try:
            words = [sys.executable, "-m", "qtwisted.store.queue"]
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=reader, env={**self.environment(), **(more or {})}
            )
            os.write(writer, envelope)
        finally:
            os.close(reader)
            os.close(writer)
        process.communicate(message)
        return process.returncode

    # Looking

    def names(self, directory: str) -> list[str]:
        """The names in a directory of the queue."""
        return sorted(os.listdir(f"{self.queue}/{directory}"))

    def texts(self) -> list[str]:
        """The names of all files in mess/."""
        return sorted(name for part in range(SPLIT) for name in self.names(f"mess/{part}"))

    def read(self, name: str) -> bytes:
        """Read a file of the queue."""
        with open(f"{self.queue}/{name}", "rb") as file:
            return file.read()

    def queued(self) -> list[Queued]:
        """All messages in todo/, with their texts."""
        return [
            Queued(int(name), self.read(f"todo/{name}"), self.read(f"mess/{int(name) % SPLIT}/{name}"))
            for name in self.names("todo")
        ]

    def rests(self) -> list[str]:
        """Every file in pid/, intd/, todo/ and mess/."""
        found = [
            f"{directory}/{name}" for directory in ("pid", "intd", "todo") for name in self.names(directory)
        ]
        return found + ["mess/" + name for name in self.texts()]


class Caller:
    """A connection to the door."""

    def __init__(self, connection: socket.socket) -> None:
        """Wait for answers, but not for ever."""
        self.socket = connection
        self.socket.settimeout(PATIENCE)
        self._reader = door.FrameReader(door.FROM_DOOR)
        self._frames: list[tuple[bytes, int, bytes]] = []

    def send(self, *frames: bytes) -> None:
        """Send frames."""
        self.socket.sendall(b"".join(frames))

    def message(self, ident: int, text: bytes, envelope: bytes) -> None:
        """Send a message."""
        self.send(door.frames(door.PIECE, ident, text), door.frames(door.ENVELOPE, ident, envelope))

    def answer(self) -> tuple[bytes, int, bytes] | None:
        """Wait for one frame; None at the end of the connection."""
        while not self._frames:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._frames = self._reader.received(data)
        return self._frames.pop(0)

    def has_more(self) -> bool:
        """Is there something to be read without waiting?"""
        return bool(self._frames or select.select([self.socket], [], [], 0)[0])

    def close(self) -> None:
        """End the connection."""
        self.socket.close()
