"""One huge message in by SMTP and out by SMTP: how much the processes that carry it grow.

    bench/big.py [--megabytes 1024] [--limit 16]

Small messages go first, so that everything is loaded. What is printed is, for each process, what it had before the
huge message and how far above that its resident memory rose while the message was received and relayed. The exit
code is 1 if a process has grown by more megabytes than the limit. The message is stored once: there must be that
much room below /var/tmp. Needs root (real users in a private mount namespace) and Debian's postfix package.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

import machine
from local_delivery import Ours
from sink import Sink

ROLES = ("front", "door", "send", "rspawn")
SINK_PORT = 2603
LINE = b"x" * 70 + b"\r\n"
BLOCK = LINE * 1024


def expect(replies: BinaryIO, digit: bytes) -> None:
    """Read one reply, and see that it is of the kind we need."""
    line = replies.readline()
    while line[3:4] == b"-":
        line = replies.readline()
    if line[:1] != digit:
        raise SystemExit(f"refused: {line!r}")


def hand_in(port: int, size: int) -> None:
    """Hand in one message of about `size` bytes."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as replies:
        expect(replies, b"2")
        for command in (b"EHLO bench.example", b"MAIL FROM:<sender@bench.example>", b"RCPT TO:<a@far.example>"):
            connection.sendall(command + b"\r\n")
            expect(replies, b"2")
        connection.sendall(b"DATA\r\n")
        expect(replies, b"3")
        connection.sendall(b"Subject: big\r\n\r\n")
        for _ in range(-(-size // len(BLOCK))):
            connection.sendall(BLOCK)
        connection.sendall(b".\r\nQUIT\r\n")
        expect(replies, b"2")


def carriers(home: Path) -> dict[int, str]:
    """The processes that carry a message for this home, by number."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"home=" + os.fsencode(home) in words:
            found.update({int(entry): role for role in ROLES if role.encode() in words})
    return found


def memory(pid: int, field: str) -> float:
    """VmRSS, the resident memory of a process, or VmHWM, the most it has had; in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {pid} has no {field}")


def carry(ours: Ours, sink: Sink, size: int) -> dict[str, tuple[float, float]]:
    """Carry the huge message; return what each role had before, and by how much the worst of it grew."""
    for count in range(1, 21):
        hand_in(ours.port, 4000)
        sink.wait_for(count)
    pids = carriers(ours.home)
    before = {pid: memory(pid, "VmRSS") for pid in pids}
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): the most it has had is what it has now
    began_at = time.monotonic()
    hand_in(ours.port, size)
    received_at = time.monotonic()
    relayed_at = sink.wait_for(21, 900.0)
    stored = max(map(int, re.findall(r"^.*info msg \d+: bytes (\d+) ", ours.log.read_text(), re.MULTILINE)))
    print(f"{stored} bytes: received in {received_at - began_at:.1f} s, "
          f"relayed {relayed_at - received_at:.1f} s after that")
    grown: dict[str, tuple[float, float]] = {}
    for pid, role in pids.items():
        here = before[pid], memory(pid, "VmHWM") - before[pid]
        grown[role] = max(grown.get(role, here), here, key=lambda both: both[1])
    return grown


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("megabytes", 1024), ("limit", 16)):
        parser.add_argument(f"--{option}", type=int, default=default)
    wanted = parser.parse_args()
    room = Path(os.environ.get("QTWISTED_BENCH_ROOM") or tempfile.mkdtemp(prefix="bench.", dir="/var/tmp"))
    room.chmod(0o755)
    machine.enter_private_namespace(room)
    sink = Sink(SINK_PORT)
    try:
        ours = Ours(room)
        (ours.home / "control/smtproutes").write_text(f":127.0.0.1:{SINK_PORT}\n")
        (ours.home / "control/relayclients").write_text("127.0.0.1\n")
        ours.start()
        try:
            machine.wait_for_port(ours.port)
            grown = carry(ours, sink, wanted.megabytes << 20)
        finally:
            ours.stop()
    finally:
        sink.stop()
        shutil.rmtree(room, ignore_errors=True)
    for role in ROLES:
        had, more = grown[role]
        print(f"    {role:8} had {had:5.1f} MB, grew by {more:5.1f} MB")
    sys.exit(1 if any(more > wanted.limit for _, more in grown.values()) else 0)


if __name__ == "__main__":
    main()
