"""splogger -- make entries in the system log.

Synopsis::

    splogger [ tag [ facility ] ]

splogger reads lines from standard input until it ends and gives each to syslog, with the time at which it was
read in front: ``812345679.123456 status: local 0/10 remote 0/20``. *tag* (default ``splogger``) names the
sender; *facility* is the number of a syslog facility (default 2, mail).

A line that begins with ``alert:`` is entered as an alert, one with ``warning:`` as a warning, any other as
information. Control characters and bytes above 126 become question marks. Empty lines are left out. A line of
more than 799 characters is entered in pieces; all but the first have a plus sign after the time.

Exit codes: 0 when standard input ends, 1 when it cannot be read.

Files: ``/dev/log``, the socket of the system log.
"""

from __future__ import annotations

import os
import sys
import time

from qtwisted.system.ending import helped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST = 799
ALERT, WARNING, INFORMATION = 1, 4, 6
MAIL = 2
VISIBLE = bytes(byte if 0x20 <= byte <= 0x7E else 0x3F for byte in range(256))


def priority(text: bytes) -> int:
    """How important a line is, by its first word."""
    if text.startswith(b"warning:"):
        return WARNING
    if text.startswith(b"alert:"):
        return ALERT
    return INFORMATION


def entries(line: bytes, at: float) -> Iterator[tuple[int, str]]:
    """The entries (priority, text) that one *line*, without its end, makes at the time *at*."""
    visible = line.translate(VISIBLE).decode("ascii")
    seconds, micro = divmod(int(at * 1000000), 1000000)
    stamp = f"{seconds}.{micro:06d}"
    level = priority(line[:LONGEST])
    for start in range(0, len(visible), LONGEST):
        mark = "+" if start else " "
        yield level, stamp + mark + visible[start:start + LONGEST]


def facility_of(word: str) -> int:
    """The facility that *word* numbers: its leading digits, 0 if there are none."""
    digits = word[:len(word) - len(word.lstrip("0123456789"))]
    return int(digits) if digits else 0


def pump(read: Callable[[], bytes], clock: Callable[[], float], enter: Callable[[int, str], None]) -> None:
    """Give *enter* every line that *read* yields, piece by piece, until it yields nothing.

    Unlike 1.02: a last line without a line end is entered, too, and not lost.
    """
    rest = b""
    while data := read():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            for level, text in entries(line, clock()):
                enter(level, text)
    for level, text in entries(rest, clock()):
        enter(level, text)


def main() -> int:
    """Run the program."""
    import syslog

    if helped(__doc__):
        return 0
    tag = sys.argv[1].encode("utf-8", "replace").decode() if len(sys.argv) > 1 else "splogger"
    facility = facility_of(sys.argv[2]) if len(sys.argv) > 2 else MAIL
    syslog.openlog(tag, 0, facility << 3)
    try:
        pump(lambda: os.read(0, 8192), time.time, syslog.syslog)
    except OSError as error:
        raise SystemExit(f"splogger: fatal: unable to read input: {error.strerror}") from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
