"""Stories are told to people."""

from __future__ import annotations

import io
import json

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl.screen import Screen
from qtwisted.admin.logs import telling
from qtwisted.model.logstamps import read_log
from test.unit.admin.logs.logtext import BOUNCED, traced


def told(text: str, *words: str) -> list[str]:
    """The lines that are printed about what is found in a log."""
    out = io.StringIO()
    telling.tell(traced(text, *words).told(), Screen(out))
    return out.getvalue().splitlines()


class TellTests(SynchronousTestCase):
    """One story after the other, what one has begun indented below it."""

    def test_chain(self) -> None:
        """A bounce stands below what it returns, its copy below the bounce, each once."""
        lines = told(BOUNCED, "qp", "20360")
        heads = [line for line in lines if "handed in by" in line]
        self.assertEqual([(len(line) - len(line.lstrip()), line.split(",")[0].strip()) for line in heads],
                         [(0, "message 54"), (4, "message 53")])
        lines = told(BOUNCED, "qp", "20351")
        heads = [line for line in lines if "handed in by" in line]
        self.assertEqual([len(line) - len(line.lstrip()) for line in heads], [0, 4, 8])
        self.assertTrue(any("local nonexistent@domain.example: failed after 2.00 s [delivery 1] "
                            "No_such_address._(#5.1.1)/" in line for line in lines), lines)
        self.assertTrue(any(line.endswith("bounced as qp 20357") for line in lines))

    def test_circle(self) -> None:
        """Messages that lead to each other are told once."""
        text = """
            new msg 1
            info msg 1: bytes 1 from <a@x> qp 10 uid 5
            new msg 2
            info msg 2: bytes 1 from <a@x> qp 11 uid 5
            starting delivery 1: msg 1 to local b@x
            starting delivery 2: msg 2 to local b@x
            delivery 1: success: did_0+1+0/qp_11/
            delivery 2: success: did_0+1+0/qp_10/
        """
        self.assertEqual(sum("handed in by" in line for line in told(text, "qp", "10")), 2)

    def test_open(self) -> None:
        """What is not known is said."""
        lines = told("starting delivery 1: msg 7 to remote b@x\nqmailctl: hold msg 7 by uid 0\n", "7")
        self.assertEqual(lines[0], "message 7, whose arrival is not in the log")
        self.assertTrue(lines[1].endswith("remote b@x: still running [delivery 1]"))
        self.assertTrue(lines[2].endswith("hold, by uid 0 with qmailctl"))
        self.assertIn("may still be in the queue", lines[3])

    def test_without_times(self) -> None:
        """A log without stamps is told without times."""
        trace = traced("", "qp", "20400")
        trace.read(read_log(line.strip().encode() for line in BOUNCED.splitlines()))
        out = io.StringIO()
        telling.tell(trace.told(), Screen(out))
        self.assertEqual(out.getvalue(), (
            "message 53, qp 20400: 100 bytes from <other@x.example>, handed in by uid 5\n"
            "  arrived\n"
            "  local alice-info@virtual.example: delivered [delivery 5] did_1+0+0/\n"
            "  left the queue\n"))

    def test_facts(self) -> None:
        """As JSON a story is one value, its times in UTC."""
        trace = traced(BOUNCED, "qp", "20400")
        (story,) = trace.told()
        value = json.loads(json.dumps(telling.story_facts(story, trace.origin(story))))
        self.assertEqual((value["msg"], value["qp"], value["arrived_at"]), (53, 20400, "2023-11-14T22:13:47.000000Z"))
        self.assertEqual(value["deliveries"][0]["verdict"], "success")

    def test_spans(self) -> None:
        """Spans are written in a way that fits their length."""
        self.assertEqual([telling.span(seconds) for seconds in (0.004, 99.9, 3661, 200000)],
                         ["0.00 s", "99.90 s", "1:01:01", "2 d 7:33:20"])
        self.assertEqual((telling.moment(None), telling.moment(1e30), telling.when(1e30)), ("", "", None))
