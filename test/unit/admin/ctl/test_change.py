"""Tests: qmailctl retry, bounce, delete, hold and release, against a qmail-send that is played."""

from __future__ import annotations

import argparse
import io
import json
import os
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import change, live
from qtwisted.admin.ctl.screen import Screen
from qtwisted.admin.refusal import Refused
from qtwisted.schedule.asking import NotRunning
from test.kit.queues import directories, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Sender:
    """A qmail-send that notes what it is asked and answers as told."""

    def __init__(self, answer: str = "done", text: str = "") -> None:
        """Give this answer for every message."""
        self.asked: list[tuple[bytes, ...]] = []
        self.answer = answer
        self.text = text

    def __enter__(self) -> Sender:
        """Be a conversation."""
        return self

    def __exit__(self, *details: object) -> None:
        """End."""

    def ask(self, *words: bytes) -> Iterator[dict[str, Any]]:
        """Answer."""
        self.asked.append(words)
        for word in words[2 if words[0] == b"bounce" else 1:]:
            yield {"id": int(word.partition(b"@")[0]), "answer": self.answer, "text": self.text}


class ChangeTests(SynchronousTestCase):
    """What is asked of qmail-send, and what is printed."""

    def setUp(self) -> None:
        """Make a queue of three messages, and a qmail-send."""
        self.home = os.path.abspath(self.mktemp())
        directories(f"{self.home}/queue")
        fill(f"{self.home}/queue", 3, 1000)
        self.sender = Sender()
        self.patch(live, "asking", lambda home: self.sender)

    def run_change(self, verb: str, *words: str, code: int = 0) -> str:
        """Run a command and give its output."""
        parser = argparse.ArgumentParser()
        change.arguments(verb, parser)
        file = io.StringIO()
        self.assertEqual(change.run(verb, parser.parse_args(words), self.home, Screen(file)), code)
        return file.getvalue()

    def mark(self, number: int) -> int:
        """What tells a message from a later one of its number."""
        return os.stat(f"{self.home}/queue/mess/{number % 23}/{number}").st_mtime_ns

    def test_numbers(self) -> None:
        """Numbers are passed on as they are."""
        self.assertEqual(self.run_change("hold", "1000", "9"), "1000: done\n9: done\n")
        self.assertEqual(self.sender.asked, [(b"hold", b"1000", b"9")])

    def test_filters(self) -> None:
        """What filters have found is named so that no later message of that number is meant."""
        self.run_change("delete", "--sender", "s1001@*")
        self.assertEqual(self.sender.asked, [(b"delete", b"1001@%d" % self.mark(1001))])
        self.run_change("retry", "1002", "--remote")
        self.assertEqual(self.sender.asked[1], (b"retry", b"1002@%d" % self.mark(1002)))

    def test_text(self) -> None:
        """A text for a bounce is passed on; none stands for the usual one."""
        self.run_change("bounce", "1000", "--text", "go\naway")
        self.run_change("bounce", "1000")
        self.assertEqual(self.sender.asked, [(b"bounce", b"go\naway", b"1000"), (b"bounce", b"", b"1000")])

    def test_refused(self) -> None:
        """Without numbers, filters or --all nothing is done; nor to every message without --all, if it is final."""
        for verb in ("retry", "bounce", "delete", "hold", "release"):
            self.assertRaises(Refused, self.run_change, verb)
        for verb in ("bounce", "delete"):
            self.assertRaises(Refused, self.run_change, verb, "--sender", "*")
            self.assertRaises(Refused, self.run_change, verb, "--larger", "0")
        self.assertRaises(Refused, self.run_change, "delete", "--all", "1000")
        self.assertEqual(self.sender.asked, [])
        self.run_change("hold", "--sender", "*")
        self.run_change("delete", "--all")
        self.assertEqual([len(asked) for asked in self.sender.asked], [4, 4])

    def test_nothing(self) -> None:
        """Filters that find nothing do nothing."""
        self.assertEqual(self.run_change("delete", "--sender", "nobody"), "")
        self.assertEqual(self.sender.asked, [])

    def test_dry_run(self) -> None:
        """A dry run lists and asks for nothing, not even whether qmail-send runs."""
        self.patch(live, "asking", None)
        listed = self.run_change("delete", "--all", "--dry-run")
        self.assertEqual(sorted(line.split("\t")[0] for line in listed.splitlines()), ["1000", "1001", "1002"])
        self.assertEqual(json.loads(self.run_change("bounce", "-n", "1001", "--json"))["id"], 1001)
        self.run_change("hold", "-n", "9", code=1)

    def test_answers(self) -> None:
        """What could not be done makes exit code 1, and is told with its reason."""
        self.sender = Sender("not found", "it is not in the queue")
        self.assertEqual(self.run_change("hold", "9", code=1), "9: not found: it is not in the queue\n")
        self.sender = Sender("waits", "a delivery is running")
        self.assertEqual(json.loads(self.run_change("hold", "9", "--json")),
                         {"id": 9, "answer": "waits", "text": "a delivery is running"})

    def test_batches(self) -> None:
        """Many are named a few hundred at a time."""
        self.patch(change, "BATCH", 2)
        self.run_change("hold", "--all")
        self.assertEqual([len(asked) - 1 for asked in self.sender.asked], [2, 1])

    def test_hostile(self) -> None:
        """A qmail-send that is not ours any more cannot write to a terminal what it likes."""
        self.sender = Sender("\x1b[2J", "\x1b]0;x\x07\u2028")
        self.assertEqual(self.run_change("hold", "9", code=1), "9: \\x1b[2J: \\x1b]0;x\\x07?\n")

    def test_trouble(self) -> None:
        """An error, and the end of qmail-send in the middle, are told."""
        self.patch(self.sender, "ask", lambda *words: iter([{"error": "the mail system is ending"}]))
        error = self.assertRaises(Refused, self.run_change, "hold", "9")
        self.assertEqual(str(error), "the mail system is ending")

        def die(*words: bytes) -> Iterator[dict[str, Any]]:
            """Go away."""
            yield {"id": 9, "answer": "done", "text": ""}
            raise NotRunning("it ended before it answered")

        self.patch(self.sender, "ask", die)
        error = self.assertRaises(Refused, self.run_change, "hold", "9", "10")
        self.assertIn("look at its log", str(error))
