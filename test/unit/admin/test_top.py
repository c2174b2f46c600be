"""The picture of the mail system at work."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import top
from qtwisted.admin.ctl.screen import Screen
from qtwisted.admin.ctl.top import Sample


def told(**changes: Any) -> dict[str, Any]:
    """What qmail-send might tell."""
    channel = {"running": 1, "limit": 10, "waiting": 0, "scheduled": 3}
    return {"pid": 5, "now": 0, "running_for": 100.0, "is_paused": False, "is_ending": False, "is_loading": False,
            "new": 2, "leaving": 1, "local": channel, "remote": channel,
            "deliveries_ended": {"success": 50, "deferral": 10, "failure": 0}, "deliveries": [], **changes}


def delivery(recipient: str, running_for: float, waits: bool = False) -> dict[str, Any]:
    """A delivery that runs."""
    return {"delivery": 1, "message": 2, "channel": "remote", "sender": "", "recipient": recipient,
            "running_for": running_for, "waits": waits}


class WideScreen(Screen):
    """A screen of a fixed width."""

    width = 10


class PictureTests(SynchronousTestCase):
    """Rates, destinations, and what is shown of them."""

    def test_rates(self) -> None:
        """Rates are differences between two answers of the same qmail-send, else means since its start."""
        first = Sample(10.0, told())
        second = Sample(12.0, told(deliveries_ended={"success": 60, "deferral": 10, "failure": 1}))
        self.assertEqual(top.rates(second, first), {"success": 5.0, "deferral": 0.0, "failure": 0.5})
        self.assertEqual(top.rates(first, None), {"success": 0.5, "deferral": 0.1, "failure": 0.0})
        self.assertEqual(top.rates(Sample(12.0, told(pid=6)), first)["success"], 0.5)

    def test_slowest(self) -> None:
        """Deliveries are joined by domain, those that run longest first."""
        running = [("a@fast.example", 1.0), ("a@Slow.example", 5.0), ("b@slow.example", 15.0, True)]
        rows = top.destinations(told(deliveries=[delivery(*one) for one in running]))
        self.assertEqual([(name, row.running, row.waiting, row.longest, row.sum) for name, row in rows],
                         [("slow.example", 2, 1, 15.0, 20.0), ("fast.example", 1, 0, 1.0, 1.0)])

    def test_lines(self) -> None:
        """What is paused, what is put off, and hostile domains are shown, and harmless."""
        sample = Sample(1.0, told(is_paused=True, deliveries=[delivery("a@\x1b[2J\xff", 1.0)]))
        text = "\n".join(top.lines(sample, None, Counter({"late.example": 7}), Screen(io.StringIO())))
        for part in ("qmail-send 5: paused for 0:01:40", "3 messages scheduled", "7  late.example", "_[2j_"):
            self.assertIn(part, text)
        self.assertEqual([char for char in text if char != "\n" and not " " <= char <= "~"], [])

    def test_many(self) -> None:
        """Of many destinations the slowest are shown, and the number of the others."""
        sample = Sample(1.0, told(deliveries=[delivery(f"a@h{at}.example", float(at)) for at in range(50)]))
        lines = list(top.lines(sample, None, None, Screen(io.StringIO())))
        self.assertEqual(lines[-1], "and 30 more")

    def test_cut(self) -> None:
        """Lines are cut to the width of the terminal; colours take no room and are always ended."""
        screen = WideScreen(io.StringIO())
        self.assertEqual(top.cut("0123456789x", screen), "0123456789")
        self.assertEqual(top.cut("01234\033[32m56789xyz\033[0mend", screen), "01234\033[32m56789\033[0m")

    def test_intervals(self) -> None:
        """Intervals that would be a burden or no view at all are refused."""
        for wrong in ("0", "-1", "nan", "1e9", "x"):
            self.assertRaises(ValueError, top.seconds, wrong)
