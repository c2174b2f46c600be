"""The rules of the house that a program can check."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install.launchers import package_root

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
UNFINISHED = re.compile(r"# ?.*\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
LONGEST_MODULE = 400


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    """Name and text of every Python file below *folders*."""
    root = package_root()
    for folder in folders:
        for here, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if name.endswith(".py"):
                    path = os.path.join(here, name)
                    with open(path, encoding="utf-8") as file:
                        yield os.path.relpath(path, root), file.read()


class StyleTests(SynchronousTestCase):
    """What is written is written in one way."""

    def test_ruff(self) -> None:
        """ruff has nothing to say."""
        done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "qtwisted", "twisted", "test"],
                              cwd=package_root(), capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_docstrings(self) -> None:
        """Every module, class, function and test says what it is for."""
        silent = []
        for name, text in sources("qtwisted", "test"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, DOCUMENTED) and not ast.get_docstring(node) and not is_inner(node):
                    silent.append(f"{name}:{getattr(node, 'lineno', 1)}")
        self.assertEqual(silent, [])

    def test_finished(self) -> None:
        """Nothing is left for later without being said elsewhere."""
        found = [f"{name}: {line}" for name, text in sources("qtwisted", "test") for line in text.splitlines()
                 if UNFINISHED.search(line)]
        self.assertEqual(found, [])

    def test_length(self) -> None:
        """No module of the package needs minutes of scrolling."""
        long = [name for name, text in sources("qtwisted") if text.count("\n") > LONGEST_MODULE]
        self.assertEqual(long, [])

    def test_no_sleep(self) -> None:
        """Tests wait for events and never for a time."""
        sleep = "time." + "sleep("
        self.assertEqual([name for name, text in sources("test") if sleep in text], [])


def is_inner(node: ast.AST) -> bool:
    """Whether a function is a few lines inside another one, where its name says enough."""
    return isinstance(node, ast.FunctionDef) and node.col_offset > 4 and len(node.body) <= 3
