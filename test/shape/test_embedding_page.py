"""The examples of docs/embedding.rst stand in tests that run them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent.parent
RUN_BY = (
    "test/whole/test_single.py",
    "test/unit/accept/test_embedding.py",
    "test/unit/deliver/host/test_sending.py",
)

#: the page names homes where the test has some of its own
HOMES = '["/srv/mail", "/srv/lists"]'


def examples(page: str) -> list[str]:
    """The literal blocks of a page that are introduced by a double colon, each without its indentation."""
    blocks = []
    for part in page.split("::\n\n")[1:]:
        lines = part.split("\n")
        end = next((at for at, line in enumerate(lines) if line and not line.startswith("    ")), len(lines))
        blocks.append(textwrap.dedent("\n".join(lines[:end])).strip("\n"))
    return blocks


def flat(text: str) -> list[str]:
    """The lines of a text that say something, without their indentation."""
    return [line.strip() for line in text.splitlines() if line.strip()]


class EmbeddingPageTests(SynchronousTestCase):
    """What the page shows is what the tests run."""

    def test_examples(self) -> None:
        """Each example is found, line for line, in one of the tests."""
        found = examples((ROOT / "docs/embedding.rst").read_text())
        self.assertEqual(len(found), 4)
        tests = ["\n".join(flat((ROOT / path).read_text().replace("{homes!r}", HOMES))) for path in RUN_BY]
        for example in found:
            lines = "\n".join(flat(example))
            self.assertTrue(any(lines in test for test in tests), f"no test runs this:\n{example}")
