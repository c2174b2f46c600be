"""Tests: qmailctl show, with what a hostile sender put into his message."""

from __future__ import annotations

import argparse
import io
import json
import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import live, show
from qtwisted.admin.ctl.screen import Screen
from test.kit.queues import SPLIT, directories, fill, put

EVIL = b"\x1b[2J\x1b]0;x\x07\xff\r"


class ShowTests(SynchronousTestCase):
    """One message."""

    def setUp(self) -> None:
        """Make a queue of one message."""
        self.home = os.path.abspath(self.mktemp())
        directories(f"{self.home}/queue")
        fill(f"{self.home}/queue", 1, 1000)
        self.told: list[dict[str, object]] | None = None
        self.patch(live, "if_running", lambda home, *words: self.told)

    def put(self, kind: str, data: bytes) -> None:
        """Write a file of the message."""
        part = f"/{1000 % SPLIT}" if kind != "bounce" else ""
        put(f"{self.home}/queue/{kind}{part}/1000", data)

    def show(self, *words: str, code: int = 0) -> str:
        """Run the command and give its output."""
        parser = argparse.ArgumentParser()
        show.arguments("show", parser)
        file = io.StringIO()
        self.assertEqual(show.run("show", parser.parse_args(words), self.home, Screen(file)), code)
        return file.getvalue()

    def test_hostile(self) -> None:
        """No byte that a terminal obeys comes out, wherever it stood."""
        self.put("info", b"F%s\0" % EVIL)
        self.put("remote", b"T%s\0D%s\0" % (EVIL, EVIL))
        self.put("mess", b"Subject: %s\nFrom: %s\n\t%s\nno field\n\nhello\n" % (EVIL, EVIL, EVIL))
        self.put("bounce", b"<%s>:\n%s\n\n" % (EVIL, EVIL))
        evil = EVIL.decode("latin-1")
        self.told = [{"id": 1000, "is_being_ended": "bounce", "next": {"remote": 5}, "deliveries": [
            {"channel": "remote", "recipient": evil, "running_for": 3.0}],
            "reports": [{"recipient": evil, "at": 1, "text": evil}]}]
        shown = self.show("1000")
        self.assertEqual([char for char in shown if not (char == "\n" or " " <= char <= "~")], [])
        self.assertEqual(shown.count("\\x1b[2J"), 10)
        self.assertIn("told to bounce", shown)
        self.assertIn("as soon as there is room", shown)
        value = json.loads(self.show("1000", "--json"))
        self.assertEqual((value["sender"], value["recipients"][0]["report"]), (evil, evil))

    def test_not_there(self) -> None:
        """A number without message makes exit code 1, in both forms."""
        self.assertEqual(self.show("5", code=1), "5: not in the queue\n")
        self.assertEqual(json.loads(self.show("5", "--json", code=1)), {"id": 5, "state": None})

    def test_without_send(self) -> None:
        """Without qmail-send the time kept on the file is shown."""
        path = f"{self.home}/queue/remote/{1000 % SPLIT}/1000"
        os.utime(path, (4711, 4711))
        self.assertIn("not running", self.show("1000"))
        self.assertEqual(json.loads(self.show("1000", "--json"))["next"], {"remote": 4711})

    def test_binary(self) -> None:
        """A message without header, or of any bytes, is shown without one."""
        for text in (b"", b"\n", b"\0" * 50_000, bytes(range(256)) * 100):
            self.put("mess", text)
            self.assertNotIn("Subject", self.show("1000"))
