"""qmail-send as a real process, between a door and two spawners that the test plays itself."""

from __future__ import annotations

import grp
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import time

import qtwisted.system.start
from qtwisted.model.envelope import Envelope, todo_record
from qtwisted.system.sockets import listen_unix
from qtwisted.wire import door

SPLIT = 23
HOST = b"test.example"
#: nothing that is waited for takes so long
PATIENCE = 30.0


def make_home(path, **controls):
    """Make a home with an empty queue, whose users are all the one who runs the test."""
    for kind in ("bounce", "intd", "lock", "pid", "todo"):
        os.makedirs(f"{path}/queue/{kind}")
    for kind in ("mess", "info", "local", "remote"):
        for part in range(SPLIT):
            os.makedirs(f"{path}/queue/{kind}/{part}")
    open(f"{path}/queue/lock/sendmutex", "w").close()
    os.mkfifo(f"{path}/queue/lock/trigger", 0o622)
    for name in ("control", "conf", "run"):
        os.mkdir(f"{path}/{name}")
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    write(f"{path}/conf/conf-users", f"{user}\n".encode() * 8)
    write(f"{path}/conf/conf-groups", f"{group}\n".encode() * 2)
    controls.setdefault("me", HOST)
    for name, value in controls.items():
        if value is not None:
            write(f"{path}/control/{name}", value)


def write(path, data):
    """Write a whole file."""
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    """Read a whole file."""
    with open(path, "rb") as file:
        return file.read()


class Spawner:
    """One spawner, played by the test."""

    def __init__(self, hello):
        """Have a socket on which the greeting waits already."""
        self.ours, self.theirs = socket.socketpair()
        if hello is not None:
            self.ours.send(bytes([hello]))
        self.buffer = b""
        self.orders = []
        self.is_lost = False

    def ready(self):
        """Read orders: (slot, messid, sender, recipient)."""
        try:
            data = self.ours.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.is_lost = True
        self.buffer += data
        while self.buffer[1:].count(b"\0") >= 3:
            messid, sender, recipient, rest = self.buffer[1:].split(b"\0", 3)
            self.orders.append((self.buffer[0], messid, sender, recipient))
            self.buffer = rest

    def report(self, slot, text):
        """Report on a delivery."""
        self.ours.sendall(bytes([slot]) + text + b"\0")

    def close(self):
        """Go away."""
        self.ours.close()
        self.is_lost = True


class Send:
    """The process and its surroundings."""

    def __init__(self, home, hellos=(120, 120), start=True):
        """Start qmail-send in a home; the door listens before it runs."""
        self.home = home
        self.lines = []
        self.text = b""
        self.commands = []
        self.bounces = []
        self.connections = {}
        self.listener = listen_unix(f"{home}/run", "queue-priv.sock", 0o666)
        self.watcher = None
        self.qp = 900
        self.is_holding = False
        self.spawners = [Spawner(hello) for hello in hellos]
        self.log, log = os.pipe()
        os.set_inheritable(log, True)
        fds = {"log": log, "lspawn": self.spawners[0].theirs.fileno(), "rspawn": self.spawners[1].theirs.fileno()}
        words = [f"home={home}", f"parent={os.getpid()}", f"path={os.getcwd()}"]
        words += [f"fd.{name}={number}" for name, number in fds.items()]
        command = [sys.executable, "-P", "-s", "-B", qtwisted.system.start.__file__, "send", *words]
        self.process = subprocess.Popen(command, pass_fds=list(fds.values()), stdin=subprocess.DEVNULL)
        os.close(log)
        for spawner in self.spawners:
            spawner.theirs.close()

    # The surroundings at work

    def turn(self, wait=0.2):
        """Wait a moment for anything to happen, and react."""
        sources = {self.listener.fileno(): self.accept}
        if self.log is not None:
            sources[self.log] = self.read_log
        for spawner in self.spawners:
            if not spawner.is_lost:
                sources[spawner.ours.fileno()] = spawner.ready
        for connection in self.connections:
            sources[connection.fileno()] = lambda connection=connection: self.serve(connection)
        ready, _, _ = select.select(list(sources), [], [], wait)
        for fd in ready:
            sources[fd]()
        return bool(ready)

    def read_log(self):
        """Take log lines."""
        data = os.read(self.log, 65536)
        if not data:
            os.close(self.log)
            self.log = None
            return
        self.text += data
        *lines, self.text = self.text.split(b"\n")
        self.lines += [line.decode() for line in lines]

    def accept(self):
        """Take a connection to the door."""
        connection, _ = self.listener.accept()
        self.connections[connection] = (door.FrameReader(door.FROM_CLIENT), {})

    def serve(self, connection):
        """Do what the door does."""
        reader, drafts = self.connections[connection]
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            connection.close()
            del self.connections[connection]
            if self.watcher is connection:
                self.watcher = None
            return
        for letter, ident, payload in reader.received(data):
            if letter == door.WATCH:
                self.watcher = connection
            elif letter == door.COMMAND:
                self.carry_out(payload.rstrip(b"\0").decode())
                if not self.is_holding:
                    connection.sendall(door.frame(door.DONE, ident, b"+"))
            elif letter == door.PIECE:
                drafts.setdefault(ident, [b"", b""])[0] += payload
            elif letter == door.ENVELOPE:
                drafts.setdefault(ident, [b"", b""])[1] += payload
                if drafts[ident][1].endswith(b"\0\0"):
                    self.qp += 1
                    self.bounces.append(tuple(drafts.pop(ident)))
                    connection.sendall(door.frame(door.STORED, ident, b"%d" % self.qp))

    def carry_out(self, command):
        """Remove queue files."""
        self.commands.append(command)
        verb, number = command.split("/")
        names = {"todo": ["intd", "todo"], "foop": ["intd", "mess"], "done": ["todo", "intd", "mess"]}[verb]
        for kind in names:
            try:
                os.unlink(self.name(kind, number))
            except FileNotFoundError:
                pass

    # What a test does

    def name(self, kind, number):
        """Give the path of a queue file."""
        part = f"{int(number) % SPLIT}/" if kind in ("mess", "info", "local", "remote") else ""
        return f"{self.home}/queue/{kind}/{part}{number}"

    def until(self, condition, what="it"):
        """Let everything work until a condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not happen; the log says {self.lines}")
            self.turn()

    def line(self, text):
        """Wait for a log line that contains a text."""
        self.until(lambda: any(text in line for line in self.lines), text)

    def store(self, number, *recipients, sender=b"joe@test.example"):
        """Queue a message as qmail-queue does, and pull no trigger."""
        record = todo_record(1002, 3374, Envelope(sender, recipients))
        write(self.name("mess", number), b"Subject: x\n\nhello\n")
        write(self.name("todo", number), record)
        return record

    def arrive(self, number, *recipients, **more):
        """Queue a message and tell of it as the door does."""
        record = self.store(number, *recipients, **more)
        self.until(lambda: self.watcher is not None, "the watch")
        self.watcher.sendall(door.frame(door.NOTICE, 0, door.notice(number, 18, record)))

    def signal(self, number):
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self):
        """Wait for the end of the process and give its exit code; the log is complete then."""
        self.until(lambda: self.process.poll() is not None, "the end")
        self.until(lambda: self.log is None, "the end of the log")
        return self.process.returncode

    def close(self):
        """End the process by force and close everything."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        for spawner in self.spawners:
            spawner.ours.close()
        for connection in self.connections:
            connection.close()
        self.connections = {}
        self.listener.close()
        if self.log is not None:
            os.close(self.log)
            self.log = None
