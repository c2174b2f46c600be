"""The world outside a home, on loopback: name servers, port 25 of other hosts, and Postfix's smtp-sink."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from qtwisted.admin.install import launchers
from test.kit.running import wait_until

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase

_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin"
SINK = shutil.which("smtp-sink", path=_PATH)
SOURCE = shutil.which("smtp-source", path=_PATH)


def name_server(test: SynchronousTestCase, *lines: str) -> str:
    """Start a name server with this table (see dnsserver); gives the line for control/resolvers."""
    process = subprocess.Popen([sys.executable, "-m", "test.kit.dnsserver"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, cwd=launchers.package_root(), text=True)
    test.addCleanup(process.communicate)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n".join([*lines, ".", ""]))
    process.stdin.flush()
    return f"127.0.0.1:{int(process.stdout.readline())}\n"


class Forwarder:
    """Port 25 of a host that is another name for a port of this one."""

    def __init__(self, test: SynchronousTestCase, address: str, port: int) -> None:
        """Forward connections to ``address`` to a port of 127.0.0.1, until the test is over."""
        self._port = port
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((address, 25))
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        test.addCleanup(thread.join, 10)
        test.addCleanup(self._close)

    def _close(self) -> None:
        """End everything."""
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                theirs, _ = self._listener.accept()
            except OSError:
                return
            ours = socket.create_connection(("127.0.0.1", self._port))
            self._open += [theirs, ours]
            for source, target in ((theirs, ours), (ours, theirs)):
                threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy what comes in one direction, to its end."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class SmtpSink:
    """One smtp-sink with any of its options."""

    def __init__(self, test: SynchronousTestCase, *options: str) -> None:
        """Listen on a free port until the test is over."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        who = ["-u", "nobody"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen([str(SINK), "-c", *who, *options, f"127.0.0.1:{self.port}", "1024"],
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
        self._shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        test.addCleanup(self._stop)
        wait_until(self._answers, "smtp-sink to listen")

    def _answers(self) -> bool:
        """Does it listen?"""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _read(self) -> None:
        """Keep the counters it shows."""
        assert self._process.stdout is not None
        while words := self._process.stdout.read1(65536):  # type: ignore[attr-defined]
            self._shown = (self._shown + words)[-200:]

    def _stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def count(self, name: str) -> int:
        """One of its counters: ``sess``, ``quit`` or ``mesg``."""
        found = re.findall(name.encode() + rb"=(\d+) *[\rq m]", self._shown)
        return int(found[-1]) if found else 0
