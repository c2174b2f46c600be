"""Mail in by SMTP, out by SMTP to smtp-sink: qtwisted and Postfix in turns on the same machine.

    bench/relay.py [--messages 5000] [--size 4000] [--sessions 20] [--concurrency 20] [--rounds 5]

Each turn sends the load with smtp-source and ends when the last message is with the sink. What is printed is a ratio
of rates in the same run, because the machine may be shared; and the CPU time per message of each role. Both may use
as many connections at a time. Needs root (real users in a private mount namespace) and Debian's postfix package.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import machine
from local_delivery import Ours, report
from postfix import Postfix
from sink import Sink

RECIPIENT = "somebody@far.example"
POSTFIX_PORT, SINK_PORT = 2602, 2603


def one_turn(server: Ours | Postfix, sink: Sink, wanted: argparse.Namespace) -> tuple[float, dict[str, float]]:
    """Run the load once; return messages per second and CPU microseconds per message by role."""
    server.start()
    try:
        machine.wait_for_port(server.port)
        machine.send_load(server.port, RECIPIENT, wanted.warmup, wanted.size, wanted.sessions)
        sink.wait_for(wanted.warmup)
        before = machine.cpu_by_process(server.pid())
        started_at = time.monotonic()
        machine.send_load(server.port, RECIPIENT, wanted.messages, wanted.size, wanted.sessions)
        accepted_for = time.monotonic() - started_at
        took_for = sink.wait_for(wanted.warmup + wanted.messages) - started_at
        after = machine.cpu_by_process(server.pid())
    finally:
        server.stop()
    spent = {role: (after[role] - before.get(role, 0.0)) * 1e6 / wanted.messages for role in after}
    print(f"    accepted in {accepted_for:.2f} s, all relayed after {took_for:.2f} s", flush=True)
    return wanted.messages / took_for, spent


def main() -> None:
    """Run the turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = {"messages": 5000, "size": 4000, "sessions": 20, "concurrency": 20, "rounds": 5, "warmup": 200}
    for option, default in options.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--ours-only", action="store_true")
    wanted = parser.parse_args()
    room = Path(os.environ.get("QTWISTED_BENCH_ROOM") or tempfile.mkdtemp(prefix="bench.", dir="/var/tmp"))
    room.chmod(0o755)
    machine.enter_private_namespace(room)
    try:
        ours = Ours(room)
        (ours.home / "control/smtproutes").write_text(f":127.0.0.1:{SINK_PORT}\n")
        (ours.home / "control/concurrencyremote").write_text(f"{wanted.concurrency}\n")
        (ours.home / "control/relayclients").write_text("127.0.0.1\n")
        servers: dict[str, Ours | Postfix] = {"qtwisted": ours}
        if not wanted.ours_only:
            servers["postfix"] = Postfix(room, POSTFIX_PORT, f"[127.0.0.1]:{SINK_PORT}")
        rates: dict[str, list[float]] = {name: [] for name in servers}
        spent: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for turn in range(wanted.rounds):
            for name, server in servers.items():
                print(f"turn {turn + 1} of {wanted.rounds}: {name}", flush=True)
                sink = Sink(SINK_PORT)
                try:
                    rate, cpu = one_turn(server, sink, wanted)
                finally:
                    sink.stop()
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
