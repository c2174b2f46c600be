"""A log is summed up."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import summary
from qtwisted.admin.logs.figures import Figures, Spans, Table
from qtwisted.admin.logs.reasons import domain, reason
from qtwisted.admin.refusal import Refused
from qtwisted.model.logstamps import read_log
from test.unit.admin.logs.logtext import BOUNCED, START, stamped


def figures(text: str, since: float | None = None, until: float | None = None, rows_max: int = 1000) -> Figures:
    """Sum up a log."""
    made = Figures(since, until, rows_max)
    made.read(read_log(stamped(text)))
    return made


class SumTests(SynchronousTestCase):
    """The sums of everything, and those by reason, domain, sender and recipient."""

    def test_overall(self) -> None:
        """Messages, deliveries, bytes, delays, concurrency."""
        sums = summary.overall(figures(BOUNCED))
        wanted = {"messages": 4, "bytes": 246 + 743 + 843 + 100, "ended": 4, "open": 0, "deliveries": 5, "success": 3,
                  "deferral": 1, "failure": 1, "bounces": 1, "triple_bounces": 0, "seconds": 33.0,
                  "delivered_bytes": 743 + 843 + 100, "delay_mean": 16 / 3, "delay_median": 4.0, "delay_max": 8.0,
                  "peak_local": 1, "peak_remote": 1, "concurrency_local": 6 / 33, "concurrency_remote": 4 / 33}
        for name, value in wanted.items():
            if isinstance(value, float):
                self.assertAlmostEqual(sums[name], value, 5, name)
            else:
                self.assertEqual(sums[name], value, name)

    def test_rows(self) -> None:
        """Rows are counted by name."""
        made = figures(BOUNCED)
        self.assertEqual([name for name, _ in made.domains.largest(9)],
                         ["domain.example", "elsewhere.example", "virtual.example"])
        self.assertEqual(made.domains.rows["domain.example"].counts, {"failure": 1, "success": 1})
        self.assertEqual((made.senders.rows["<>"].messages, made.senders.rows["<>"].counts),
                         (2, {"success": 2, "deferral": 1}))
        self.assertEqual(list(made.reasons["deferral"].rows), ["Sorry, try later"])
        self.assertEqual(list(made.reasons["failure"].rows), ["No such address. (#5.1.1)"])

    def test_span(self) -> None:
        """Only what is in the span of time counts; what began before it is known all the same."""
        made = figures(BOUNCED, since=START + 9)
        self.assertEqual((made.totals["messages"], made.totals["failure"], made.totals["success"]), (3, 0, 3))
        made = figures(BOUNCED, until=START + 9)
        self.assertEqual((made.totals["messages"], made.totals["failure"], made.totals["success"]), (1, 1, 0))
        made = figures(BOUNCED, since=START + 13, until=START + 14)
        self.assertEqual((made.totals["success"], made.delays.longest), (1, 4.0))

    def test_troubles(self) -> None:
        """Alerts and warnings are counted by what they say."""
        made = figures("warning: unable to stat mess/1/24\nwarning: unable to stat mess/2/25\nalert: x\nwhatever\n")
        self.assertEqual((made.totals["warnings"], made.totals["alerts"], made.totals["other_lines"]), (2, 1, 1))
        self.assertEqual(made.troubles.largest(1)[0][1].messages, 2)

    def test_bounded(self) -> None:
        """A table keeps the rows that matter and joins the others, and loses nothing of the sum."""
        table = Table(10)
        for at in range(1000):
            table.row(f"small{at}").messages += 1
            table.row("large").messages += 2
        self.assertLessEqual(len(table.rows), 20)
        self.assertEqual(table.largest(1)[0][0], "large")
        self.assertEqual(sum(row.messages for row in table.rows.values()) + table.others.messages, 3000)

    def test_spans(self) -> None:
        """Mean and longest are exact, the median nearly so."""
        spans = Spans()
        for value in range(1, 1002):
            spans.add(value / 7)
        self.assertAlmostEqual(spans.mean() or 0.0, 501 / 7, 6)
        self.assertLess(abs((spans.median() or 0.0) * 7 - 501), 3)
        self.assertEqual((spans.longest, Spans().median(), Spans().mean()), (1001 / 7, None, None))


class ReasonTests(SynchronousTestCase):
    """Equal reasons are one, different ones are not."""

    def test_joined(self) -> None:
        """Addresses, hosts, numbers and identifiers do not matter."""
        for one, other in (
            (b"192.0.2.7_does_not_like_recipient./Remote_host_said:_550_5.1.1_<a@x.example>_unknown/",
             b"198.51.100.17_does_not_like_recipient./Remote_host_said:_550_5.1.1_<b.c@y.example>_unknown/"),
            (b"Sorry,_I_couldn't_find_any_host_named_a.example._(#5.1.2)/",
             b"Sorry,_I_couldn't_find_any_host_named_long-name.sub.other.example._(#5.1.2)/"),
            (b"451_try_again_in_300_seconds,_id_4Fx3aBcD12/", b"451_try_again_in_17_seconds,_id_9Zq1/"),
            (b"2001:db8::1_failed/", b"2001:db8:0:1::abcd_failed/"),
        ):
            self.assertEqual(reason(one), reason(other))

    def test_codes_stay(self) -> None:
        """Codes say what is wrong."""
        self.assertEqual(reason(b"Remote_host_said:_550_5.1.1_no/"), "Remote host said: 550 5.1.1 no")
        self.assertNotEqual(reason(b"x_(#4.4.1)/"), reason(b"x_(#4.4.2)/"))

    def test_harmless(self) -> None:
        """No report is empty, endless, or obeyed by a terminal."""
        self.assertEqual(reason(b""), "(no text)")
        self.assertEqual(reason(b"\x1b[2J"), "_[2J".replace("_", "", 1))
        self.assertLessEqual(len(reason(b"word_" * 5000)), 200)
        for hostile in (b"a@", b"a.", b"1", b":", b"[", b"<a@b", b"a-1"):
            self.assertLessEqual(len(reason(hostile * 3000)), 200)

    def test_domain(self) -> None:
        """The host counts in small letters."""
        self.assertEqual((domain(b"a@B.example"), domain(b"a"), domain(b"a@b@C")), ("b.example", "a", "c"))


class CommandTests(SynchronousTestCase):
    """What is printed."""

    def test_json(self) -> None:
        """Every value is JSON, the first one overall."""
        told = list(summary.values(figures(BOUNCED), 10))
        self.assertEqual(json.loads(json.dumps(told))[0]["section"], "overall")
        self.assertEqual({value["section"] for value in told},
                         {"overall", "deferral", "failure", "domain", "sender", "recipient"})

    def test_people(self) -> None:
        """The lists say how long they are."""
        told = list(summary.report(figures(BOUNCED), 1))
        self.assertTrue(any("4 arrived with 1932 bytes, 4 left, 0 still open" in line for line in told), told)
        self.assertTrue(any(line == "By domain of the recipient (the first 1 of 3):" for line in told), told)

    def test_nothing(self) -> None:
        """An empty log is no trouble."""
        self.assertTrue(list(summary.report(Figures(), 10)))
        self.assertTrue(list(summary.values(Figures(), 10)))

    def test_moments(self) -> None:
        """Times may be dates or spans."""
        self.assertEqual(summary.moment_of("2h", 10000.0), 2800.0)
        self.assertIsNone(summary.moment_of(None, 0.0))
        self.assertIsInstance(summary.moment_of("2026-11-30 04:45", 0.0), float)
        for wrong in ("yesterday", "2026-13-01", "", "5y"):
            self.assertRaises(Refused, summary.moment_of, wrong, 0.0)
