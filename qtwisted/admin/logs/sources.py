"""Where a log is, and its lines: files, compressed or not, directories of multilog, the journal, standard input.

Without being told, the log is found through the process that carries it: its command line has the program that the
master was started with (``--log``), and where it is a file or the journal that takes the lines, its standard output
is that. Only a process of root, of the log's user or of the caller is believed; anybody can write a command line.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
import zlib
from typing import TYPE_CHECKING, NamedTuple, cast

from qtwisted.admin.refusal import Refused
from qtwisted.config import conf as build
from qtwisted.config.control import ControlError
from qtwisted.model.logreading import LONGEST
from qtwisted.model.logstamps import read_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import BufferedReader
    from typing import Any, BinaryIO

    from qtwisted.model.logstamps import Line

SYSTEM_LOGS = ("/var/log/mail.log", "/var/log/maillog", "/var/log/mail.info", "/var/log/syslog", "/var/log/messages")
LOG_DIRECTORIES = ("multilog", "cyclog", "s6-log", "svlogd")
"""Programs that keep a directory with a file ``current`` and older ones."""
PIECE = 1 << 20
JOURNAL = ("journalctl", "--quiet", "--no-pager", "--output=short-iso-precise")
OPENS = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
DAMAGE = (EOFError, ValueError, zlib.error, lzma.LZMAError)
ASK = "say where it is: --log FILE, --log DIRECTORY of multilog, or --log - for standard input"


class Place(NamedTuple):
    """Where a log is: files, oldest first, or a command that prints it; *tag* is what the system log calls it."""

    files: tuple[str, ...]
    command: tuple[str, ...] = ()
    tag: bytes | None = None

    def shown(self) -> str:
        """Name it for people."""
        return " ".join(self.command or self.files)


# ---- finding it


def given(names: Sequence[str]) -> Place:
    """The log that the operator names; a directory stands for the files that multilog keeps in it."""
    files: list[str] = []
    for name in names:
        files += in_directory(name) if os.path.isdir(name) else [name]
    return Place(tuple(files))


def in_directory(directory: str) -> list[str]:
    """The files of multilog and its like, oldest first: their names are times."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.startswith("@") and name[-2:] in (".s", ".u"))
        if os.path.exists(os.path.join(directory, "current")):
            names.append("current")
    except OSError as trouble:
        raise Refused(f"{directory}: {trouble.strerror}") from None
    if not names:
        raise Refused(f"{directory}: there is no log in this directory")
    return [os.path.join(directory, name) for name in names]


def rotated(path: str) -> tuple[str, ...]:
    """A file and those it was before rotation, oldest first: ``.2.gz``, ``.1``, then the file."""
    folder, name = os.path.split(path)
    numbered = re.compile(re.escape(name) + r"[.-]([0-9]{1,8})(?:\.gz|\.xz|\.bz2)?")
    older: list[tuple[float, str]] = []
    for other in os.listdir(folder):
        if numbered.fullmatch(other):
            full = os.path.join(folder, other)
            older.append((os.stat(full).st_mtime, full))
    return (*(full for _, full in sorted(older)), path)


def found(home: str) -> Place:
    """The log of the mail system that runs in *home*, or a Refused that says what to do."""
    carrier = _carrier(home)
    if carrier is None:
        raise Refused(f"the mail system in {home} is not running, so that nothing tells where its log is; {ASK}")
    pid, command = carrier
    place = _of_output(pid) if command is None else _of_command(home, command)
    if place is None:
        told = "its standard output" if command is None else command
        raise Refused(f"the log goes to {told}, and where it is kept cannot be told; {ASK}")
    return place


def _carrier(home: str) -> tuple[int, str | None] | None:
    """The process that carries the log of a home, and the command it gives the lines to."""
    believed = {0, os.geteuid()}
    try:
        believed.add(build.ids(build.load(home)).qmaill_uid)
    except (ControlError, OSError):
        pass  # a home without its users is served by root or by us
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = os.fsdecode(file.read()).split("\0")
            owner = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            continue
        at = next((at for at, word in enumerate(words) if word.endswith("qtwisted/system/start.py")), None)
        if at is None or words[at + 1: at + 2] != ["log"] or owner not in believed or not _serves(words, home):
            continue
        commands = [word.partition("=")[2] for word in words if word.startswith("command=")]
        return int(pid), commands[0] if commands else None
    return None


def _serves(words: Sequence[str], home: str) -> bool:
    """Whether a role's command line names this home, by whatever path."""
    return any(word.startswith("home=") and os.path.realpath(word[5:]) == os.path.realpath(home) for word in words)


def _of_output(pid: int) -> Place | None:
    """Where the standard output of the log's process leads, if that is a file or the journal."""
    try:
        status = os.stat(f"/proc/{pid}/fd/1")
        target = os.readlink(f"/proc/{pid}/fd/1")
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            unit = re.search(r"/([!-.0-~]+\.service)$", file.read().strip().rpartition("\n")[2])
    except OSError:
        return None
    if stat.S_ISREG(status.st_mode):
        return Place(rotated(target)) if os.path.exists(target) else None
    if stat.S_ISSOCK(status.st_mode) and unit is not None and shutil.which("journalctl"):
        return Place((), (*JOURNAL, f"--unit={unit[1]}"))
    return None


def _of_command(home: str, command: str) -> Place | None:
    """Where a program that takes the lines puts them; its directory is the home."""
    words = shlex.split(command)
    program = os.path.basename(words[0])
    if program == "splogger":
        return _of_system_log(words[1] if len(words) > 1 else "splogger")
    if program in LOG_DIRECTORIES:
        directories = [word for word in words[1:] if word.startswith((".", "/"))]
        return given([os.path.join(home, directories[-1])]) if directories else None
    if program == "tee" and len(words) > 1 and not words[-1].startswith("-"):
        return Place(rotated(os.path.join(home, words[-1])))
    return None


def _of_system_log(tag: str) -> Place | None:
    """Where the system log keeps mail: a file that exists, else the journal."""
    for path in SYSTEM_LOGS:
        if os.path.exists(path):
            return Place(rotated(path), tag=tag.encode())
    if shutil.which("journalctl"):
        return Place((), (*JOURNAL, f"--identifier={tag}"), tag.encode())
    return None


# ---- reading it


class Source:
    """Reads a log from its beginning; what could not be read is in ``troubles``."""

    def __init__(self, place: Place) -> None:
        """Read this log."""
        self._place = place
        self.troubles: list[str] = []

    def __iter__(self) -> Iterator[Line]:
        """Every line, read."""
        return read_log(self.lines(), local_time(time.time()), self._place.tag)

    def lines(self) -> Iterator[bytes]:
        """Every line without its LF, whatever stands in front of it."""
        if self._place.command:
            yield from self._printed()
        for name in self._place.files:
            try:
                yield from self._file(name)
            except OSError as trouble:  # damage of compressed files may be one, too
                self.troubles.append(f"{name}: {trouble.strerror or trouble}")
            except DAMAGE as trouble:
                self.troubles.append(f"{name}: {trouble}")

    def _file(self, name: str) -> Iterator[bytes]:
        """The lines of one file."""
        if name == "-":
            yield from split_lines(cast("BufferedReader", sys.stdin.buffer).read1)
            return
        with opened(name) as file:
            yield from split_lines(cast("BufferedReader", file).read1)

    def _printed(self) -> Iterator[bytes]:
        """The lines that a program prints."""
        with subprocess.Popen(self._place.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            yield from split_lines(program.stdout.read)
        if program.returncode:
            self.troubles.append(f"{self._place.command[0]}: exit code {program.returncode}")


def opened(name: str) -> BinaryIO:
    """A file opened for reading, whatever its compression."""
    opens: Any = OPENS.get(os.path.splitext(name)[1], open)
    file: BinaryIO = opens(name, "rb")
    return file


def split_lines(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Lines out of pieces; one that is longer than any line of a log is cut, so that memory is bounded."""
    rest = b""
    is_cut = False
    while data := read(PIECE):
        first, *lines = (rest + data).split(b"\n")
        if lines:
            if not is_cut:
                yield first
            is_cut = False
            rest = lines.pop()
            yield from lines
        else:
            rest = first
        if len(rest) > LONGEST:
            if not is_cut:
                yield rest[:LONGEST]
            is_cut, rest = True, b""
    if rest and not is_cut:
        yield rest


def local_time(now: float) -> Callable[[bytes], float | None]:
    """What reads stamps in local time: one without a year is of the last year that makes it no moment to come."""
    years = time.localtime(now).tm_year
    remembered: tuple[bytes, float | None] = (b"", None)

    def read(text: bytes) -> float | None:
        """Read a stamp; lines of the same second have the same."""
        nonlocal remembered
        if text != remembered[0]:
            remembered = text, _local_moment(text.decode("ascii"), years, now)
        return remembered[1]

    return read


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _local_moment(text: str, year: int, now: float) -> float | None:
    """Read ``Nov 30 04:45:01`` or ``2026-11-30 04:45:01.123456``."""
    try:
        if text[0].isdigit():
            day, _, clock = text.replace("T", " ").partition(" ")
            years, month, mday = (int(part) for part in day.split("-"))
        else:
            name, mday_text, clock = text.split()
            years, month, mday = year, _MONTHS.index(name) + 1, int(mday_text)
        whole, _, fraction = clock.partition(".")
        hours, minutes, seconds = (int(part) for part in whole.split(":"))
        moment = _mktime(years, month, mday, hours, minutes, seconds)
        if not text[0].isdigit() and moment > now + 86400:
            moment = _mktime(years - 1, month, mday, hours, minutes, seconds)
        return moment + (float("0." + fraction) if fraction else 0.0)
    except (KeyError, ValueError, OverflowError):
        return None


def _mktime(*parts: int) -> float:
    """The moment of a local time; ValueError for a day that does not exist."""
    year, month, mday, hours, minutes, seconds = parts
    if not (1 <= month <= 12 and 1 <= mday <= 31 and hours < 24 and minutes < 60 and seconds < 61):
        raise ValueError("no time")
    return time.mktime((year, month, mday, hours, minutes, seconds, 0, 0, -1))
