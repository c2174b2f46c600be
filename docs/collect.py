"""Writes the documents that are parts of the program text: unlike.rst, control.rst and the manual pages in docs.

    python docs/collect.py          writes them
    python docs/collect.py --check  says which of them are not as they would be written, exit code 1 if any

Every difference from qmail 1.02 stands where it is made, in a docstring or a comment, and begins with the words
"Unlike 1.02:". unlike.rst is the list of them. control.rst lists the control files as config/declared.py declares
them. The docstring of a program's module is its manual page; where one module holds several programs, the
docstring of each one's function is.
"""

from __future__ import annotations

import ast
import configparser
import io
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = "Unlike 1.02:"

#: what a manual page must have
SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT CODES")

#: the same, and others, as they may be written before a colon
LABELS = {
    "Synopsis": "SYNOPSIS",
    "Description": "DESCRIPTION",
    "Environment": "ENVIRONMENT",
    "Exit code": "EXIT CODES",
    "Exit codes": "EXIT CODES",
    "Files": "FILES",
    "See also": "SEE ALSO",
}

INTRODUCTION = """\
=================
Unlike qmail 1.02
=================

.. Made by docs/collect.py from the text of the programs. Change it there.

Where a program does not do what qmail 1.02 did, its text says so, and this is the list, module by module. What
is not in it is meant to be the same.
"""


# ---- differences


def paragraphs(source: str) -> list[str]:
    """Give the paragraphs of all comments and of all strings that stand alone, in the order of the file."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found += _split(node.lineno, node.value.value)
    for line, comment in _comments(source):
        found += _split(line, comment)
    return [text for _, text in sorted(found, key=lambda place: place[0])]


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Give every comment with its line; comments on lines of their own that follow each other are one."""
    lines: list[str] = []
    start = end = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        is_alone = token.line.lstrip().startswith("#")
        if not (is_alone and token.start[0] == end + 1):
            yield start, "\n".join(lines)
            lines, start = [], token.start[0]
        lines.append(token.string.lstrip("#:").strip())
        end = token.start[0] if is_alone else 0
    yield start, "\n".join(lines)


def _split(line: int, text: str) -> list[tuple[int, str]]:
    """Part a text into paragraphs; an item of a list is one."""
    parts: list[list[str]] = [[]]
    for row in text.splitlines():
        words = row.strip()
        if not words or words.startswith(("* ", "- ")):
            parts.append([])
        if words:
            parts[-1].append(words.removeprefix("* ").removeprefix("- "))
    return [(line, " ".join(part)) for part in parts if part]


def differences(source: str) -> list[str]:
    """Give what a module says after the mark, each difference as one line that begins as a sentence does."""
    found = []
    for paragraph in paragraphs(source):
        for text in paragraph.split(MARK)[1:]:
            found.append(_sentence(text))
    return found


def _sentence(text: str) -> str:
    """Write words on one line, beginning with a capital letter unless they begin with a name."""
    first, _, rest = " ".join(text.split()).partition(" ")
    if first.rstrip(".,;:").isalpha() and first.islower():
        first = first.capitalize()
    return f"{first} {rest}".rstrip()


def unlike(root: Path = ROOT) -> str:
    """Write the list of differences, sorted by module."""
    chapters = [INTRODUCTION]
    for path in sorted((root / "qtwisted").rglob("*.py")):
        found = differences(path.read_text())
        if found:
            module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            items = "\n".join(_item(text) for text in found)
            chapters.append(f"{module}\n{'-' * len(module)}\n\n{items}\n")
    return "\n".join(chapters)


def _item(text: str, width: int = 110) -> str:
    """Write one item of a list in lines of bounded length."""
    lines = ["*"]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append(" ")
        lines[-1] += " " + word
    return "\n".join(lines)


# ---- manual pages


#: what has a manual page and is no program of its own: a role, and what twistd runs
PARTS = {"qmail-send": "qtwisted/schedule/send.py", "twistd-qmail": "qtwisted/admin/twistd.py"}


def programs(root: Path = ROOT) -> dict[str, tuple[Path, str]]:
    """Give for each program its module and the name of its function, as setup.cfg lists them."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    found = {}
    for line in config["options.entry_points"]["console_scripts"].split("\n"):
        name, _, target = (part.strip() for part in line.partition("="))
        module, _, function = target.partition(":")
        if name:
            found[name] = (root / (module.replace(".", "/") + ".py"), function)
    return found


def manual(module: Path, function: str) -> str:
    """Find the docstring that is a program's manual page."""
    tree = ast.parse(module.read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            text = ast.get_docstring(node) or ""
            if "synopsis" in text.lower():
                return text
    return ast.get_docstring(tree) or ""


def spelled_out(text: str) -> str:
    """Turn labels at the beginning of a paragraph, ``Exit codes: …``, into headings; both forms are in use.

    What follows the synopsis is the description, with or without a label.
    """
    lines: list[str] = []
    in_synopsis = False
    for line in text.split("\n"):
        label, colon, rest = line.partition(":")
        title = LABELS.get(label) if colon and not (lines and lines[-1]) else None
        if in_synopsis and title is None and line[:1].strip():
            lines += _heading("DESCRIPTION")
        if title is not None or line[:1].strip():
            in_synopsis = title == "SYNOPSIS"
        if title is None:
            lines.append(line)
            continue
        lines += _heading(title)
        if rest:
            lines.append("::" if rest == ":" else _sentence(rest))
    return _without_doubled_blanks(lines)


def _heading(title: str) -> list[str]:
    """Write a heading and an empty line."""
    return [title, "=" * len(title), ""]


def _without_doubled_blanks(lines: list[str]) -> str:
    """Join lines; of several empty ones in a row one stays."""
    return "\n".join(line for before, line in zip(["x", *lines], lines, strict=False) if before or line)


def page(name: str, text: str, source: str) -> str:
    """Write a manual page: the first line of the docstring becomes the section NAME.

    An mbox's ``From_`` is a word, and no reference as reST has it. A name of two words is joined, since whatis wants one.
    """
    first, _, rest = spelled_out(re.sub(r"(?<!`)\bFrom_", r"From\\_", text)).partition("\n")
    what = first.partition(" -- ")[2] or first.partition(" - ")[2]
    first = f"{name} - {what.rstrip('.')}"
    note = f".. Made by docs/collect.py from {source}. Change it there."
    bar = "#" * len(name)
    return f"{note}\n\n{bar}\n{name}\n{bar}\n\nNAME\n====\n\n{first}\n\n{rest.strip()}\n"


def sections(text: str) -> list[str]:
    """List the headings of a page: lines underlined over their whole length."""
    lines = text.split("\n")
    return [
        title
        for title, line in zip(lines, lines[1:], strict=False)
        if title and not title.startswith(" ") and len(line) >= len(title) and set(line) == {"="}
    ]


def faults(name: str, text: str) -> list[str]:
    """Say what a docstring lacks to be the manual page of the program."""
    first = text.partition("\n")[0]
    found = [] if first.startswith((f"{name} - ", f"{name} -- ")) else [f"the first line is not '{name} - …'"]
    there = sections(page(name, text, ""))
    return found + [f"there is no section {title}" for title in SECTIONS if title not in there]


# ---- control files

CONTROL_HEAD = """\
=============
Control files
=============

.. Made by docs/collect.py from qtwisted/config/declared.py. Change it there.

"""

CONTROL_PAGE_HEAD = """\
.. Made by docs/collect.py from qtwisted/config/declared.py. Change it there.

#############
qmail-control
#############

NAME
====

qmail-control - the control files

DESCRIPTION
===========

"""

CONTROL_INTRODUCTION = """\
Each lies in the home's ``control`` directory. A *line* is the first line of its file; an *integer* the digits that
line begins with; a *list* has an entry on each line, without those that begin with ``#``; a *mapping* is a list of
``key:value``; a *pem* file holds certificates or keys. Files marked with a star are not known to qmail 1.02.
"""

#: where the forms of entries are explained that need more than a sentence: files, and the module that reads them
FORMS = {
    "smtproutes": "qtwisted/deliver/host/routes.py",
    "tcprules": "qtwisted/config/tcprules.py",
    "tlsdestinations, tlscafile, clientcert.pem, smtpauth": "qtwisted/config/security.py",
    "relayclients, qmqpclients": "qtwisted/config/relay.py",
    "rcpthosts, morercpthosts, badmailfrom": "qtwisted/config/hosts.py",
}
CONTROL_PAGE_TAIL = """\
SEE ALSO
========

qmail-showctl(8), qmail-send(8), qmail-smtpd(8), qmail-remote(8), qmail-inject(8), twistd-qmail(8)
"""


def control(root: Path = ROOT) -> str:
    """Write the list of all control files, as a part of the guide."""
    return f"{CONTROL_HEAD}{CONTROL_INTRODUCTION}\n{_control_items(root)}\n\n{_forms(root, '=')}"


def control_page(root: Path = ROOT) -> str:
    """Write the manual page of all control files."""
    return (f"{CONTROL_PAGE_HEAD}{CONTROL_INTRODUCTION}\nFILES\n=====\n\n{_control_items(root)}\n\n"
            f"{_forms(root, '=')}\n{CONTROL_PAGE_TAIL}")


def _forms(root: Path, mark: str) -> str:
    """Explain the forms of entries, as the modules do that read them."""
    chapters = []
    for names, place in FORMS.items():
        text = ast.get_docstring(ast.parse((root / place).read_text())) or ""
        chapters.append(f"{names}\n{mark * len(names)}\n\n{text}\n")
    return "\n".join(chapters)


def _control_items(root: Path) -> str:
    """Write an item for each control file."""
    sys.path.insert(0, str(root))
    try:
        from qtwisted.config.declared import ALL
    finally:
        sys.path.pop(0)
    items = []
    for field in sorted(ALL, key=lambda each: each.name):
        star = " *" if field.is_ours else ""
        facts = [field.kind, _default(field.default, field.defaults_to_me), "read by " + ", ".join(field.readers)]
        if field.rereads:
            facts.append("read again on HUP")
        text = f"{field.sentence} ({'; '.join(facts)}.)"
        filled = textwrap.fill(text, 106, break_on_hyphens=False)
        items.append(f"{field.name}{star}\n" + textwrap.indent(filled, "    "))
    return "\n\n".join(items)


def _default(default: bytes | int | None, is_me: bool) -> str:
    """Say what holds without the file."""
    literal = default.decode() if isinstance(default, bytes) else default
    if is_me:
        return "default: control/me" + ("" if literal is None else f", else {literal}")
    return "no default" if literal is None else f"default: {literal}"


# ---- files


def documents(root: Path = ROOT) -> dict[Path, str]:
    """Give every document with the text it should have."""
    written = {root / "docs" / "unlike.rst": unlike(root), root / "docs" / "control.rst": control(root)}
    written[root / "docs" / "formats" / "qmail-control.5.rst"] = control_page(root)
    for name, (module, function) in programs(root).items():
        source = module.relative_to(root).as_posix()
        written[root / "docs" / "man" / f"{name}.rst"] = page(name, manual(module, function), source)
    for name, source in PARTS.items():
        written[root / "docs" / "man" / f"{name}.rst"] = page(name, manual(root / source, "main"), source)
    return written


def stale(root: Path = ROOT) -> dict[Path, str]:
    """Give the documents that are not what they should be, with their text; an empty one should not be there."""
    wanted = documents(root)
    found = {path: "" for path in (root / "docs" / "man").glob("*.rst") if path not in wanted}
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            found[path] = text
    return found


def main(argv: list[str]) -> int:
    """Write the documents, or check them."""
    is_check = argv == ["--check"]
    found = stale()
    for path, text in found.items():
        if is_check:
            print(f"{path.relative_to(ROOT)} is not what docs/collect.py writes", file=sys.stderr)
        elif text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        else:
            path.unlink()
    return 1 if is_check and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
