"""What both benchmarks need of the machine: private users, process CPU figures, and Postfix's load generator.

A benchmark must not leave anything behind on the machine it runs on. So the people who receive mail live
in a private mount namespace that has its own /etc/passwd and /etc/group, and every figure is read from /proc.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PEOPLE = {"benchman": 7001}
QMAIL_USERS = ("alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails")
NOFILES = {"alias", "qmaild", "qmaill", "qmailp"}


def enter_private_namespace(room: Path) -> None:
    """Re-execute this script in a mount namespace whose users are the eight of qmail and one recipient.

    Does nothing when already inside. Needs root.
    """
    if os.environ.get("QTWISTED_BENCH_INSIDE"):
        return
    if os.geteuid() != 0:
        sys.exit("this benchmark delivers to real users: run it as root")
    passwd, group = room / "passwd", room / "group"
    passwd.write_text(Path("/etc/passwd").read_text() + _passwd_lines(room))
    group.write_text(Path("/etc/group").read_text() + "qmail:x:7100:\nnofiles:x:7101:\nbenchman:x:7001:\n")
    binds = f"mount --bind {passwd} /etc/passwd && mount --bind {group} /etc/group"
    environment = dict(os.environ, QTWISTED_BENCH_INSIDE="1", QTWISTED_BENCH_ROOM=str(room))
    command = f'{binds} && exec "$0" "$@"'
    os.execvpe(
        "unshare",
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", command, sys.executable, *sys.argv],
        environment,
    )


def _passwd_lines(room: Path) -> str:
    """The passwd lines of the seven qmail users and of the recipient."""
    lines = []
    for number, name in enumerate(QMAIL_USERS):
        gid = 7101 if name in NOFILES else 7100
        home = room / "home/alias" if name == "alias" else room / "home"
        lines.append(f"{name}:x:{7110 + number}:{gid}::{home}:/bin/false\n")
    for name, uid in PEOPLE.items():
        lines.append(f"{name}:x:{uid}:{uid}::{room / 'people' / name}:/bin/sh\n")
    return "".join(lines)


def make_people(room: Path) -> Path:
    """Make the recipient's home with an empty Maildir; return the Maildir."""
    for name, uid in PEOPLE.items():
        maildir = room / "people" / name / "Maildir"
        for part in ("tmp", "new", "cur"):
            (maildir / part).mkdir(parents=True, exist_ok=True)
        for path in (maildir.parent, maildir, *maildir.iterdir()):
            os.chown(path, uid, uid)
            path.chmod(0o700)
    return maildir


def renew(maildir: Path, turn: int) -> None:
    """Put an empty Maildir in place of the used one, so that each turn starts alike.

    The old messages are kept until the end: a file system may be slow to give out what was just freed, and
    that must not be charged to the next turn.
    """
    if any((maildir / "new").iterdir()):
        maildir.rename(maildir.with_name(f"used.{turn}.{time.monotonic_ns()}"))
        make_people(maildir.parent.parent.parent)
    os.sync()


def cpu_by_process(root_pid: int) -> dict[str, float]:
    """CPU seconds used so far by a process and all its living descendants, summed by a readable name.

    Reaped children count with the process that reaped them.
    """
    parents: dict[int, list[int]] = {}
    stats: dict[int, tuple[str, float]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            name, rest = _split_stat(Path(f"/proc/{entry}/stat").read_text())
            command = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        spent = sum(int(rest[column]) for column in (11, 12, 13, 14)) / TICKS_PER_SECOND
        stats[int(entry)] = (_readable(name, command), spent)
        parents.setdefault(int(rest[1]), []).append(int(entry))
    totals: dict[str, float] = {}
    waiting = [(root_pid, "")]
    while waiting:
        pid, parent_name = waiting.pop()
        if pid not in stats:
            continue
        name, spent = stats[pid]
        label = "worker" if name == parent_name == "lspawn" else name
        totals[label] = totals.get(label, 0.0) + spent
        waiting += [(child, name) for child in parents.get(pid, [])]
    return totals


def _split_stat(line: str) -> tuple[str, list[str]]:
    """The command name and the fields after it of a /proc/PID/stat line."""
    head, _, tail = line.rpartition(")")
    return head.partition("(")[2], tail.split()


def _readable(name: str, command: list[bytes]) -> str:
    """The role of a process of ours, else its command name."""
    for place, word in enumerate(command[:-1]):
        if word.endswith(b"system/start.py"):
            return command[place + 1].decode()
    if any(part.endswith(b"twistd") or part == b"qmail" for part in command):
        return "master"
    return name


def send_load(port: int, recipient: str, messages: int, size: int, sessions: int) -> None:
    """Send the load with Postfix's smtp-source, which must be installed."""
    source = shutil.which("smtp-source") or "/usr/sbin/smtp-source"
    subprocess.run(
        [source, "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f", "sender@bench.example",
         "-t", recipient, f"127.0.0.1:{port}"],
        check=True,
    )


def wait_for_files(folder: Path, count: int, limit: float = 300.0) -> None:
    """Wait until a folder holds `count` entries; give up after `limit` seconds without any progress."""
    seen, last_change_at = -1, time.monotonic()
    while True:
        now_there = len(os.listdir(folder))
        if now_there >= count:
            return
        if now_there != seen:
            seen, last_change_at = now_there, time.monotonic()
        elif time.monotonic() - last_change_at > limit:
            sys.exit(f"only {now_there} of {count} messages arrived")
        time.sleep(0.02)


def wait_for_port(port: int, limit: float = 30.0) -> None:
    """Wait until something greets on a loopback port."""
    import socket

    end_at = time.monotonic() + limit
    while time.monotonic() < end_at:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
                if connection.recv(4).startswith(b"220"):
                    return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers on port {port}")
