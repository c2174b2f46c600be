"""Messages to many domains, most of which hang: how long until the good ones have theirs?

    bench/hanging.py [--domains 500] [--hanging 400] [--concurrency 20]

Each domain gets one message, in random order. A hanging domain takes connections and never says a word. What is
printed is the time from the first message handed in until the last good domain has its mail, and how much memory
qmail-rspawn uses then. Needs root (real users in a private mount namespace) and Debian's postfix package.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import smtplib
import tempfile
import time
from pathlib import Path

import machine
import sink
from local_delivery import OURS_PORT, Ours

GOOD_PORT, SILENT_PORT = 2603, 2604


def prepare(home: Path, wanted: argparse.Namespace) -> list[str]:
    """Route each domain to its server; return the domains in the order of their messages."""
    names = [f"d{number}.example" for number in range(wanted.domains)]
    routes = [
        f"{name}:{sink.silent_address(number)}:{SILENT_PORT}" for number, name in enumerate(names[: wanted.hanging])
    ]
    routes += [f"{name}:127.0.0.1:{GOOD_PORT}" for name in names[wanted.hanging :]]
    (home / "control/smtproutes").write_text("\n".join(routes) + "\n")
    (home / "control/concurrencyremote").write_text(f"{wanted.concurrency}\n")
    (home / "control/relayclients").write_text("127.0.0.1\n")
    if wanted.concurrency > 120:
        (home / "conf").mkdir(exist_ok=True)
        (home / "conf/conf-spawn").write_text(f"{wanted.concurrency}\n")
    random.Random(wanted.seed).shuffle(names)
    return names


def hand_in(domains: list[str]) -> None:
    """Hand in a message for each domain."""
    with smtplib.SMTP("127.0.0.1", OURS_PORT) as client:
        for domain in domains:
            client.sendmail("sender@bench.example", [f"someone@{domain}"], "Subject: hello\n\nhello\n")


def memory_of_rspawn(master: int) -> float:
    """The proportional share of memory of qmail-rspawn, in megabytes."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            if b"rspawn" in words and b"parent=%d" % master in words:
                lines = Path(f"/proc/{entry}/smaps_rollup").read_text().splitlines()
                return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
        except OSError:
            continue
    return 0.0


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("domains", 500), ("hanging", 400), ("concurrency", 20), ("seed", 1)):
        parser.add_argument(f"--{option}", type=int, default=default)
    wanted = parser.parse_args()
    room = Path(os.environ.get("QTWISTED_BENCH_ROOM") or tempfile.mkdtemp(prefix="bench.", dir="/var/tmp"))
    room.chmod(0o755)
    machine.enter_private_namespace(room)
    silent = sink.silent_servers(wanted.hanging, SILENT_PORT)
    good = sink.Sink(GOOD_PORT)
    ours = Ours(room)
    try:
        domains = prepare(ours.home, wanted)
        ours.start()
        machine.wait_for_port(OURS_PORT)
        began_at = time.monotonic()
        hand_in(domains)
        handed_in_at = time.monotonic()
        done_at = good.wait_for(wanted.domains - wanted.hanging)
        print(f"{wanted.domains} messages handed in within {handed_in_at - began_at:.2f} s")
        print(f"{wanted.domains - wanted.hanging} good ones through after {done_at - began_at:.2f} s, while "
              f"{wanted.hanging} hang; concurrency {wanted.concurrency}, "
              f"qmail-rspawn has {memory_of_rspawn(ours.pid()):.0f} MB")
        ours.stop()
    finally:
        good.stop()
        for server in silent:
            server.close()
        shutil.rmtree(room, ignore_errors=True)


if __name__ == "__main__":
    main()
