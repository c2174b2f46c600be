"""Tests: qmailctl queue, its filters, and what is printed."""

from __future__ import annotations

import argparse
import io
import json
import os
import time

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import filters, queue
from qtwisted.admin.ctl.filters import Filters
from qtwisted.admin.ctl.screen import Screen
from qtwisted.admin.refusal import Refused
from test.kit.queues import SPLIT, directories, fill, put

NOW = 1_800_100_000
HOSTILE = b"\x1b]0;x\x07<\n\t\xff@far.example"


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


class QueueCase(SynchronousTestCase):
    """A test with a queue."""

    def setUp(self) -> None:
        """Make a home with three messages."""
        self.home = os.path.abspath(self.mktemp())
        self.queue = f"{self.home}/queue"
        directories(self.queue)
        fill(self.queue, 3, 1000, born_at=NOW - 7200)
        self.put("local", 1001, b"Tjoe@test.example\0Djim@Test.Example\0")
        self.put("mess", 1002, b"x" * 20_000)
        os.utime(self.path("info", 1002), (NOW - 60, NOW - 60))
        self.patch(time, "time", lambda: float(NOW))

    def path(self, kind: str, number: int) -> str:
        """Name a file."""
        part = f"/{number % SPLIT}" if kind in ("mess", "info", "local", "remote") else ""
        return f"{self.queue}/{kind}{part}/{number}"

    def put(self, kind: str, number: int, data: bytes) -> None:
        """Write a file."""
        put(self.path(kind, number), data)

    def parse(self, *words: str) -> argparse.Namespace:
        """Read a command line."""
        parser = argparse.ArgumentParser()
        queue.arguments("queue", parser)
        return parser.parse_args(words)

    def run_queue(self, *words: str, file: io.StringIO | None = None, code: int = 0) -> str:
        """Run the command and give its output."""
        file = file or io.StringIO()
        self.assertEqual(queue.run("queue", self.parse(*words), self.home, Screen(file)), code)
        return file.getvalue()


class FilterTests(QueueCase):
    """Which messages are chosen."""

    def ids(self, *words: str, code: int = 0) -> list[int]:
        """The messages that words choose."""
        return sorted(int(line) for line in self.run_queue("--ids", *words, code=code).split())

    def test_filters(self) -> None:
        """Each filter, alone and with others."""
        everything = [1000, 1001, 1002]
        for words, wanted in (
            ((), everything),
            (("1001",), [1001]),
            (("1002", "1000", "1002"), [1000, 1002]),
            (("--sender", "S1001@*"), [1001]),
            (("--sender", "s100?@test.example"), everything),
            (("--sender", "test.example"), []),
            (("--recipient", "r1000@far.example"), [1000]),
            (("--recipient", "*@test.example"), [1001]),
            (("--recipient", "jim@*"), []),
            (("--domain", "FAR.example"), everything),
            (("--domain", "@test.example"), [1001]),
            (("--domain", "example"), []),
            (("--domain", "far.example", "--local"), []),
            (("--local",), [1001]),
            (("--remote",), everything),
            (("--older", "1h"), [1000, 1001]),
            (("--older", "2h"), []),
            (("--younger", "61"), [1002]),
            (("--larger", "10k"), [1002]),
            (("--smaller", "1k"), [1000, 1001]),
            (("--older", "30s", "--larger", "1k"), [1002]),
            (("--state", "held"), []),
            (("--state", "queued", "1000"), [1000]),
        ):
            self.assertEqual(self.ids(*words), wanted, words)

    def test_empty_sender(self) -> None:
        """Bounces are those from nobody."""
        self.put("info", 1000, b"F\0")
        self.assertEqual(self.ids("--sender", "<>"), [1000])
        self.assertEqual(self.ids("--sender", ""), [1000])

    def test_other_letters(self) -> None:
        """A pattern of any letters is compared byte by byte."""
        self.put("info", 1000, "Fjürgen@test.example\0".encode())
        self.assertEqual(self.ids("--sender", "jürgen@*"), [1000])
        self.assertEqual(self.ids("--sender", "j??rgen@*"), [1000])

    def test_unreadable(self) -> None:
        """A message whose sender cannot be read is shown, and is from nobody."""
        self.put("info", 1000, b"garbage")
        self.assertEqual(self.ids("--sender", "*"), [1001, 1002])
        self.assertIn("\t(unreadable)\t", self.run_queue("1000"))

    def test_missing(self) -> None:
        """A number without message makes exit code 1."""
        self.assertEqual(self.ids("1000", "9", code=1), [1000])

    def test_mistakes(self) -> None:
        """What is no span, size, number or state is refused."""
        self.patch(argparse.ArgumentParser, "_print_message", lambda *_: None)
        for words in (("--older", "x"), ("--older", "1y"), ("--older", "-1"), ("--larger", "1q"), ("--state", "old"),
                      ("0",), ("-5",), ("1e3",), ("007",), ("99999999999999999999",), ("٣",), ("--nothing",)):
            self.assertRaises(SystemExit, self.parse, *words)

    def test_measures(self) -> None:
        """Spans and sizes have units."""
        self.assertEqual([filters.span(word) for word in ("90", "2s", "30m", "12H", "3d", "1w")],
                         [90, 2, 1800, 43200, 259200, 604800])
        self.assertEqual([filters.size(word) for word in ("4096", "10k", "5M", "1g")],
                         [4096, 10240, 5242880, 1073741824])

    def test_open(self) -> None:
        """It is known whether anything was chosen at all."""
        self.assertTrue(Filters(self.parse()).is_open)
        self.assertTrue(Filters(self.parse("5")).is_only_ids)
        for words in (("--local",), ("--older", "0"), ("--sender", ""), ("5", "--remote")):
            self.assertFalse(Filters(self.parse(*words)).is_open, words)
            self.assertFalse(Filters(self.parse(*words)).is_only_ids, words)

    def test_no_home(self) -> None:
        """A directory that is no home is told from an empty queue."""
        self.home = f"{self.home}/nowhere"
        self.assertRaises(Refused, self.run_queue)


class PrintTests(QueueCase):
    """What is printed."""

    def test_fields(self) -> None:
        """For programs: fields with tabs, times in UTC, sizes in bytes."""
        fields = ("1001", "queued", "2027-01-16T09:46:40Z", "21", "<s1001@test.example>", "2", "1",
                  "joe@test.example")
        self.assertEqual(self.run_queue("1001"), "\t".join(fields) + "\n")

    def test_json(self) -> None:
        """One object a line, of any bytes."""
        self.put("remote", 1000, b"T%s\0" % HOSTILE)
        value = json.loads(self.run_queue("--json", "1000"))
        self.assertEqual(value, {
            "id": 1000, "state": "queued", "held": False, "bouncing": False, "arrived": NOW - 7200, "size": 21,
            "sender": "s1000@test.example", "to_do": 1, "done": 0,
            "recipients": [{"channel": "remote", "address": HOSTILE.decode("latin-1")}]})
        self.assertEqual(self.run_queue("--json", "1000").count("\n"), 1)

    def test_terminal(self) -> None:
        """For people: as wide as the terminal at most, and no byte of others that a terminal obeys."""
        self.put("info", 1000, b"F%s\0" % HOSTILE)
        self.put("remote", 1000, b"T%s\0" % (HOSTILE + b"x" * 200))
        self.patch(os, "environ", {**os.environ, "NO_COLOR": "1", "COLUMNS": "80"})
        shown = self.run_queue(file=Terminal())
        lines = shown.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertEqual([char for char in shown if not (char == "\n" or " " <= char <= "~")], [])
        self.assertIn("2h", shown)

    def test_no_terminal(self) -> None:
        """Hostile bytes reach no file either: one message stays one line with the same number of fields."""
        self.put("info", 1000, b"F%s\0" % HOSTILE)
        self.put("remote", 1000, b"T%s\0" % HOSTILE)
        for line in self.run_queue().splitlines():
            self.assertEqual(line.count("\t"), 7)

    def test_colours(self) -> None:
        """Colours only on a terminal, and not if the user wants none."""
        os.chmod(self.path("info", 1000), 0o700)
        self.patch(os, "environ", {key: each for key, each in os.environ.items() if key != "NO_COLOR"})
        self.assertIn("\033[33mheld", self.run_queue("1000", file=Terminal()))
        self.assertNotIn("\033", self.run_queue("1000"))

    def test_settled(self) -> None:
        """A message of which everybody is settled is shown as it is."""
        self.put("remote", 1000, b"Da@y\0")
        self.assertTrue(self.run_queue("1000").endswith("\t0\t1\t\n"))

    def test_many_recipients(self) -> None:
        """All are counted, the first ones named."""
        self.put("remote", 1000, b"".join([b"T%d@y\0" % at for at in range(1000)]))
        value = json.loads(self.run_queue("--json", "1000"))
        self.assertEqual((value["to_do"], len(value["recipients"])), (1000, 100))

    def test_spans(self) -> None:
        """Ages and sizes are shown in few letters."""
        self.assertEqual([queue.age(seconds) for seconds in (-5, 0, 59, 60, 3599, 3600, 90000, 86400 * 8)],
                         ["0s", "0s", "59s", "1m", "59m59s", "1h", "1d1h", "1w1d"])
        self.assertEqual([queue.amount(count) for count in (0, 999, 1000, 1024, 10240, 5 << 20, 3 << 30, 5 << 40)],
                         ["0", "999", "1.0k", "1.0k", "10k", "5.0M", "3.0G", "5T"])
        self.assertEqual(queue.moment(1 << 70), str(1 << 70))
