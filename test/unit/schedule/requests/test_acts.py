"""Tests: what can be asked, and what comes back."""

from __future__ import annotations

import json
import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.schedule.requests.acts import RETURNED, bounce_text
from qtwisted.wire.request import RequestError
from test.unit.schedule.requests.window import Answer, Window

FAR = b"a@far.example"


class ActsTests(SynchronousTestCase):
    """The table of requests."""

    def setUp(self):
        """Start a scheduler."""
        self.desk = Window(os.path.abspath(self.mktemp())).start()

    def error(self, *words):
        """Ask for something that makes no sense, and give what is said."""
        answer = Answer()
        self.desk.acts.ask(list(words), answer)
        self.assertTrue(answer.is_ended)
        [value] = answer.values
        return value["error"]

    def test_nonsense(self):
        """Unknown verbs, numbers that are none, too many and none at all are refused; nothing is done."""
        number = self.desk.plan(FAR)
        self.assertEqual(self.error(b"remove", b"1"), "no such request")
        for word in (b"", b"-1", b"0", b"007", b"1 2", b"x", b"1" * 21, b"%d" % (1 << 64), b"../1", "٣".encode()):
            self.assertEqual(self.error(b"delete", b"%d" % number, word), "not the number of a message", word)
        self.assertEqual(self.error(b"delete"), "no message is named")
        self.assertEqual(self.error(b"bounce", b"text"), "no message is named")
        self.assertEqual(self.error(b"hold", *[b"%d" % at for at in range(1, 1002)]), "too many messages")
        self.assertEqual(self.error(b"bounce", b"x" * 1001, b"%d" % number), "a text of more than 1000 bytes")
        self.assertIn("info", self.desk.files(number))

    def test_no_text(self):
        """A bounce without the word for its text is refused, not taken apart."""
        self.assertEqual(self.error(b"bounce"), "no message is named")

    def test_text(self):
        """What was typed becomes lines without blank ones and without control characters."""
        self.assertEqual(bounce_text(b"one\n\n two \x1b[2J\r\nthree"), b"one\n two ?[2J\nthree\n")
        self.assertEqual(bounce_text(b" \n"), RETURNED)
        self.assertRaises(RequestError, bounce_text, b"x" * 2000)

    def test_ending(self):
        """While the mail system ends it only tells."""
        number = self.desk.arrive(FAR)
        self.desk.scheduler.terminate()
        self.assertEqual(self.error(b"delete", b"%d" % number), "the mail system is ending")
        self.assertTrue(self.desk.ask("snapshot").values[0]["is_ending"])

    def test_pause(self):
        """While it is paused nothing starts, and a new message is written down; the log tells of both."""
        self.assertEqual(self.desk.ask("pause").values, [{"answer": "done"}])
        self.assertEqual(self.desk.ask("pause").values, [{"answer": "already"}])
        number = self.desk.arrive(FAR)
        self.desk.wait(2)
        self.assertEqual(self.desk.orders, [])
        self.assertIn("info", self.desk.files(number))
        self.desk.ask("flush")
        self.assertEqual(self.desk.orders, [])
        self.assertEqual(self.desk.ask("cont").values, [{"answer": "done"}])
        self.assertEqual(len(self.desk.orders), 1)
        self.assertEqual([line for line in self.desk.taken() if line.startswith("qmailctl")],
                         ["qmailctl: paused: no delivery starts until cont", "qmailctl: going on"])

    def test_flush(self):
        """Every message is tried now."""
        self.desk.plan(FAR)
        self.assertEqual(self.desk.ask("flush").values, [{"answer": "done"}])
        self.assertEqual(len(self.desk.orders), 1)

    def test_snapshot(self):
        """The numbers first, then each delivery that runs; any bytes can stand in an address."""
        self.desk.plan(b"b@far.example")
        number = self.desk.arrive(b"\xff\x00"[:1] + FAR, sender=b"joe\xe9@test.example")
        self.desk.wait(3)
        numbers, delivery = self.desk.ask("snapshot").values
        self.assertEqual(numbers["remote"], {"running": 1, "limit": 20, "waiting": 0, "scheduled": 1})
        self.assertEqual(numbers["deliveries_ended"], {"success": 0, "deferral": 1, "failure": 0})
        self.assertEqual((numbers["is_paused"], numbers["is_ending"], numbers["is_loading"]), (False, False, False))
        self.assertEqual(delivery, {
            "delivery": 2, "message": number, "channel": "remote", "sender": "joe\xe9@test.example",
            "recipient": "\xffa@far.example", "running_for": 3.0, "waits": False})
        json.dumps(numbers)

    def test_show(self):
        """The next attempt, what is in flight, and the last report about each recipient."""
        number = self.desk.arrive(FAR, b"b@far.example", b"joe@test.example")
        self.desk.report(b"Zbusy\n" + b"x" * 500, slot=0)
        self.desk.report(b"Zlater\n", channel=0)
        self.desk.wait(2)
        first, second = self.desk.ask("show", number, 4711).values
        born = self.desk.now() - 2
        self.assertEqual(first["next"], {"local": born + 100})
        self.assertEqual(first["deliveries"],
                         [{"channel": "remote", "recipient": "b@far.example", "running_for": 2.0}])
        self.assertEqual([(each["recipient"], each["text"][:5], len(each["text"]), each["at"])
                          for each in first["reports"]],
                         [("a@far.example", "busy\n", 200, born), ("joe@test.example", "later", 6, born)])
        self.assertEqual((second["next"], second["reports"], second["is_in_memory"]), ({}, [], False))
        self.desk.report(b"Zlater\n", slot=1)
        self.assertEqual(self.desk.ask("show", number).values[0]["next"], {"local": born + 100, "remote": born + 400})
        self.desk.ask("delete", number)
        self.assertEqual(self.desk.ask("show", number).values[0]["reports"], [])
