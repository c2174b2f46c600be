"""Whatever a logger has put in front of a line, the line is read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model import events
from qtwisted.model.logreading import LONGEST, Words, event
from qtwisted.model.logstamps import Line, read_log
from qtwisted.system.splogger import entries

AT = 812345679.123456
ALL = [
    b"new msg 53", b"info msg 53: bytes 246 from <me@domain> qp 20345 uid 666",
    b"starting delivery 1: msg 53 to local me@domain", b"status: local 1/10 remote 0/20",
    b"delivery 1: success: did_1+0+0/", b"delivery 2: success: ", b"delivery 3: report mangled, will defer",
    b"bounce msg 53 qp 20357", b"triple bounce: discarding bounce/54", b"end msg 53",
    b"status: exiting", b"warning: trouble in select", b"alert: unable to opendir todo, sleeping...",
    b"warning: unable to stat info/1/24",
]
LOCAL = 1000.5
FRONTS = {
    b"": None,
    b"qmail: ": None,
    b"qmail: 812345679.123456 ": AT,
    b"mta: 812345679.123456 ": AT,
    b"812345679.123456 ": AT,
    b"Nov 30 04:45:01 host qmail: ": LOCAL,
    b"Nov  3 04:45:01 host qmail: 812345679.123456 ": AT,
    b"<22>Nov 30 04:45:01 host.example qmail[123]: 812345679.123456 ": AT,
    b"2026-11-30T04:45:01.5+01:00 host qmail: ": 1796010301.5,
    b"2026-11-30T04:45:01.123456+00:00 host qmail: 812345679.123456 ": AT,
    b"2026-11-30T04:45:01Z ": 1796013901.0,
    b"2026-11-30T04:45:01.500000+0000 host twistd[9]: ": 1796013901.5,
    b"@400000003069f2590eff1bac ": None,
    b"1995-09-29 01:21:19.123456789 ": LOCAL,
}


def local(text: bytes) -> float:
    """A clock for stamps without a zone."""
    return LOCAL


def lines(*raw: bytes, tag: bytes | None = None) -> list[Line]:
    """Read lines."""
    return list(read_log(raw, local, tag))


class FrontTests(SynchronousTestCase):
    """Stamps of all loggers."""

    def test_all(self) -> None:
        """Every kind of line is read behind every kind of front, and the moment with it."""
        for front, at in FRONTS.items():
            for text in ALL:
                (read,) = lines(front + text)
                self.assertEqual(read.event, event(text), front + text)
                self.assertIs(type(read.event), type(event(text)))
                if front.startswith(b"@"):
                    continue
                self.assertEqual(read.at, at, front)

    def test_tai(self) -> None:
        """The time of multilog is ten seconds ahead of the clock, as libtai counts."""
        (read,) = lines(b"@400000000000000a00000000 new msg 5")
        self.assertEqual((read.at, read.event), (0.0, events.NewMessage(5)))

    def test_no_time(self) -> None:
        """Dates that do not exist hide nothing."""
        for front in (b"2026-13-41T25:61:61Z ", b"@ffffffffffffffffffffffff ", b"999999999999.9 "):
            self.assertEqual(lines(front + b"new msg 5")[0].event, events.NewMessage(5))

    def test_hosts_named_like_events(self) -> None:
        """A line behind a date without a host is not read as a host's."""
        (read,) = lines(b"2026-11-30 04:45:01.1 delivery 1: success: x")
        self.assertEqual(read.event, events.DeliverySucceeded(1, b"x"))

    def test_other_programs(self) -> None:
        """What other programs say in the system log is words; with a tag, lines of others are left out."""
        raw = b"Nov 30 04:45:01 host sshd[5]: Accepted key for joe"
        self.assertIsInstance(lines(raw)[0].event, Words)
        other = b"Nov 30 04:45:01 host qmail2: 812345679.123456 new msg 5"
        self.assertEqual(lines(raw, other, other.replace(b"qmail2", b"qmail"), tag=b"qmail"),
                         [Line(AT, events.NewMessage(5))])

    def test_own_words(self) -> None:
        """The name of a program of ours at the beginning of a line is no front."""
        text = b"qmailctl: paused: no delivery starts until cont"
        self.assertEqual(lines(text)[0].event.line(), text)
        self.assertEqual(lines(b"smtp: listening on x")[0].event.line(), b"smtp: listening on x")

    @settings(max_examples=300, deadline=None)
    @given(some.lists(some.one_of(some.binary(max_size=80), some.sampled_from([
        front + text for front in FRONTS for text in ALL]).map(lambda line: line[:40])), max_size=5))
    def test_any_bytes(self, raw: list[bytes]) -> None:
        """Whatever the lines are, there is one event for each, and nothing is raised."""
        self.assertEqual(len(lines(*raw)), len(raw))


class FoldTests(SynchronousTestCase):
    """splogger cuts long lines."""

    def folded(self, text: bytes, front: bytes = b"Nov 30 04:45:01 host qmail: ") -> list[bytes]:
        """The lines that splogger makes of one."""
        return [front + entry.encode() for _, entry in entries(text, AT)]

    def test_joined(self) -> None:
        """Pieces are one line again, of whatever length, and those of a length that leaves no rest."""
        for length in (1, 798, 799, 1500, 1598, 3000, 10000):
            text = b"delivery 1: failure: " + b"x" * length
            told = lines(*self.folded(text), b"qmail: 812345680.000000 end msg 5")
            self.assertEqual([line.event for line in told], [event(text), events.MessageEnded(5)], length)
        self.assertEqual(lines(*self.folded(b"delivery 1: failure: " + b"x" * 5000))[0].at, AT)

    def test_others_between(self) -> None:
        """Lines of other programs between the pieces do no harm."""
        first, second = self.folded(b"delivery 1: failure: " + b"x" * 900)
        told = lines(first, b"Nov 30 04:45:01 host cron: x", second)
        self.assertIn(events.DeliveryFailed(1, b"x" * 900), [line.event for line in told])

    def test_lost_piece(self) -> None:
        """A line whose second piece is lost stands for itself, and so does a second piece without its first."""
        first, second = self.folded(b"delivery 1: failure: " + b"x" * 900)
        told = lines(first, b"Nov 30 04:45:01 host qmail: 812345680.000001 new msg 5")
        expected = [events.DeliveryFailed(1, b"x" * 778), events.NewMessage(5)]
        self.assertEqual([line.event for line in told], expected)
        self.assertIsInstance(lines(second)[0].event, Words)

    def test_endless(self) -> None:
        """Pieces without end are not collected for ever."""
        piece = b"qmail: 812345679.123456%b" + b"x" * 799
        told = lines(piece % b" ", *[piece % b"+"] * 1000, b"qmail: 812345680.000000 end msg 5")
        self.assertEqual(told[-1].event, events.MessageEnded(5))
        self.assertLessEqual(max(len(line.event.line()) for line in told), LONGEST)

    def test_json(self) -> None:
        """JSON is read behind a front, and when it was cut."""
        text = (b'{"at": "2026-11-30T04:45:01Z", "kind": "delivery", "delivery": 1, "verdict": "failure", '
                b'"text": "%b"}')
        told = lines(*self.folded(text % (b"x" * 2000)))
        self.assertEqual(told, [Line(1796013901.0, events.DeliveryFailed(1, b"x" * 2000))])
