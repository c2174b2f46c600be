"""Postfix's smtp-sink as the world that takes our mail, and servers that take connections and say nothing."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
import time


class Sink:
    """One smtp-sink, which counts the messages it has taken."""

    def __init__(self, port: int, *options: str) -> None:
        """Listen on 127.0.0.1:`port`."""
        program = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
        command = [program, "-c", "-u", "nobody", *options, f"127.0.0.1:{port}", "1024"]
        self.messages = 0
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd="/tmp")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Keep the last count that it shows."""
        assert self._process.stdout is not None
        while words := self._process.stdout.read1(65536):
            for count in re.findall(rb"mesg=(\d+)", words)[-1:]:
                self.messages = int(count)

    def wait_for(self, count: int, limit: float = 300.0) -> float:
        """Wait until it has `count` messages; return the time of day, as time.monotonic() tells it, when it had."""
        give_up_at = time.monotonic() + limit
        while self.messages < count:
            if time.monotonic() > give_up_at:
                raise SystemExit(f"only {self.messages} of {count} messages arrived")
            time.sleep(0.01)
        return time.monotonic()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()


def silent_servers(count: int, port: int) -> list[socket.socket]:
    """Open servers on as many loopback addresses, where the kernel takes connections and nobody ever speaks."""
    opened = []
    for number in range(count):
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((silent_address(number), port))
        server.listen(128)
        opened.append(server)
    return opened


def silent_address(number: int) -> str:
    """The address of a silent server."""
    return f"127.1.{number // 250}.{number % 250 + 1}"
