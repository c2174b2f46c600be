"""The log of a running mail system in JSON."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.logjson import read
from test.kit.homes import PORT, SingleHome
from test.kit.running import wait_until


class JsonTests(SynchronousTestCase):
    """``--log-format json``: every line of every role is an object with the facts."""

    def setUp(self) -> None:
        """Make a home of one user."""
        self.home = SingleHome(self)

    def inject(self, recipient: str) -> None:
        """Hand in a message."""
        done = self.home.run([self.home.program("qmail-inject"), "-a", "-f", "me@test.example", recipient],
                             b"Subject: x\n\nhello\n")
        self.assertEqual(done.returncode, 0, done.stderr)

    def story(self, told: list[dict[str, Any]]) -> None:
        """Check that the lines tell a delivered message."""
        kinds = {event["kind"] for event in told}
        self.assertLessEqual({"status", "new", "info", "start", "delivery", "end", "listening"}, kinds)
        info = next(event for event in told if event["kind"] == "info")
        self.assertEqual(info["sender"], "me@test.example")
        start = next(event for event in told if event["kind"] == "start")
        self.assertEqual((start["msg"], start["channel"], start["recipient"]),
                         (info["msg"], "local", "me@test.example"))
        end = next(event for event in told if event["kind"] == "delivery")
        self.assertEqual((end["delivery"], end["verdict"], end["text"]), (start["delivery"], "success", "did_1+0+0/"))
        for event in told:
            self.assertRegex(event["at"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")

    def test_standard_output(self) -> None:
        """Every line on standard output is an event, from the first to the last."""
        running = self.home.start(*PORT, "--fronts", "1", "--log-format", "json")
        running.wait_for(r'.*"kind": "status".*')
        self.inject("me@test.example")
        running.wait_for(r'.*"kind": "end".*')
        running.stop()
        for line in running.log:
            self.assertIsNotNone(read(line.encode("latin-1")), line)
        self.story([json.loads(line) for line in running.log])
        self.assertEqual(json.loads(running.log[-1])["kind"], "exiting")

    def test_program(self) -> None:
        """The lines go through --log, too."""
        log = f"{self.home.place}/log"
        running = self.home.start(*PORT, "--fronts", "1", "--log-format", "json", "--log", f"tee -a {log}")
        running.wait_for(r'.*"kind": "status".*')
        self.inject("me@test.example")

        def lines() -> list[str]:
            """What the program has written."""
            running.read(0.0)
            with open(log, encoding="ascii") as file:
                return file.read().splitlines()

        wait_until(lambda: any('"kind": "end"' in line for line in lines()), "the message ends")
        self.story([json.loads(line) for line in lines()])
