"""Mail in by SMTP, out to one Maildir: qtwisted and Postfix in turns on the same machine.

    bench/local_delivery.py [--messages 5000] [--size 4000] [--sessions 20] [--rounds 5]

Each turn sends the load with smtp-source and ends when the last file is in the Maildir. What is printed is a
ratio of rates in the same run, because the machine may be shared; and the CPU time per message of each role.
Needs root (real users in a private mount namespace) and Debian's postfix package.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
from postfix import Postfix

RECIPIENT = "benchman@bench.example"
OURS_PORT, POSTFIX_PORT = 2601, 2602


class Ours:
    """One qtwisted in a scratch home: `start`, `pid`, `stop`."""

    port = OURS_PORT

    def __init__(self, room: Path, fronts: int | None = None) -> None:
        """Make the home with qmail-config."""
        self.home = room / "home"
        self.fronts = fronts
        self.process: subprocess.Popen[bytes] | None = None
        self.log = room / "log"
        programs = Path(sys.executable).parent
        self.twistd = [sys.executable, "-P", str(programs / "twistd")]
        config = [sys.executable, "-P", "-c", "from qtwisted.admin.config import main; main()"]
        subprocess.run([*config, "--home", str(self.home), "bench.example"], check=True, stdout=subprocess.DEVNULL)
        (self.home / "control/locals").write_text("bench.example\n")
        (self.home / "control/concurrencylocal").write_text("20\n")

    def start(self) -> None:
        """Start `twistd -n qmail` on the scratch home."""
        command = [*self.twistd, "-n", "--pidfile=", "qmail", "--home", str(self.home)]
        command += ["--smtp", f"tcp:{self.port}:interface=127.0.0.1", "--default-delivery", "./Maildir/"]
        if self.fronts:
            command += ["--fronts", str(self.fronts)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")

    def stop(self) -> None:
        """Stop it and wait."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def pid(self) -> int:
        """The process id of the master."""
        assert self.process is not None
        return self.process.pid


def one_turn(
    server: Ours | Postfix, maildir: Path, wanted: argparse.Namespace, turn: int
) -> tuple[float, dict[str, float]]:
    """Run the load once; return messages per second and CPU microseconds per message by role."""
    machine.renew(maildir, turn)
    server.start()
    try:
        machine.wait_for_port(server.port)
        machine.send_load(server.port, RECIPIENT, wanted.warmup, wanted.size, wanted.sessions)
        machine.wait_for_files(maildir / "new", wanted.warmup)
        before = machine.cpu_by_process(server.pid())
        started_at = time.monotonic()
        machine.send_load(server.port, RECIPIENT, wanted.messages, wanted.size, wanted.sessions)
        accepted_for = time.monotonic() - started_at
        machine.wait_for_files(maildir / "new", wanted.warmup + wanted.messages)
        took_for = time.monotonic() - started_at
        after = machine.cpu_by_process(server.pid())
    finally:
        server.stop()
    spent = {role: (after[role] - before.get(role, 0.0)) * 1e6 / wanted.messages for role in after}
    print(f"    accepted in {accepted_for:.2f} s, all there after {took_for:.2f} s", flush=True)
    return wanted.messages / took_for, spent


def report(name: str, rates: list[float], spent: list[dict[str, float]]) -> None:
    """Print the rates and the median CPU per message of each role."""
    print(f"{name}: {statistics.median(rates):.0f} messages/s (from {min(rates):.0f} to {max(rates):.0f})")
    total = 0.0
    for role in sorted({role for turn in spent for role in turn}):
        middle = statistics.median(turn.get(role, 0.0) for turn in spent)
        total += middle
        if middle >= 1:
            print(f"    {role:10} {middle:6.0f} us CPU a message")
    print(f"    {'all':10} {total:6.0f} us CPU a message")


def main() -> None:
    """Run the turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("messages", 5000), ("size", 4000), ("sessions", 20), ("rounds", 5), ("warmup", 200)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--fronts", type=int)
    parser.add_argument("--ours-only", action="store_true")
    wanted = parser.parse_args()
    room = Path(os.environ.get("QTWISTED_BENCH_ROOM") or tempfile.mkdtemp(prefix="bench.", dir="/var/tmp"))
    room.chmod(0o755)
    machine.enter_private_namespace(room)
    try:
        maildir = machine.make_people(room)
        servers: dict[str, Ours | Postfix] = {"qtwisted": Ours(room, wanted.fronts)}
        if not wanted.ours_only:
            servers["postfix"] = Postfix(room, POSTFIX_PORT)
        rates: dict[str, list[float]] = {name: [] for name in servers}
        spent: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for turn in range(wanted.rounds):
            for name, server in servers.items():
                print(f"turn {turn + 1} of {wanted.rounds}: {name}", flush=True)
                rate, cpu = one_turn(server, maildir, wanted, turn)
                rates[name].append(rate)
                spent[name].append(cpu)
        for name in servers:
            report(name, rates[name], spent[name])
        if len(servers) == 2:
            ratios = [ours / theirs for ours, theirs in zip(rates["qtwisted"], rates["postfix"], strict=True)]
            print(f"ratio qtwisted/postfix, turn by turn: median {statistics.median(ratios):.2f}"
                  f" (from {min(ratios):.2f} to {max(ratios):.2f})")
    finally:
        shutil.rmtree(room, ignore_errors=True)


if __name__ == "__main__":
    main()
