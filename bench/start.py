"""How long our programs take to start, as a ratio to Python itself: ``python3 -S -c pass`` on the same machine.

    bench/start.py [--rounds 15] [--limit 3] [PROGRAM ...]

Each program is started by the launcher that qmail-config puts into HOME/bin, from a compiled copy of the package, in
turns with bare Python. Where a little work can be done without a mail system the program does it, else it prints its
manual (marked ``--help``). Printed are the median of the processor time of each start, in milliseconds, and its
ratio to that of bare Python; the exit code is 1 if a program that is started for each message or command is above
the limit.
"""

from __future__ import annotations

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from qtwisted.admin.install import launchers, portable

#: programs that may start slowly: they live long, ask the DNS with Twisted, or are an administrator's now and then
EXEMPT = ("config", "dnscname", "dnsfq", "dnsip", "dnsmxip", "dnsptr", "instcheck", "instchown", "qmail-config",
          "qmail-lspawn", "qmail-remote", "qmail-rspawn", "qmail-start", "qmail-upq", "qmailctl")
#: a little work, as arguments; what comes on descriptor 0 is below
WORK = {
    "bouncesaying": ["no", "false"],
    "condredirect": ["new@x", "false"],
    "dot-forward": [".nothing"],
    "except": ["false"],
    "maildirmake": ["{place}/made"],
    "preline": ["true"],
    "qmail-getpw": ["root"],
    "qmail-inject": ["-n"],
    "qmail-newmrh": [],
    "qmail-newu": [],
    "qmail-qmqpd": [],
    "qmail-qmtpd": [],
    "qmail-smtpd": [],
    "sendmail": ["-bz"],
    "splogger": [],
    "tcp-env": ["true"],
}
INPUT = {"qmail-smtpd": b"QUIT\r\n", "qmail-inject": b"To: joe\n\nbody\n", "preline": b"a: b\n\nc\n"}
CONTROLS = {"control/me": "bench.example\n", "control/morercpthosts": "b.example\n",
            "users/assign": "=joe:joe:0:0:/:::\n.\n"}
ENVIRONMENT = {
    "PATH": os.defpath, "PROTO": "TCP", "SENDER": "s@x", "NEWSENDER": "s@x", "RECIPIENT": "r@x", "LOCAL": "r",
    "HOST": "x", "USER": "joe", "HOME": "/", "EXT": "", "DEFAULT": "", "DTLINE": "Delivered-To: r@x\n",
    "RPLINE": "Return-Path: <s@x>\n", "UFLINE": "From s@x Mon\n",
}


class Started(NamedTuple):
    """One program to be started."""

    name: str
    words: list[str]
    data: bytes
    works: bool


def prepare(place: Path) -> list[Started]:
    """Make a home with a launcher for each program, and a compiled copy of the package."""
    copy, home = place / "copy", place / "home"
    portable.copy(str(copy))
    compileall.compile_dir(copy / "qtwisted", quiet=2)
    for name, text in CONTROLS.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    (home / "bin").mkdir()
    found = []
    for name, module, function in launchers.programs():
        # the interpreter may lie below the package, and stays where it is
        first, end, rest = launchers.script(str(home), module, function).partition("\n")
        text = first + end + rest.replace(repr(launchers.package_root()), repr(str(copy)))
        path = home / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
        words = [word.format(place=place) for word in WORK.get(name, ["--help"])]
        found.append(Started(name, [str(path), *words], INPUT.get(name, b""), name in WORK))
    return found


def start(words: list[str], data: bytes, place: Path) -> float:
    """Start a program and wait for its end; give its processor time in milliseconds."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(data)
        stdin.seek(0)
        process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=ENVIRONMENT, cwd=place)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return 1000 * (usage.ru_utime + usage.ru_stime)


def measure(programs: list[Started], rounds: int, place: Path) -> dict[str, float]:
    """Start everything in turns; give the median of each, that of bare Python under no name."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        times.setdefault("", []).append(start([sys.executable, "-S", "-c", "pass"], b"", place))
        for program in programs:
            times.setdefault(program.name, []).append(start(program.words, program.data, place))
    return {name: statistics.median(each) for name, each in times.items()}


def report(programs: list[Started], medians: dict[str, float], limit: float) -> int:
    """Print the table, the slowest last; give how many are above the limit."""
    bare = medians.pop("")
    print(f"{bare:7.1f} ms   1.0  bare python3 -S -c pass")
    works = {program.name: program.works for program in programs}
    above = 0
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        is_slow = median / bare > limit and name not in EXEMPT
        above += is_slow
        how = "" if works[name] else " --help"
        print(f"{median:7.1f} ms {median / bare:5.1f}  {name}{how}{'   above the limit' if is_slow else ''}")
    print(f"{len(medians)} programs, {above} above {limit} times bare Python")
    return above


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--limit", type=float, default=3.0)
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qtwisted-bench-", dir="/var/tmp") as room:
        place = Path(room)
        programs = [each for each in prepare(place) if not options.programs or each.name in options.programs]
        measure(programs, 1, place)
        return 1 if report(programs, measure(programs, options.rounds, place), options.limit) else 0


if __name__ == "__main__":
    sys.exit(main())
