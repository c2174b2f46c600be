"""The program text documents itself: every part of it has a docstring, and what is made from these is up to date."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent.parent


def load_collect() -> ModuleType:
    """Load docs/collect.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("collect", ROOT / "docs" / "collect.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


collect = load_collect()


def without_docstring(path: Path) -> Iterator[str]:
    """Name the modules, classes and functions of a file that have no docstring, written or given to them later."""
    tree = ast.parse(path.read_text())
    place = path.relative_to(ROOT)
    if not ast.get_docstring(tree):
        yield str(place)
    given = {
        target.value.id
        for node in ast.walk(tree) if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr == "__doc__" and isinstance(target.value, ast.Name)
    }
    for node in ast.walk(tree):
        named = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if named and not ast.get_docstring(node) and node.name not in given:
            yield f"{place}:{node.lineno} {node.name}"


class DocstringTests(SynchronousTestCase):
    """Everything says what it is for."""

    def test_program_text(self) -> None:
        """Every module, class and function of the package has a docstring."""
        silent = [name for path in sorted((ROOT / "qtwisted").rglob("*.py")) for name in without_docstring(path)]
        self.assertEqual(silent, [])

    def test_tests(self) -> None:
        """Every test says which behaviour it expects, every test module and class what it is about."""
        silent = [name for path in sorted((ROOT / "test").rglob("test_*.py")) for name in without_docstring(path)]
        self.assertEqual(silent, [])

    def test_scripts(self) -> None:
        """The scripts beside the package have docstrings as well."""
        silent = [name for folder in ("docs", "bench", "test/kit") for path in sorted((ROOT / folder).rglob("*.py"))
                  for name in without_docstring(path)]
        self.assertEqual(silent, [])


class ManualTests(SynchronousTestCase):
    """Every program has a manual page."""

    def test_sections(self) -> None:
        """The docstring of a program begins with its name and purpose and has the sections of a manual page."""
        lacking = {name: collect.faults(name, collect.manual(*place)) for name, place in collect.programs().items()}
        self.assertEqual({name: faults for name, faults in lacking.items() if faults}, {})

    def test_documents_are_up_to_date(self) -> None:
        """docs/unlike.rst and docs/man are what docs/collect.py writes."""
        self.assertEqual([str(path.relative_to(ROOT)) for path in collect.stale()], [])


class CollectTests(SynchronousTestCase):
    """How the documents are made."""

    def test_differences(self) -> None:
        """A difference reaches from the mark to the next mark or the end of its paragraph, list item or comment."""
        mark = collect.MARK
        source = (
            f'"""Is there.\n\n{mark} one,\n    and more.\n\nNot this. {mark} two. {mark} three.\n"""\n'
            f"# {mark} four,\n#   still four\n\n#: five comes next; {mark} five\nx = 1  # {mark} six\n# not this\n"
            f'"""\n* {mark} seven\n* not seven\n"""\n'
        )
        expected = ["One, and more.", "Two.", "Three.", "Four, still four", "Five", "Six", "Seven"]
        self.assertEqual(collect.differences(source), expected)

    def test_strings_that_are_used_are_not_text(self) -> None:
        """The words count in docstrings and comments, not in strings the program uses."""
        self.assertEqual(collect.differences(f'x = "{collect.MARK} x"\n'), [])

    def test_items_are_folded(self) -> None:
        """A long difference is written in lines of bounded length, indented as one item."""
        item = collect._item("word " * 60)
        self.assertLessEqual(max(map(len, item.split("\n"))), 110)
        self.assertEqual([line[:2] for line in item.split("\n")], ["* ", "  ", "  "])

    def test_page(self) -> None:
        """A page gets the section NAME from the first line, the rest stays."""
        text = "x - do\n\nSYNOPSIS\n========\n\nx\n"
        self.assertTrue(collect.page("x", text, "x.py").endswith(
            "\n\n#\nx\n#\n\nNAME\n====\n\nx - do\n\nSYNOPSIS\n========\n\nx\n"
        ))

    def test_labels_become_headings(self) -> None:
        """A page may be written with labels in the place of headings; the description needs none."""
        text = (
            "x -- do.\n\nSynopsis::\n\n    x [ y ]\n\nIt does.\n\nNot a Label: this.\nFiles: nor this.\n\n"
            "Exit codes:\n\n| 0  good\n\nFiles: the file\nand another.\n"
        )
        expected = (
            "x - do\n\nSYNOPSIS\n========\n\n::\n\n    x [ y ]\n\nDESCRIPTION\n===========\n\nIt does.\n\n"
            "Not a Label: this.\nFiles: nor this.\n\nEXIT CODES\n==========\n\n| 0  good\n\n"
            "FILES\n=====\n\nThe file\nand another.\n"
        )
        self.assertEqual(collect.page("x", text, "x.py").partition("NAME\n====\n\n")[2], expected)
        self.assertEqual(collect.faults("x", text), [])

    def test_faults(self) -> None:
        """What is missing is named; a heading must be underlined over its whole length."""
        text = "x - do\n\nSYNOPSIS\n=======\n\nDESCRIPTION\n===========\n\nEXIT CODES\n==========\n"
        self.assertEqual(collect.faults("x", text), ["there is no section SYNOPSIS"])
        self.assertEqual(len(collect.faults("y", text)), 2)
