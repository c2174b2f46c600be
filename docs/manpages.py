"""Formats the manual pages: docs/man/PROGRAM.rst becomes man/manN/PROGRAM.N in a directory of your choice.

    python docs/manpages.py DIRECTORY

Programs an administrator or another program runs are in section 8, those a user runs in section 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docutils.core import publish_string

ROOT = Path(__file__).resolve().parent.parent
ADMINISTRATOR = ("qmail-", "sendmail", "splogger", "newaliases", "tcp-env")


def section(program: str) -> str:
    """Say in which section of the manual a program belongs."""
    return "8" if program.startswith(ADMINISTRATOR) else "1"


def with_facts(program: str, text: str) -> str:
    """Put what the head of a manual page says behind the title, and let a From_ line be no reference."""
    heading = "#" * len(program)
    end = text.index(heading, text.index(heading) + 1) + len(heading)
    facts = f"\n\n:Manual section: {section(program)}\n:Manual group: qtwisted\n"
    return text[:end] + facts + text[end:].replace("From_", "From\\_")


def formatted(program: str, text: str) -> bytes:
    """Format one page; an error in it ends the program."""
    settings = {"report_level": 3, "halt_level": 3, "input_encoding": "unicode"}
    made = publish_string(with_facts(program, text), writer="manpage", settings_overrides=settings)
    return made if isinstance(made, bytes) else made.encode()


def main(argv: list[str]) -> int:
    """Format all pages."""
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    for source in sorted((ROOT / "docs/man").glob("*.rst")):
        number = section(source.stem)
        target = Path(argv[0]) / f"man{number}" / f"{source.stem}.{number}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(formatted(source.stem, source.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
