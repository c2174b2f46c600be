"""Formats the manual pages: docs/man/PROGRAM.rst becomes manN/PROGRAM.N in a directory of your choice.

    python docs/manpages.py DIRECTORY

Programs an administrator or another program runs are in section 8, those a user runs in section 1. Pages that are not
about a program lie in docs/formats, with the section in the name.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docutils.core import publish_string

ROOT = Path(__file__).resolve().parent.parent
ADMINISTRATOR = ("qmail", "sendmail", "splogger", "twistd-", "inst", "config", "dns", "hostname", "ipmeprint")


def section(program: str) -> str:
    """Say in which section of the manual a program belongs."""
    return "8" if program.startswith(ADMINISTRATOR) else "1"


def pages(root: Path = ROOT) -> dict[str, tuple[str, Path]]:
    """Give the section and the source of each page, by its name."""
    found = {source.stem: (section(source.stem), source) for source in (root / "docs/man").glob("*.rst")}
    for source in (root / "docs/formats").glob("*.rst"):
        name, _, number = source.stem.rpartition(".")
        found[name] = (number, source)
    return dict(sorted(found.items()))


def with_facts(name: str, number: str, text: str) -> str:
    """Put what the head of a manual page says behind the title."""
    heading = "#" * len(name)
    end = text.index(heading, text.index(heading) + 1) + len(heading)
    return f"{text[:end]}\n\n:Manual section: {number}\n:Manual group: qtwisted\n{text[end:]}"


def formatted(name: str, number: str, text: str) -> bytes:
    """Format one page; an error in it ends the program."""
    settings = {"report_level": 2, "halt_level": 2, "input_encoding": "unicode"}
    made = publish_string(with_facts(name, number, text), writer="manpage", settings_overrides=settings)
    page = made if isinstance(made, bytes) else made.encode()
    # docutils writes a section of its own from the title, which says what ours says, but not what for
    return re.sub(rb"(?m)^\.SH Name\n.* \\- *\n", b"", page)


def main(argv: list[str]) -> int:
    """Format all pages."""
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    for name, (number, source) in pages().items():
        target = Path(argv[0]) / f"man{number}" / f"{name}.{number}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(formatted(name, number, source.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
