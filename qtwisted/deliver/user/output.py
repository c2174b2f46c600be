"""What a delivery says: the report, collected with qmail-lspawn's limit, or the standard descriptors of a program.

The report is what qmail-local and the programs it runs print, in the order of printing. When it becomes longer
than 3000 bytes, 2966 are kept and a sentence says so (qmail-lspawn.c truncreport).
"""

from __future__ import annotations

import os

LIMIT = 3000
SORRY = b"\nError report too long, sorry.\n"
KEPT = LIMIT - len(SORRY) - 3


class Report:
    """Collects what a delivery says, as far as it is passed on."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._said = b""

    def add(self, said: bytes) -> None:
        """Collect more; what is too much is cut as it comes."""
        self._said += said
        if len(self._said) > LIMIT:
            self._said = self._said[:KEPT] + SORRY

    def text(self) -> bytes:
        """What is reported: everything before the first NUL."""
        return self._said.partition(b"\0")[0]


class Collected:
    """The output of a delivery made for qmail-lspawn: everything goes into one report."""

    def __init__(self) -> None:
        """Begin an empty report."""
        self.report = Report()

    def say(self, line: bytes) -> None:
        """Say something that went well."""
        self.report.add(line)

    def complain(self, line: bytes) -> None:
        """Say something that went wrong."""
        self.report.add(line)


class Printed:
    """The output of the program qmail-local: its own descriptors 1 and 2, which the programs it runs share."""

    report = None

    def say(self, line: bytes) -> None:
        """Print on standard output."""
        _print(1, line)

    def complain(self, line: bytes) -> None:
        """Print on standard error."""
        _print(2, line)


def _print(fd: int, line: bytes) -> None:
    """Write to a descriptor; a reader who has gone away does not undo a delivery."""
    try:
        while line:
            line = line[os.write(fd, line) :]
    except OSError:
        pass
